/* test_config.c - the configuration: defaults, precedence, every kind of fault with its place,
 * printing, no memory. */
#include "common/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/unit/common/parse.h"

static struct config *parse_good(const char *text, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(parse(text, env, &config) == ERR_OK, "%s\n%s", text, fault_text());
	return config;
}

static struct config *load_good(int argc, char *const *argv, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(config_load(argc, argv, env, &config, &warnings, &faults) == ERR_OK, "%s",
		fault_text());
	return config;
}

/* Writes a temporary file whose name is in `ret_path`. */
static void write_file(char ret_path[64], const char *text)
{
	int fd;

	strcpy(ret_path, "/tmp/batchgate-test-XXXXXX");
	fd = mkstemp(ret_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

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
		"1s, breaker: off, rate_limit: off}\n"
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
	ck_assert_str_eq(c->upstreams[1].match, "*");
	ck_assert_uint_eq(c->upstreams[1].concurrency, 128);
	ck_assert_str_eq(c->jobs.store, "off");
	ck_assert_int_eq(c->log.level, LOG_DEBUG);
	ck_assert_int_eq(c->log.format, LOG_TEXT);
	ck_assert_uint_eq(c->log.redact.count, 0);
	config_unref(c);
}
END_TEST

START_TEST(flags_win_over_environment_over_file)
{
	char port[] = "BATCHGATE_SERVER_PORT=2", items[] = "BATCHGATE_LIMITS_MAX_ITEMS=20",
	     *env[] = {port, items, NULL};
	char path[64], config_flag[] = "--config", port_flag[] = "--server-port=3";
	char *argv[] = {config_flag, path, port_flag};
	struct config *c;

	write_file(path, "server: {port: 1}\nlimits: {max_items: 10, max_body: 3MiB}\n");
	c = load_good(3, argv, env);
	ck_assert_uint_eq(c->server.port, 3);
	ck_assert_uint_eq(c->limits.max_items, 20);
	ck_assert_uint_eq(c->limits.max_body, 3u << 20);
	ck_assert_str_eq(c->path, path);
	config_unref(c);
	unlink(path);
}
END_TEST

START_TEST(flags_take_a_value_with_or_without_equals_and_booleans_stand_alone)
{
	char a[] = "--pool-threads", b[] = "4", d[] = "--targets-allow-private",
	     e[] = "--targets-public", f[] = "false", g[] = "--targets-ports=1,2,3",
	     h[] = "--targets-allow= a.b:1 , c ", i[] = "--log-redact=";
	char *argv[] = {a, b, d, e, f, g, h, i};
	struct config *c = load_good(8, argv, NULL);

	ck_assert_uint_eq(c->pool.threads, 4);
	ck_assert(c->targets.allow_private && !c->targets.public_addresses);
	ck_assert_uint_eq(c->targets.port_count, 3);
	ck_assert_uint_eq(c->targets.ports[2], 3);
	ck_assert_uint_eq(c->targets.allow.count, 2);
	ck_assert_str_eq(c->targets.allow.items[0], "a.b:1");
	ck_assert_str_eq(c->targets.allow.items[1], "c");
	ck_assert_uint_eq(c->log.redact.count, 0);
	config_unref(c);
}
END_TEST

START_TEST(where_targets_came_from_is_remembered)
{
	char flag[] = "--targets-deny=a", variable[] = "BATCHGATE_TARGETS_DENY=b", path[64];
	char config_flag[80], *argv[] = {config_flag, flag}, *env[] = {variable, NULL};
	char place[128];
	struct config *c = parse_good("targets:\n  ports: [80]\n  allow:\n    - x\n", env);

	ck_assert_str_eq(c->targets.allow_place, "f.yaml:3: targets.allow");
	ck_assert_str_eq(
		c->targets.deny_place, "environment: BATCHGATE_TARGETS_DENY: targets.deny");
	config_unref(c);
	write_file(path, "\ntargets: {allow: [x], deny: [y]}\n");
	snprintf(config_flag, sizeof config_flag, "--config=%s", path);
	snprintf(place, sizeof place, "%s:2: targets.allow", path);
	c = load_good(2, argv, env);
	ck_assert_str_eq(c->targets.allow_place, place);
	ck_assert_str_eq(c->targets.deny_place, "--targets-deny");
	config_unref(c);
	unlink(path);
	c = parse_good("", NULL);
	ck_assert_str_eq(c->targets.allow_place, "targets.allow");
	config_unref(c);
}
END_TEST

START_TEST(wrong_flags_and_variables_are_faults_with_their_names)
{
	char a[] = "--server-prot=1", b[] = "stray", d[] = "--server-port=x",
	     e[] = "--pool-threads", f[] = "--auth-keys=a:b";
	char *argv[] = {a, b, d, f, e}, v[] = "BATCHGATE_LOG_LEVEL=loud", *env[] = {v, NULL};
	struct config *config = NULL;

	ck_assert_int_eq(config_load(5, argv, env, &config, &warnings, &faults), ERR_INVALID);
	ck_assert_str_eq(fault_text(), "environment: BATCHGATE_LOG_LEVEL: log.level: \"loud\" is "
				       "not one of debug, info, warn, error, off\n"
				       "--server-prot: unknown flag; did you mean --server-port?\n"
				       "stray: an argument that is no flag; see --help\n"
				       "--server-port: \"x\" is not a whole number\n"
				       "--auth-keys: is not 64 hex digits; `batchgate key --hash` "
				       "reads a key and prints its SHA-256\n"
				       "--pool-threads: needs a value: --pool-threads=VALUE\n");
}
END_TEST

START_TEST(unknown_variables_and_kubernetes_ones_are_ignored_with_a_warning)
{
	char a[] = "BATCHGATE_SERVER_PROT=1", b[] = "BATCHGATE_SERVER_PORT=tcp://10.0.0.1:80",
	     d[] = "BATCHGATE_PORT=tcp://x", e[] = "OTHER=1", *env[] = {a, b, d, e, NULL};
	struct config *c = parse_good("", env);

	ck_assert_uint_eq(c->server.port, 8080);
	ck_assert_str_eq(warnings.ptr,
		"environment: BATCHGATE_SERVER_PROT: ignored: unknown name; did you mean "
		"BATCHGATE_SERVER_PORT?\n"
		"environment: BATCHGATE_SERVER_PORT: ignored: its value begins tcp://\n"
		"environment: BATCHGATE_PORT: ignored: its value begins tcp://\n");
	config_unref(c);
}
END_TEST

START_TEST(keys_from_the_environment_replace_those_of_the_file)
{
	char v[] = "BATCHGATE_AUTH_KEYS=a:" HASH_A ", b:" HASH_B ",", *env[] = {v, NULL};
	struct config *c = parse_good(
		"auth: {keys: [{name: old, sha256: [\"" HASH_A "\"], admin: true}]}", env);

	ck_assert_uint_eq(c->auth.key_count, 2);
	ck_assert_str_eq(c->auth.keys[0].name, "a");
	ck_assert_str_eq(c->auth.keys[1].name, "b");
	ck_assert(c->auth.keys[1].ad_hoc && !c->auth.keys[1].admin);
	ck_assert_uint_eq(c->auth.keys[1].sha256[0][0], 0xff);
	config_unref(c);
}
END_TEST

START_TEST(references_in_scalars_are_replaced)
{
	char a[] = "HOST=localhost", b[] = "EMPTY=", *env[] = {a, b, NULL};
	struct config *c =
		parse_good("server: {host: \"${HOST}\", port: '${P:-9}'}\n"
			   "targets: {allow: ['${EMPTY:-x}', '$$a$$', '$b', 'p${HOST}q${NO:-}']}\n",
			env);

	ck_assert_str_eq(c->server.host, "localhost");
	ck_assert_uint_eq(c->server.port, 9);
	ck_assert_str_eq(c->targets.allow.items[0], "x");
	ck_assert_str_eq(c->targets.allow.items[1], "$a$");
	ck_assert_str_eq(c->targets.allow.items[2], "$b");
	ck_assert_str_eq(c->targets.allow.items[3], "plocalhostq");
	config_unref(c);
}
END_TEST

START_TEST(a_file_reference_gives_its_trimmed_content)
{
	char path[64], secret[64], text[256], variable[128], *env[] = {variable, NULL};
	struct config *c;

	write_file(secret, "\n  inside \n\n");
	snprintf(text, sizeof text, "targets: {allow: ['${file:%s}']}\n", secret);
	write_file(path, text);
	snprintf(variable, sizeof variable, "BATCHGATE_CONFIG=%s", path);
	c = load_good(0, NULL, env);
	ck_assert_str_eq(c->targets.allow.items[0], "inside");
	config_unref(c);
	unlink(path);
	unlink(secret);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_a_fault)
{
	char flag[] = "--config=/nonexistent/x.yaml", *argv[] = {flag};
	struct config *config = NULL;

	ck_assert_int_eq(config_load(1, argv, NULL, &config, &warnings, &faults), ERR_INVALID);
	ck_assert_str_eq(
		fault_text(), "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
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
		"%s:1: upstreams[0].ca_file: \"/nonexistent.pem\" cannot be read: No such file or "
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

START_TEST(what_is_printed_can_be_read_again)
{
	char v[] = "WEIRD=a\"b\\c${x}\xc3\xa9", *env[] = {v, NULL};
	struct config *first = parse_good(
		"server: {host: 0.0.0.0, port: 0, drain_delay: 1500ms}\n"
		"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"], admin: true}\n"
		"    - {name: b, sha256: [\"" HASH_B "\"]}\n"
		"limits: {max_body: 1025}\n"
		"targets: {ports: [], allow: ['${WEIRD}', '$${y}', \"off\"]}\n"
		"upstreams: [{match: 'a:1', ca_file: '/x$y'}]\n"
		"log: {level: off, format: text}\n",
		env);
	struct config *second;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	config_print(first, &a);
	second = parse_good(a.ptr, NULL);
	config_print(second, &b);
	ck_assert_str_eq(a.ptr, b.ptr);
	ck_assert_str_eq(second->targets.allow.items[0], "a\"b\\c${x}\xc3\xa9");
	ck_assert_str_eq(second->targets.allow.items[1], "${y}");
	ck_assert_str_eq(second->upstreams[0].ca_file, "/x$y");
	ck_assert_uint_eq(second->targets.port_count, 0);
	ck_assert_uint_eq(second->auth.key_count, 2);
	ck_assert_mem_eq(second->auth.keys[1].sha256[0], first->auth.keys[1].sha256[0], 32);
	ck_assert(second->auth.keys[0].admin && !second->auth.keys[1].admin);
	ck_assert_uint_eq(second->server.drain_delay_ms, 1500);
	ck_assert_int_eq(second->log.level, LOG_OFF);
	buf_free(&a);
	buf_free(&b);
	config_unref(first);
	config_unref(second);
}
END_TEST

START_TEST(secrets_are_masked_when_printed)
{
	struct config *c = parse_good("", NULL);
	struct buf out;

	buf_init(&out, 1 << 20);
	mem_free(c->jobs.webhook_secret);
	c->jobs.webhook_secret = mem_copy("hunter2", 7);
	config_print(c, &out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "webhook_secret: \"***\"\n"));
	ck_assert_ptr_null(strstr(out.ptr, "hunter2"));
	buf_free(&out);
	config_unref(c);
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

START_TEST(without_memory_a_load_ends_with_an_error_and_loses_nothing)
{
	char v[] = "BATCHGATE_TARGETS_DENY=a,b", k[] = "BATCHGATE_AUTH_KEYS=n:" HASH_B,
	     *env[] = {v, k, NULL};
	const char *text =
		"server: {host: \"${H:-localhost}\"}\n"
		"auth: {keys: [{name: a, sha256: [\"" HASH_A "\"]}]}\n"
		"targets: {ports: [1, 2], allow: [x, y]}\nupstreams: [{match: z, ca_file: \"\"}]\n";
	bool done = false;
	unsigned long n;

	for (n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse(text, env, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(code, done ? ERR_OK : ERR_NOMEM);
		config_unref(config);
	}
	ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(a_faulty_load_without_memory_is_an_error_too)
{
	bool done = false;

	for (unsigned long n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse("server: {prot: 1, port: x}\nauth: {keys: [{name: a}, {sha256: "
			     "[b]}]}\nupstreams: [{match: /}]\n",
			NULL, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert(code == ERR_INVALID || code == ERR_NOMEM);
		ck_assert_ptr_null(config);
	}
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

static TCase *make_case(void)
{
	TCase *tcase = tcase_create("config");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_anything_every_setting_has_its_documented_default);
	tcase_add_test(tcase, every_working_setting_can_be_set_in_the_file);
	tcase_add_test(tcase, flags_win_over_environment_over_file);
	tcase_add_test(tcase, flags_take_a_value_with_or_without_equals_and_booleans_stand_alone);
	tcase_add_test(tcase, where_targets_came_from_is_remembered);
	tcase_add_test(tcase, wrong_flags_and_variables_are_faults_with_their_names);
	tcase_add_test(tcase, unknown_variables_and_kubernetes_ones_are_ignored_with_a_warning);
	tcase_add_test(tcase, keys_from_the_environment_replace_those_of_the_file);
	tcase_add_test(tcase, references_in_scalars_are_replaced);
	tcase_add_test(tcase, a_file_reference_gives_its_trimmed_content);
	tcase_add_test(tcase, a_file_that_is_not_there_is_a_fault);
	tcase_add_test(tcase, a_ca_file_that_is_not_there_is_a_fault);
	tcase_add_test(tcase, an_open_address_needs_keys_or_a_word);
	tcase_add_test(tcase, defaults_shrink_to_the_memory_that_was_set);
	tcase_add_test(tcase, what_is_printed_can_be_read_again);
	tcase_add_test(tcase, secrets_are_masked_when_printed);
	tcase_add_test(tcase, the_first_pattern_that_matches_is_the_upstreams_rule);
	tcase_add_test(tcase, without_memory_a_load_ends_with_an_error_and_loses_nothing);
	tcase_add_test(tcase, a_faulty_load_without_memory_is_an_error_too);
	tcase_add_test(tcase, help_names_every_section_with_defaults);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("common/config");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, make_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
