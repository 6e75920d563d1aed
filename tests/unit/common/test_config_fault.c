/* test_config_fault.c - what is wrong in a configuration file, and where: every kind of fault with
 * its line. */
#include "common/config_fault.h"

#include <check.h>

#include "tests/unit/common/parse.h"

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
	{"server: {port: 65536}\n",
		"f.yaml:1: server.port: \"65536\" is out of range; it may be 0 to 65535\n"},
	{"server: {port: 99999999999999999999999}\n",
		"f.yaml:1: server.port: \"99999999999999999999999\" is out of range; it may be 0 "
		"to 65535\n"},
	{"server: {port: [1]}\n", "f.yaml:1: server.port: must be a single value, not a list\n"},
	{"server: {port: {a: 1}}\n",
		"f.yaml:1: server.port: must be a single value, not a mapping\n"},
	{"server: {port: }\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {port: ~}\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {port: ''}\n", "f.yaml:1: server.port: has no value\n"},
	{"server: {host: ''}\n", "f.yaml:1: server.host: must not be empty\n"},
	{"server: {host: 127.1}\n", "f.yaml:1: server.host: \"127.1\" is no address and no name, "
				    "such as 0.0.0.0, :: or localhost\n"},
	{"server: {header_timeout: 0}\n",
		"f.yaml:1: server.header_timeout: \"0\" is out of range; it may be 1ms to 1h\n"},
	{"server: {header_timeout: 30}\n", "f.yaml:1: server.header_timeout: \"30\" is not a time; "
					   "write a number with ms, s, m, h or d, such as 30s\n"},
	{"server: {hardening: on}\n", "f.yaml:1: server.hardening: this version does not harden "
				      "its process yet; leave it \"auto\"\n"},
	{"server: {cors_origins: [\"https://a/b\"]}\n",
		"f.yaml:1: server.cors_origins[0]: \"https://a/b\" is no origin; write *, or "
		"https://host[:port] in lower "
		"case and without a path\n"},
	{"limits:\n  max_body: 8MB\n", "f.yaml:2: limits.max_body: \"8MB\" is not a size; write "
				       "bytes, or a number with KiB, MiB or GiB, such as 8MiB\n"},
	{"limits:\n  max_depth: 61\n",
		"f.yaml:2: limits.max_depth: \"61\" is out of range; it may be 1 to 60\n"},
	{"limits: {max_items: 0}\n",
		"f.yaml:1: limits.max_items: \"0\" is out of range; it may be 1 to 10000000\n"},
	{"limits:\n  memory: 1MiB\n  max_body: 2MiB\n",
		"f.yaml:3: limits.max_body: 2MiB is more than limits.memory, 1MiB\n"},
	{"limits: {max_response: 2MiB, max_batch_response: 1MiB}\n",
		"f.yaml:1: limits.max_response: 2MiB is more than limits.max_batch_response, "
		"1MiB\n"},
	{"targets: {public: yes}\n",
		"f.yaml:1: targets.public: \"yes\" is neither true nor false\n"},
	{"targets: {ports: 80}\n", "f.yaml:1: targets.ports: must be a list, such as [a, b]\n"},
	{"targets:\n  ports: [80,\n    0]\n",
		"f.yaml:2: targets.ports[1]: \"0\" is out of range; it may be 1 to 65535\n"},
	{"targets: {allow: a}\n", "f.yaml:1: targets.allow: must be a list, such as [a, b]\n"},
	{"targets:\n  allow:\n    - a\n    - {}\n",
		"f.yaml:4: targets.allow[1]: must be a single value, not a mapping\n"},
	{"targets: {deny: ['']}\n", "f.yaml:1: targets.deny[0]: must not be empty\n"},
	{"log: {level: loud}\n",
		"f.yaml:1: log.level: \"loud\" is not one of debug, info, warn, error, off\n"},
	{"log: {level: \"a\\nb\"}\n",
		"f.yaml:1: log.level: \"a?b\" is not one of debug, info, warn, error, off\n"},
	{"log: {redact: [\"a\\x01\"]}\n",
		"f.yaml:1: log.redact[0]: \"a?\" has control characters or is not UTF-8\n"},
	{"auth:\n  keys:\n    - name: a\n", "f.yaml:3: auth.keys[0]: has no sha256; `batchgate "
					    "key` makes a key and shows it\n"},
	{"auth: {keys: [{sha256: [\"" HASH_A "\"]}]}\n",
		"f.yaml:1: auth.keys[0].name: is missing\n"},
	{"auth: {keys: [{name: a, sha256: [secretkey]}]}\n",
		"f.yaml:1: auth.keys[0].sha256[0]: is not 64 hex digits; `batchgate key --hash` "
		"reads a key and prints its "
		"SHA-256\n"},
	{"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A
	 "\"]}\n    - {name: a, sha256: [\"" HASH_B "\"]}\n",
		"f.yaml:4: auth.keys[1].name: another key has this name\n"},
	{"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A
	 "\"]}\n    - {name: b, sha256: [\"" HASH_A "\"]}\n",
		"f.yaml:4: auth.keys[1].sha256[0]: the same hash is there already\n"},
	{"auth:\n  keys:\n    - sha256: [\"" HASH_A "\"]\n      name: anonymous\n",
		"f.yaml:4: auth.keys[0].name: \"anonymous\" is the caller without a key; take "
		"another name\n"},
	{"auth: {keys: [{name: a b, sha256: [\"" HASH_A "\"]}]}\n",
		"f.yaml:1: auth.keys[0].name: \"a b\" must be 1 to 64 of A-Z a-z 0-9 . _ -\n"},
	{"auth: {keys: [{name: a, sha256: [\"" HASH_A "\"], endpoints: ['']}]}\n",
		"f.yaml:1: auth.keys[0].endpoints[0]: must not be empty\n"},
	{"auth:\n  keys:\n    - name: a\n      sha256: [\"" HASH_A "\"]\n      requests: 100/s\n",
		"f.yaml:5: auth.keys[0].requests: this version does not limit a key yet; leave it "
		"out\n"},
	{"auth:\n  keys:\n    - name: a\n      sha256: [\"" HASH_A "\"]\n      items: 100\n",
		"f.yaml:5: auth.keys[0].items: \"100\" is not a rate; write N/s, N/min or N/h, "
		"such as 100/s, or off\n"},
	{"upstreams: [{concurrency: 1}]\n", "f.yaml:1: upstreams[0].match: is missing\n"},
	{"upstreams: {}\n", "f.yaml:1: upstreams: must be a list, such as [a, b]\n"},
	{"upstreams:\n  - match: \"http://a\"\n",
		"f.yaml:2: upstreams[0].match: \"http://a\" is no pattern; write a host, *.suffix "
		"or *, each with or without "
		":port, IPv6 as [::1]\n"},
	{"upstreams:\n  - match: a\n  - match: A\n",
		"f.yaml:3: upstreams[1].match: \"a\" stands there twice; the first is taken\n"},
	{"upstreams:\n  - match: \"*\"\n  - match: a\n",
		"f.yaml:3: upstreams[1].match: \"a\" is never reached: \"*\" stands before it\n"},
	{"upstreams:\n  - match: a\n    rate_limit: 5/s\n",
		"f.yaml:3: upstreams[0].rate_limit: this version does not limit the rate of an "
		"upstream yet; leave it \"off\"\n"},
	{"upstreams:\n  - match: a\n    rate_limit: 5/d\n",
		"f.yaml:3: upstreams[0].rate_limit: \"5/d\" is not a rate; write N/s, N/min or "
		"N/h, such as 100/s, or off\n"},
	{"upstreams:\n  - match: a\n    breaker: {failures: 5, open: 30s, max_open: 5m}\n",
		"f.yaml:3: upstreams[0].breaker: this version has no circuit breaker yet; leave it "
		"\"off\"\n"},
	{"upstreams:\n  - match: a\n    breaker: {failures: 0}\n",
		"f.yaml:3: upstreams[0].breaker.failures: \"0\" is out of range; it may be 1 to "
		"100000\n"},
	{"upstreams:\n  - match: a\n    retry_budget: 20%\n",
		"f.yaml:3: upstreams[0].retry_budget: this version has no retry budget yet; leave "
		"it \"off\"\n"},
	{"upstreams:\n  - match: a\n    retry_budget: 120%\n",
		"f.yaml:3: upstreams[0].retry_budget: \"120%\" is not a share; write 1% to 100%, "
		"or off\n"},
	{"upstreams:\n  - match: a\n    http2: h2c\n",
		"f.yaml:3: upstreams[0].http2: this version does not choose the HTTP version yet; "
		"leave it \"auto\"\n"},
	{"upstreams:\n  - match: a\n    client_cert: x.pem\n",
		"f.yaml:3: upstreams[0].client_cert: this version has no client certificates yet; "
		"leave it empty\n"},
	{"upstreams:\n  - match: a\n    proxy: http://u:p@h\n",
		"f.yaml:3: upstreams[0].proxy: this version does not use a proxy yet; leave it "
		"empty\n"},
	{"jobs: {store: \"sqlite:x\"}\n", "f.yaml:1: jobs.store: this version has no jobs yet; "
					  "leave it \"sqlite:batchgate.db\"\n"},
	{"jobs: {retention: 8d}\n",
		"f.yaml:1: jobs.retention: this version has no jobs yet; leave it \"7d\"\n"},
	{"jobs: {webhook_secret: hunter2}\n",
		"f.yaml:1: jobs.webhook_secret: this version has no jobs yet; leave it empty\n"},
	{"jobs: {webhook_secret: \"hunter\\x02\"}\n",
		"f.yaml:1: jobs.webhook_secret: what is given has control characters or is not "
		"UTF-8\n"},
	{"openai: {base_url: http://a}\n", "f.yaml:1: openai.base_url: this version has no OpenAI "
					   "routes yet; leave it empty\n"},
	{"openai:\n  headers:\n    Authorization: sesame\n",
		"f.yaml:3: openai.headers: this version has no OpenAI routes yet; leave it "
		"empty\n"},
	{"openai: {headers: {\"a b\": c}}\n",
		"f.yaml:1: openai.headers.a b: is no name of a header\n"},
	{"endpoints:\n  x:\n    url: http://a\n    retry: {max_attempts: 11}\n",
		"f.yaml:4: endpoints.x.retry.max_attempts: \"11\" is out of range; it may be 1 to "
		"10\n"},
	{"endpoints:\n  x:\n    urk: http://a\n", "f.yaml:3: endpoints.x.urk: unknown key; did you "
						  "mean url?\nf.yaml:2: endpoints.x: has no url\n"},
	{"endpoints:\n  x:\n    url: http://a\n    params: {p: {typo: string}}\n",
		"f.yaml:4: endpoints.x.params.p.typo: unknown key; did you mean type?\n"},
	{"log: {level: info}\nlog: {level: warn}\n",
		"f.yaml:2: log: is given twice; the first is on line 1\n"},
	{"log:\n  level: info\n  level: warn\n",
		"f.yaml:3: log.level: is given twice; the first is on line 2\n"},
	{"a: &x 1\n", "f.yaml:1: YAML: anchors (&name) and aliases (*name) are not taken here; a "
		      "value that begins with & or * "
		      "needs quotes\n"},
	{"log: *x\n", "f.yaml:1: YAML: anchors (&name) and aliases (*name) are not taken here; a "
		      "value that begins with & or * "
		      "needs quotes\n"},
	{"log: !!str x\n", "f.yaml:1: YAML: tags (!name) are not taken here; a value that begins "
			   "with ! needs quotes\n"},
	{"log: {level: info}\n---\nlog: {}\n",
		"f.yaml:2: YAML: a second document; there can be one\n"},
	{"log: {level: info\nx: 1\n", "f.yaml:2: YAML: did not find expected ',' or '}' while "
				      "parsing a flow mapping (column 2)\n"},
	{"[1, 2]\n", "f.yaml:1: the file must be a mapping, such as server: {port: 8080}\n"},
	{"? [a]\n: b\n",
		"f.yaml:1: YAML: a key must be a word, not a list, a mapping or an alias\n"},
	{"log: {level: \"a\\0b\"}\n", "f.yaml:1: YAML: a NUL character\n"},
	{"a: 1\nb: \xff\n", "f.yaml:2: YAML: invalid leading UTF-8 octet (byte 9)\n"},
	{"server: {port: '${NOPE}'}\n", "f.yaml:1: server.port: the environment has no NOPE; set "
					"it, or write ${NOPE:-default}\n"},
	{"server: {port: '${NOPE'}\n",
		"f.yaml:1: server.port: ${ without its }; write $$ for a dollar\n"},
	{"server: {port: '${file:/etc/hostname}'}\n",
		"f.yaml:1: server.port: the file \"/etc/hostname\" is not read here\n"},
	{"server: {port: '${SECRET}'}\n",
		"f.yaml:1: server.port: \"${SECRET}\" is not a whole number\n"},
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

int main(void)
{
	Suite *suite = suite_create("common/config_fault");
	TCase *tcase = tcase_create("config_fault");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_fault_names_file_line_key_and_what_is_wrong, 0,
		(int)(sizeof fault_table / sizeof *fault_table));
	tcase_add_test(tcase, deep_and_wide_documents_are_refused);
	tcase_add_test(tcase, many_faults_are_cut_at_a_hundred);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
