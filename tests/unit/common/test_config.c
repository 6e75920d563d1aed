/* test_config.c - the configuration: its defaults, each setting in a file, what must fit together,
 * and which upstream's rule is taken. */
#include "common/config.h"

#include <stdio.h>

#include "tests/harness/check_main.h"
#include "tests/unit/common/parse.h"

START_TEST(without_anything_every_setting_has_its_documented_default)
{
	struct config *c = parse_good("", NULL);

	ck_assert_str_eq(c->server.host, "127.0.0.1");
	ck_assert_uint_eq(c->server.port, 8080);
	ck_assert_uint_eq(c->server.max_connections, 4096);
	ck_assert_uint_eq(c->server.header_timeout_ms, 10000);
	ck_assert_uint_eq(c->server.body_timeout_ms, 60000);
	ck_assert_uint_eq(c->server.idle_timeout_ms, 75000);
	ck_assert_uint_eq(c->server.write_timeout_ms, 30000);
	ck_assert_uint_eq(c->server.drain_delay_ms, 0);
	ck_assert_uint_eq(c->server.drain_timeout_ms, 20000);
	ck_assert_uint_eq(c->server.cors_origins.count, 0);
	ck_assert(!c->auth.allow_anonymous && c->auth.key_count == 0);
	ck_assert_uint_eq(c->limits.max_body, 8u << 20);
	ck_assert_uint_eq(c->limits.memory, 512u << 20);
	ck_assert_uint_eq(c->limits.max_items, 10000);
	ck_assert_uint_eq(c->limits.max_response, 10u << 20);
	ck_assert_uint_eq(c->limits.max_batch_response, 256u << 20);
	ck_assert_uint_eq(c->limits.max_concurrency, 256);
	ck_assert_uint_eq(c->limits.max_item_timeout_ms, 600000);
	ck_assert_uint_eq(c->limits.max_batch_timeout_ms, 600000);
	ck_assert_uint_eq(c->limits.max_depth, 60);
	ck_assert_uint_eq(c->pool.threads, 0);
	ck_assert_uint_eq(c->pool.max_in_flight, 256);
	ck_assert_uint_eq(c->pool.queue_limit, 100000);
	ck_assert(c->targets.public_addresses && c->targets.ad_hoc && !c->targets.allow_private);
	ck_assert_uint_eq(c->targets.port_count, 2);
	ck_assert_uint_eq(c->targets.ports[0], 80);
	ck_assert_uint_eq(c->targets.ports[1], 443);
	ck_assert_uint_eq(c->upstream_count, 1);
	ck_assert_str_eq(c->upstreams[0].match, "*");
	ck_assert_uint_eq(c->upstreams[0].concurrency, 128);
	ck_assert_uint_eq(c->upstreams[0].connect_timeout_ms, 5000);
	ck_assert_int_eq(c->log.level, LOG_INFO);
	ck_assert_int_eq(c->log.format, LOG_JSON);
	ck_assert_uint_eq(c->log.redact.count, 4);
	ck_assert_str_eq(c->log.redact.items[3], "set-cookie");
	ck_assert_ptr_null(c->path);
	config_unref(c);
}
END_TEST

