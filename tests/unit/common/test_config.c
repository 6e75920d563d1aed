/* test_config.c - the configuration: defaults, precedence, every kind of fault with its place, printing, no memory. */
#include "common/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

#define HASH_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH_B "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static struct buf warnings, faults;
static char no_text[] = "";

static void setup(void)
{
	buf_init(&warnings, 1 << 20);
	buf_init(&faults, 1 << 20);
}

static void teardown(void)
{
	buf_free(&warnings);
	buf_free(&faults);
}

static const char *fault_text(void)
{
	return faults.ptr ? faults.ptr : no_text;
}

static enum err_code parse(const char *text, char *const *env, struct config **ret_config)
{
	buf_clear(&warnings);
	buf_clear(&faults);
	return config_parse_text("f.yaml", text, strlen(text), env, ret_config, &warnings, &faults);
}

static struct config *parse_good(const char *text, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(parse(text, env, &config) == ERR_OK, "%s\n%s", text, fault_text());
	return config;
}

static struct config *load_good(int argc, char *const *argv, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(config_load(argc, argv, env, &config, &warnings, &faults) == ERR_OK, "%s", fault_text());
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
		"server: {host: '::1', port: 0, max_connections: 7, header_timeout: 1s, body_timeout: 2m, idle_timeout: 3h,\n"
		"  write_timeout: 4ms, drain_delay: 0, drain_timeout: 1d, hardening: auto, cors_origins: [\"https://a.example\"]}\n"
		"auth:\n  allow_anonymous: true\n  keys:\n"
		"    - {name: a, sha256: [\"" HASH_A "\", \"" HASH_B "\"], ad_hoc: false, admin: true, endpoints: [\"*\"]}\n"
		"limits: {max_body: 1KiB, memory: 2GiB, max_items: 3, max_response: 4096, max_batch_response: 5MiB,\n"
		"  max_concurrency: 6, max_item_timeout: 7s, max_batch_timeout: 8s, max_depth: 9}\n"
		"pool: {threads: 2, max_in_flight: 10000, queue_limit: 5}\n"
		"targets: {public: false, ports: [8080], allow: [\"10.0.0.0/8\", b], deny: [c], ad_hoc: false, allow_private: true}\n"
		"upstreams:\n  - {match: \"*.Example.com:8443\", concurrency: 9, connect_timeout: 1s, breaker: off, rate_limit: off}\n"
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

/* text -> the whole list of faults */
static const struct {
	const char *text, *faults;
} fault_table[] = {
	{"sever: {}\n", "f.yaml:1: sever: unknown key; did you mean server?\n"},
	{"server:\n  prot: 1\n", "f.yaml:2: server.prot: unknown key; did you mean port?\n"},
	{"xyzzyplugh: 1\n", "f.yaml:1: xyzzyplugh: unknown key\n"},
	{"server.port: 1\n", "f.yaml:1: server.port: unknown key\n"},
	{"server: 5\n", "f.yaml:1: server: must be a mapping of names to values\n"},
	{"server:\n  port: abc\n", "f.yaml:2: server.port: \"abc\" is not a whole number\n"},
	{"server:\n\n  port: -1\n", "f.yaml:3: server.port: \"-1\" is not a whole number\n"},
	{"server: {port: 65536}\n", "f.yaml:1: server.port: \"65536\" is out of range; it may be 0 to 65535\n"},
	{"server: {port: 99999999999999999999999}\n",
		"f.yaml:1: server.port: \"99999999999999999999999\" is out of range; it may be 0 to 65535\n"},
	{"server: {port: [1]}\n", "f.yaml:1: server.port: must be a single value, not a list\n"},
	{"server: {port: {a: 1}}\n", "f.yaml:1: server.port: must be a single value, not a mapping\n"},
	{"server: {port: }\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {port: ~}\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {port: ''}\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {host: ''}\n", "f.yaml:1: server.host: must not be empty\n"},
	{"server: {host: 127.1}\n",
		"f.yaml:1: server.host: \"127.1\" is no address and no name, such as 0.0.0.0, :: or localhost\n"},
	{"server: {header_timeout: 0}\n", "f.yaml:1: server.header_timeout: \"0\" is out of range; it may be 1ms to 1h\n"},
	{"server: {header_timeout: 30}\n",
		"f.yaml:1: server.header_timeout: \"30\" is not a time; write a number with ms, s, m, h or d, such as 30s\n"},
	{"server: {hardening: on}\n", "f.yaml:1: server.hardening: this version does not harden its process yet; leave it \"auto\"\n"},
	{"server: {cors_origins: [\"https://a/b\"]}\n",
		"f.yaml:1: server.cors_origins[0]: \"https://a/b\" is no origin; write *, or https://host[:port] in lower "
		"case and without a path\n"},
	{"limits:\n  max_body: 8MB\n",
		"f.yaml:2: limits.max_body: \"8MB\" is not a size; write bytes, or a number with KiB, MiB or GiB, such as 8MiB\n"},
	{"limits:\n  max_depth: 61\n", "f.yaml:2: limits.max_depth: \"61\" is out of range; it may be 1 to 60\n"},
	{"limits: {max_items: 0}\n", "f.yaml:1: limits.max_items: \"0\" is out of range; it may be 1 to 10000000\n"},
	{"limits:\n  memory: 1MiB\n  max_body: 2MiB\n",
		"f.yaml:3: limits.max_body: 2MiB is more than limits.memory, 1MiB\n"},
	{"limits: {max_response: 2MiB, max_batch_response: 1MiB}\n",
		"f.yaml:1: limits.max_response: 2MiB is more than limits.max_batch_response, 1MiB\n"},
	{"targets: {public: yes}\n", "f.yaml:1: targets.public: \"yes\" is neither true nor false\n"},
	{"targets: {ports: 80}\n", "f.yaml:1: targets.ports: must be a list, such as [a, b]\n"},
	{"targets:\n  ports: [80,\n    0]\n", "f.yaml:2: targets.ports[1]: \"0\" is out of range; it may be 1 to 65535\n"},
	{"targets: {allow: a}\n", "f.yaml:1: targets.allow: must be a list, such as [a, b]\n"},
	{"targets:\n  allow:\n    - a\n    - {}\n", "f.yaml:4: targets.allow[1]: must be a single value, not a mapping\n"},
	{"targets: {deny: ['']}\n", "f.yaml:1: targets.deny[0]: must not be empty\n"},
	{"log: {level: loud}\n", "f.yaml:1: log.level: \"loud\" is not one of debug, info, warn, error, off\n"},
	{"log: {level: \"a\\nb\"}\n", "f.yaml:1: log.level: \"a?b\" is not one of debug, info, warn, error, off\n"},
	{"log: {redact: [\"a\\x01\"]}\n", "f.yaml:1: log.redact[0]: \"a?\" has control characters or is not UTF-8\n"},
	{"auth:\n  keys:\n    - name: a\n", "f.yaml:3: auth.keys[0]: has no sha256; `batchgate key` makes a key and shows it\n"},
	{"auth: {keys: [{sha256: [\"" HASH_A "\"]}]}\n", "f.yaml:1: auth.keys[0].name: is missing\n"},
	{"auth: {keys: [{name: a, sha256: [secretkey]}]}\n",
		"f.yaml:1: auth.keys[0].sha256[0]: is not 64 hex digits; `batchgate key --hash` reads a key and prints its "
		"SHA-256\n"},
	{"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"]}\n    - {name: a, sha256: [\"" HASH_B "\"]}\n",
		"f.yaml:4: auth.keys[1].name: another key has this name\n"},
	{"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"]}\n    - {name: b, sha256: [\"" HASH_A "\"]}\n",
		"f.yaml:4: auth.keys[1].sha256[0]: the same hash is there already\n"},
	{"auth:\n  keys:\n    - sha256: [\"" HASH_A "\"]\n      name: anonymous\n",
		"f.yaml:4: auth.keys[0].name: \"anonymous\" is the caller without a key; take another name\n"},
	{"auth: {keys: [{name: a b, sha256: [\"" HASH_A "\"]}]}\n",
		"f.yaml:1: auth.keys[0].name: \"a b\" must be 1 to 64 of A-Z a-z 0-9 . _ -\n"},
	{"auth: {keys: [{name: a, sha256: [\"" HASH_A "\"], endpoints: [x]}]}\n",
		"f.yaml:1: auth.keys[0].endpoints: this version has no named endpoints yet; leave it [\"*\"]\n"},
	{"auth:\n  keys:\n    - name: a\n      sha256: [\"" HASH_A "\"]\n      requests: 100/s\n",
		"f.yaml:5: auth.keys[0].requests: this version does not limit a key yet; leave it out\n"},
	{"auth:\n  keys:\n    - name: a\n      sha256: [\"" HASH_A "\"]\n      items: 100\n",
		"f.yaml:5: auth.keys[0].items: \"100\" is not a rate; write N/s, N/min or N/h, such as 100/s, or off\n"},
	{"upstreams: [{concurrency: 1}]\n", "f.yaml:1: upstreams[0].match: is missing\n"},
	{"upstreams: {}\n", "f.yaml:1: upstreams: must be a list, such as [a, b]\n"},
	{"upstreams:\n  - match: \"http://a\"\n",
		"f.yaml:2: upstreams[0].match: \"http://a\" is no pattern; write a host, *.suffix or *, each with or without "
		":port, IPv6 as [::1]\n"},
	{"upstreams:\n  - match: a\n  - match: A\n", "f.yaml:3: upstreams[1].match: \"a\" stands there twice; the first is taken\n"},
	{"upstreams:\n  - match: \"*\"\n  - match: a\n", "f.yaml:3: upstreams[1].match: \"a\" is never reached: \"*\" stands before it\n"},
	{"upstreams:\n  - match: a\n    rate_limit: 5/s\n",
		"f.yaml:3: upstreams[0].rate_limit: this version does not limit the rate of an upstream yet; leave it \"off\"\n"},
	{"upstreams:\n  - match: a\n    rate_limit: 5/d\n",
		"f.yaml:3: upstreams[0].rate_limit: \"5/d\" is not a rate; write N/s, N/min or N/h, such as 100/s, or off\n"},
	{"upstreams:\n  - match: a\n    breaker: {failures: 5, open: 30s, max_open: 5m}\n",
		"f.yaml:3: upstreams[0].breaker: this version has no circuit breaker yet; leave it \"off\"\n"},
	{"upstreams:\n  - match: a\n    breaker: {failures: 0}\n",
		"f.yaml:3: upstreams[0].breaker.failures: \"0\" is out of range; it may be 1 to 100000\n"},
	{"upstreams:\n  - match: a\n    retry_budget: 20%\n",
		"f.yaml:3: upstreams[0].retry_budget: this version has no retry budget yet; leave it \"off\"\n"},
	{"upstreams:\n  - match: a\n    retry_budget: 120%\n",
		"f.yaml:3: upstreams[0].retry_budget: \"120%\" is not a share; write 1% to 100%, or off\n"},
	{"upstreams:\n  - match: a\n    http2: h2c\n",
		"f.yaml:3: upstreams[0].http2: this version does not choose the HTTP version yet; leave it \"auto\"\n"},
	{"upstreams:\n  - match: a\n    client_cert: x.pem\n",
		"f.yaml:3: upstreams[0].client_cert: this version has no client certificates yet; leave it empty\n"},
	{"upstreams:\n  - match: a\n    proxy: http://u:p@h\n",
		"f.yaml:3: upstreams[0].proxy: this version does not use a proxy yet; leave it empty\n"},
	{"jobs: {store: \"sqlite:x\"}\n", "f.yaml:1: jobs.store: this version has no jobs yet; leave it \"sqlite:batchgate.db\"\n"},
	{"jobs: {retention: 8d}\n", "f.yaml:1: jobs.retention: this version has no jobs yet; leave it \"7d\"\n"},
	{"jobs: {webhook_secret: hunter2}\n", "f.yaml:1: jobs.webhook_secret: this version has no jobs yet; leave it empty\n"},
	{"jobs: {webhook_secret: \"hunter\\x02\"}\n",
		"f.yaml:1: jobs.webhook_secret: what is given has control characters or is not UTF-8\n"},
	{"openai: {base_url: http://a}\n", "f.yaml:1: openai.base_url: this version has no OpenAI routes yet; leave it empty\n"},
	{"openai:\n  headers:\n    Authorization: sesame\n",
		"f.yaml:3: openai.headers: this version has no OpenAI routes yet; leave it empty\n"},
	{"openai: {headers: {\"a b\": c}}\n", "f.yaml:1: openai.headers.a b: is no name of a header\n"},
	{"endpoints:\n  x:\n    url: http://a\n    request: '${NOT}'\n",
		"f.yaml:2: endpoints: this version has no named endpoints yet; leave it empty\n"},
	{"endpoints:\n  x:\n    url: http://a\n    retry: {max_attempts: 11}\n",
		"f.yaml:4: endpoints.x.retry.max_attempts: \"11\" is out of range; it may be 1 to 10\n"},
	{"endpoints:\n  x:\n    urk: http://a\n",
		"f.yaml:3: endpoints.x.urk: unknown key; did you mean url?\nf.yaml:2: endpoints.x: has no url\n"},
	{"endpoints:\n  x:\n    url: a\n    params: {p: {typo: string}}\n",
		"f.yaml:4: endpoints.x.params.p.typo: unknown key; did you mean type?\n"},
	{"log: {level: info}\nlog: {level: warn}\n", "f.yaml:2: log: is given twice; the first is on line 1\n"},
	{"log:\n  level: info\n  level: warn\n", "f.yaml:3: log.level: is given twice; the first is on line 2\n"},
	{"a: &x 1\n",
		"f.yaml:1: YAML: anchors (&name) and aliases (*name) are not taken here; a value that begins with & or * "
		"needs quotes\n"},
	{"log: *x\n",
		"f.yaml:1: YAML: anchors (&name) and aliases (*name) are not taken here; a value that begins with & or * "
		"needs quotes\n"},
	{"log: !!str x\n", "f.yaml:1: YAML: tags (!name) are not taken here; a value that begins with ! needs quotes\n"},
	{"log: {level: info}\n---\nlog: {}\n", "f.yaml:2: YAML: a second document; there can be one\n"},
	{"log: {level: info\nx: 1\n", "f.yaml:2: YAML: did not find expected ',' or '}' while parsing a flow mapping (column 2)\n"},
	{"[1, 2]\n", "f.yaml:1: the file must be a mapping, such as server: {port: 8080}\n"},
	{"? [a]\n: b\n", "f.yaml:1: YAML: a key must be a word, not a list, a mapping or an alias\n"},
	{"log: {level: \"a\\0b\"}\n", "f.yaml:1: YAML: a NUL character\n"},
	{"a: 1\nb: \xff\n", "f.yaml:2: YAML: invalid leading UTF-8 octet (byte 9)\n"},
	{"server: {port: '${NOPE}'}\n",
		"f.yaml:1: server.port: the environment has no NOPE; set it, or write ${NOPE:-default}\n"},
	{"server: {port: '${NOPE'}\n", "f.yaml:1: server.port: ${ without its }; write $$ for a dollar\n"},
	{"server: {port: '${file:/etc/hostname}'}\n",
		"f.yaml:1: server.port: the file \"/etc/hostname\" is not read here\n"},
	{"server: {port: '${SECRET}'}\n", "f.yaml:1: server.port: \"${SECRET}\" is not a whole number\n"},
	{"log: {level: a}\npool: {threads: b}\nxx: 1\n",
		"f.yaml:1: log.level: \"a\" is not one of debug, info, warn, error, off\n"
		"f.yaml:2: pool.threads: \"b\" is not a whole number\nf.yaml:3: xx: unknown key\n"},
};

START_TEST(a_fault_names_file_line_key_and_what_is_wrong)
{
	char secret[] = "SECRET=hush", *env[] = {secret, NULL};
	struct config *config = NULL;

	ck_assert_int_eq(parse(fault_table[_i].text, env, &config), ERR_INVALID);
	ck_assert_str_eq(fault_text(), fault_table[_i].faults);
	ck_assert_ptr_null(config);
}
END_TEST

START_TEST(deep_and_wide_documents_are_refused)
{
	struct config *config = NULL;
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 100000; i++)
		buf_adds(&text, "[");
	ck_assert_int_eq(parse(text.ptr, NULL, &config), ERR_INVALID);
	ck_assert_str_eq(fault_text(), "f.yaml:1: YAML: nested too deep\n");
	buf_clear(&text);
	for (int i = 0; i < 1100; i++)
		buf_addf(&text, "k%d: 1\n", i);
	ck_assert_int_eq(parse(text.ptr, NULL, &config), ERR_INVALID);
	ck_assert_str_eq(fault_text(), "f.yaml:1025: YAML: too many entries in one mapping\n");
	buf_free(&text);
}
END_TEST

START_TEST(many_faults_are_cut_at_a_hundred)
{
	struct config *config = NULL;
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 300; i++)
		buf_addf(&text, "k%d: 1\n", i);
	ck_assert_int_eq(parse(text.ptr, NULL, &config), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(fault_text(), "f.yaml:100: k99: unknown key"));
	ck_assert_ptr_null(strstr(fault_text(), "k100:"));
	ck_assert_ptr_nonnull(strstr(fault_text(), "… and more\n"));
	buf_free(&text);
}
END_TEST

START_TEST(flags_win_over_environment_over_file)
{
	char port[] = "BATCHGATE_SERVER_PORT=2", items[] = "BATCHGATE_LIMITS_MAX_ITEMS=20", *env[] = {port, items, NULL};
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
	char a[] = "--pool-threads", b[] = "4", d[] = "--targets-allow-private", e[] = "--targets-public", f[] = "false",
	     g[] = "--targets-ports=1,2,3", h[] = "--targets-allow= a.b:1 , c ", i[] = "--log-redact=";
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

START_TEST(wrong_flags_and_variables_are_faults_with_their_names)
{
	char a[] = "--server-prot=1", b[] = "stray", d[] = "--server-port=x", e[] = "--pool-threads", f[] = "--auth-keys=a:b";
	char *argv[] = {a, b, d, f, e}, v[] = "BATCHGATE_LOG_LEVEL=loud", *env[] = {v, NULL};
	struct config *config = NULL;

	ck_assert_int_eq(config_load(5, argv, env, &config, &warnings, &faults), ERR_INVALID);
	ck_assert_str_eq(fault_text(),
		"environment: BATCHGATE_LOG_LEVEL: log.level: \"loud\" is not one of debug, info, warn, error, off\n"
		"--server-prot: unknown flag; did you mean --server-port?\n"
		"stray: an argument that is no flag; see --help\n"
		"--server-port: \"x\" is not a whole number\n"
		"--auth-keys: is not 64 hex digits; `batchgate key --hash` reads a key and prints its SHA-256\n"
		"--pool-threads: needs a value: --pool-threads=VALUE\n");
}
END_TEST

START_TEST(unknown_variables_and_kubernetes_ones_are_ignored_with_a_warning)
{
	char a[] = "BATCHGATE_SERVER_PROT=1", b[] = "BATCHGATE_SERVER_PORT=tcp://10.0.0.1:80", d[] = "BATCHGATE_PORT=tcp://x",
	     e[] = "OTHER=1", *env[] = {a, b, d, e, NULL};
	struct config *c = parse_good("", env);

	ck_assert_uint_eq(c->server.port, 8080);
	ck_assert_str_eq(warnings.ptr,
		"environment: BATCHGATE_SERVER_PROT: ignored: unknown name; did you mean BATCHGATE_SERVER_PORT?\n"
		"environment: BATCHGATE_SERVER_PORT: ignored: its value begins tcp://\n"
		"environment: BATCHGATE_PORT: ignored: its value begins tcp://\n");
	config_unref(c);
}
END_TEST

START_TEST(keys_from_the_environment_replace_those_of_the_file)
{
	char v[] = "BATCHGATE_AUTH_KEYS=a:" HASH_A ", b:" HASH_B ",", *env[] = {v, NULL};
	struct config *c = parse_good("auth: {keys: [{name: old, sha256: [\"" HASH_A "\"], admin: true}]}", env);

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
	struct config *c = parse_good("server: {host: \"${HOST}\", port: '${P:-9}'}\n"
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
	ck_assert_str_eq(fault_text(), "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
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
		"%s:1: upstreams[0].ca_file: \"/nonexistent.pem\" cannot be read: No such file or directory\n", path);
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
		{"server: {host: 0.0.0.0}\nauth: {keys: [{name: a, sha256: [\"" HASH_A "\"]}]}", true},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct config *config = NULL;

		ck_assert_int_eq(parse(table[i].text, NULL, &config), table[i].good ? ERR_OK : ERR_INVALID);
		ck_assert(table[i].good || (strstr(fault_text(), "batchgate key") && strstr(fault_text(), "allow_anonymous")));
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
	struct config *first = parse_good("server: {host: 0.0.0.0, port: 0, drain_delay: 1500ms}\n"
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
	struct config *c = parse_good("upstreams: [{match: 'api.example.com:8443'}, {match: '*.example.com'}, {match: '[::1]:80'},\n"
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
		ck_assert_str_eq(config_upstream_of(c, table[i].host, table[i].port)->match, table[i].match);
	config_unref(c);
}
END_TEST

START_TEST(without_memory_a_load_ends_with_an_error_and_loses_nothing)
{
	char v[] = "BATCHGATE_TARGETS_DENY=a,b", k[] = "BATCHGATE_AUTH_KEYS=n:" HASH_B, *env[] = {v, k, NULL};
	const char *text = "server: {host: \"${H:-localhost}\"}\n"
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
		code = parse("server: {prot: 1, port: x}\nauth: {keys: [{name: a}, {sha256: [b]}]}\nupstreams: [{match: /}]\n",
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
	tcase_add_loop_test(tcase, a_fault_names_file_line_key_and_what_is_wrong, 0,
		(int)(sizeof fault_table / sizeof *fault_table));
	tcase_add_test(tcase, deep_and_wide_documents_are_refused);
	tcase_add_test(tcase, many_faults_are_cut_at_a_hundred);
	tcase_add_test(tcase, flags_win_over_environment_over_file);
	tcase_add_test(tcase, flags_take_a_value_with_or_without_equals_and_booleans_stand_alone);
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