START_TEST(every_working_setting_can_be_set_in_the_file)
{
	struct config *c = parse_good(
		"# comment\n"
		"server: {host: '::1', port: 0, max_connections: 7, header_timeout: 1s, "
		"body_timeout: 2m, idle_timeout: 3h,\n"
		"  write_timeout: 4ms, drain_delay: 0, drain_timeout: 1d, hardening: auto, "
		"cors_origins: [\"https://a.example\"]}\n"
		"auth:\n  allow_anonymous: true\n  keys:\n"
		"    - {name: a, sha256: [\"" HASH_A "\", \"" HASH_B
		"\"], ad_hoc: false, admin: true, endpoints: [\"*\"]}\n"
		"limits: {max_body: 1KiB, memory: 2GiB, max_items: 3, max_response: 4096, "
		"max_batch_response: 5MiB,\n"
		"  max_concurrency: 6, max_item_timeout: 7s, max_batch_timeout: 8s, max_depth: 9}\n"
		"pool: {threads: 2, max_in_flight: 10000, queue_limit: 5}\n"
		"targets: {public: false, ports: [8080], allow: [\"10.0.0.0/8\", b], deny: [c], "
		"ad_hoc: false, allow_private: true}\n"
		"upstreams:\n  - {match: \"*.Example.com:8443\", concurrency: 9, connect_timeout: "
		"1s, breaker: {failures: 2, open: 1s}, rate_limit: 90/min, retry_budget: 20%}\n"
		"jobs: {store: off, deadline: 1440m}\n"
		"openai: {base_url: \"\", headers: {}}\n"
		"log: {level: debug, format: text, redact: []}\n"
		"endpoints: {}\n",
		NULL);

	ck_assert_str_eq(c->server.host, "::1");
	ck_assert_uint_eq(c->server.port, 0);
	ck_assert_uint_eq(c->server.idle_timeout_ms, 3 * 3600000);
	ck_assert_uint_eq(c->server.write_timeout_ms, 4);
	ck_assert_uint_eq(c->server.drain_timeout_ms, 86400000);
	ck_assert_str_eq(c->server.cors_origins.items[0], "https://a.example");
	ck_assert_uint_eq(c->auth.key_count, 1);
	ck_assert_uint_eq(c->auth.keys[0].sha256_count, 2);
	ck_assert_uint_eq(c->auth.keys[0].sha256[0][1], 0x23);
	ck_assert_uint_eq(c->auth.keys[0].sha256[1][31], 0xff);
	ck_assert(!c->auth.keys[0].ad_hoc && c->auth.keys[0].admin);
	ck_assert_uint_eq(c->limits.max_response, 4096);
	ck_assert_uint_eq(c->limits.max_items, 3);
	ck_assert_uint_eq(c->limits.max_depth, 9);
	ck_assert_uint_eq(c->pool.max_in_flight, 10000);
	ck_assert(!c->targets.public_addresses && !c->targets.ad_hoc && c->targets.allow_private);
	ck_assert_uint_eq(c->targets.port_count, 1);
	ck_assert_str_eq(c->targets.allow.items[0], "10.0.0.0/8");
	ck_assert_uint_eq(c->upstream_count, 2);
	ck_assert_str_eq(c->upstreams[0].match, "*.example.com:8443");
	ck_assert_double_eq(c->upstreams[0].rate_per_s, 1.5);
	ck_assert_uint_eq(c->upstreams[0].breaker.failures, 2);
	ck_assert_uint_eq(c->upstreams[0].breaker.open_ms, 1000);
	ck_assert_uint_eq(c->upstreams[0].breaker.max_open_ms, 300000);
	ck_assert_uint_eq(c->upstreams[0].retry_percent, 20);
	ck_assert_str_eq(c->upstreams[1].match, "*");
	ck_assert_uint_eq(c->upstreams[1].concurrency, 128);
	ck_assert_uint_eq(c->upstreams[1].breaker.failures, 0);
	ck_assert_int_eq(c->upstreams[0].http2, CONFIG_HTTP2_AUTO);
	ck_assert_int_eq(c->upstreams[1].http2, CONFIG_HTTP2_OFF); /* nobody named those hosts */
	ck_assert_double_eq(c->upstreams[1].rate_per_s, 0);
	ck_assert_uint_eq(c->upstreams[1].retry_percent, 0);
	ck_assert_str_eq(c->jobs.store, "off");
	ck_assert_int_eq(c->log.level, LOG_DEBUG);
	ck_assert_int_eq(c->log.format, LOG_TEXT);
	ck_assert_uint_eq(c->log.redact.count, 0);
	config_unref(c);
}
END_TEST

START_TEST(a_ca_file_that_is_not_there_is_a_fault)
{
	char path[64], *argv[2], flag[] = "--config", expected[256];
	struct config *config = NULL;

	write_file(path, "upstreams:\n  - match: a\n    ca_file: /nonexistent.pem\n");
	argv[0] = flag;
	argv[1] = path;
	ck_assert_int_eq(config_load(2, argv, NULL, &config, &warnings, &faults), ERR_INVALID);
	snprintf(expected, sizeof expected,
		"%s:3: upstreams[0].ca_file: \"/nonexistent.pem\" cannot be read: No such file or "
		"directory\n",
		path);
	ck_assert_str_eq(fault_text(), expected);
	unlink(path);
}
END_TEST

START_TEST(an_open_address_needs_keys_or_a_word)
{
	static const struct {
		const char *text;
		bool good;
	} table[] = {
		{"server: {host: 0.0.0.0}", false},
		{"server: {host: '::'}", false},
		{"server: {host: 10.0.0.1}", false},
		{"server: {host: example.com}", false},
		{"server: {host: '::ffff:10.0.0.1'}", false},
		{"server: {host: 127.255.0.1}", true},
		{"server: {host: '0:0:0:0:0:0:0:1'}", true},
		{"server: {host: LocalHost}", true},
		{"server: {host: 0.0.0.0}\nauth: {allow_anonymous: true}", true},
		{"server: {host: 0.0.0.0}\nauth: {keys: [{name: a, sha256: [\"" HASH_A "\"]}]}",
			true},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct config *config = NULL;

		ck_assert_int_eq(
			parse(table[i].text, NULL, &config), table[i].good ? ERR_OK : ERR_INVALID);
		ck_assert(table[i].good || (strstr(fault_text(), "batchgate key") &&
						   strstr(fault_text(), "allow_anonymous")));
		config_unref(config);
	}
}
END_TEST

START_TEST(defaults_shrink_to_the_memory_that_was_set)
{
	struct config *c = parse_good("limits: {memory: 4MiB}", NULL);

	ck_assert_uint_eq(c->limits.max_body, 4u << 20);
	ck_assert_uint_eq(c->limits.max_batch_response, 4u << 20);
	ck_assert_uint_eq(c->limits.max_response, 4u << 20);
	config_unref(c);
}
END_TEST

START_TEST(a_narrower_pattern_may_stand_before_a_wider_one)
{
	config_unref(parse_good(
		"upstreams: [{match: 'a.b:8080'}, {match: a.b}, {match: '*.a.b'}, {match: '*.b'}, "
		"{match: ab}, {match: '[::1]:80'}, {match: '*:80'}, {match: '*:81'}, {match: '*'}]",
		NULL));
}
END_TEST

START_TEST(the_first_pattern_that_matches_is_the_upstreams_rule)
{
	struct config *c =
		parse_good("upstreams: [{match: 'api.example.com:8443'}, {match: '*.example.com'}, "
			   "{match: '[::1]:80'},\n"
			   "  {match: '[FD00::0]'}, {match: '*:9000'}, {match: 10.0.0.1}]",
			NULL);
	static const struct {
		const char *host;
		uint16_t port;
		const char *match;
	} table[] = {
		{"api.example.com", 8443, "api.example.com:8443"},
		{"api.example.com", 443, "*.example.com"},
		{"API.Example.com", 443, "*.example.com"},
		{"a.b.example.com", 1, "*.example.com"},
		{"example.com", 443, "*"},
		{"badexample.com", 443, "*"},
		{".example.com", 443, "*"},
		{"::1", 80, "[::1]:80"},
		{"::1", 81, "*"},
		{"fd00::", 81, "[fd00::0]"},
		{"x", 9000, "*:9000"},
		{"10.0.0.1", 80, "10.0.0.1"},
		{"x", 80, "*"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		ck_assert_str_eq(
			config_upstream_of(c, table[i].host, table[i].port)->match, table[i].match);
	config_unref(c);
}
END_TEST

START_TEST(help_names_every_section_with_defaults)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	config_help(&out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "  server.port\n"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "number 0 to 65535; default 8080"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "upstreams[].match"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "size 64KiB to 4096GiB; default 512MiB"));
	buf_free(&out);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, without_anything_every_setting_has_its_documented_default);
	tcase_add_test(tests, every_working_setting_can_be_set_in_the_file);
	tcase_add_test(tests, a_ca_file_that_is_not_there_is_a_fault);
	tcase_add_test(tests, an_open_address_needs_keys_or_a_word);
	tcase_add_test(tests, defaults_shrink_to_the_memory_that_was_set);
	tcase_add_test(tests, a_narrower_pattern_may_stand_before_a_wider_one);
	tcase_add_test(tests, the_first_pattern_that_matches_is_the_upstreams_rule);
	tcase_add_test(tests, help_names_every_section_with_defaults);
	return check_run("config", tests);
}
