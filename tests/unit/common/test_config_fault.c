/* test_config_fault.c - what is wrong in a configuration file, and where: every kind of fault with
 * its line. */
#include "common/config_fault.h"

#include "tests/harness/check_main.h"
#include "tests/unit/common/parse.h"

#define PROXY_FORM                                                                   \
	"f.yaml:3: upstreams[0].proxy: must be http://[user:password@]host:port or " \
	"https://[user:password@]host:port\n"
#define PROXY_USER                                                                          \
	"f.yaml:3: upstreams[0].proxy: has a user or password that cannot be sent; encode " \
	"what is special, such as %40 for @\n"

/* text -> the whole list of faults */
static const struct {
	const char *text, *faults;
} fault_table[] = {
	{"sever: {}\n", "f.yaml:1: sever: unknown key; did you mean server?\n"},
	{"server:\n  prot: 1\n", "f.yaml:2: server.prot: unknown key; did you mean port?\n"},
	{"port: 80\n", "f.yaml:1: port: unknown key; did you mean server.port?\n"},
	{"max-body: 80\n", "f.yaml:1: max-body: unknown key; did you mean limits.max_body?\n"},
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
	{"server: {host: nonsense}\n",
		"f.yaml:1: server.host: \"nonsense\" is a name, which may be an address that "
		"other machines reach (write 127.0.0.1 for this machine alone), and there are no "
		"keys: make one with `batchgate key` and put it under auth.keys (or into "
		"BATCHGATE_AUTH_KEYS), or say auth.allow_anonymous: true to let everybody in\n"},
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
	{"auth: {keys: [{name: a, sha256: "
	 "[\"0000000000000000000000000000000000000000000000000000000000000000\"]}]}\n",
		"f.yaml:1: auth.keys[0].sha256[0]: is a placeholder; `batchgate key --hash` reads "
		"a key and prints its SHA-256\n"},
	{"auth: {keys: [{name: a, key: x, sha256: [\"" HASH_A "\"]}]}\n",
		"f.yaml:1: auth.keys[0].key: unknown key; write sha256: [\"HASH\"], which "
		"`batchgate key --hash` makes of a key\n"},
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
	{"upstreams:\n  - match: a.b\n  - match: a.b:8080\n",
		"f.yaml:3: upstreams[1].match: \"a.b:8080\" is never reached: \"a.b\" stands "
		"before it\n"},
	{"upstreams:\n  - match: \"*.b\"\n  - match: \"*.a.b\"\n",
		"f.yaml:3: upstreams[1].match: \"*.a.b\" is never reached: \"*.b\" stands before "
		"it\n"},
	{"upstreams:\n  - match: \"*:80\"\n  - match: a:80\n",
		"f.yaml:3: upstreams[1].match: \"a:80\" is never reached: \"*:80\" stands before "
		"it\n"},
	{"upstreams:\n  - match: *.b\n", "f.yaml:2: YAML: did not find expected alphabetic or "
					 "numeric character while scanning an alias (column "
					 "13); quote a value that begins with * or &: "
					 "\"*\"\n"},
	{"upstreams:\n  - match: \"*\"\n  - match: a\n",
		"f.yaml:3: upstreams[1].match: \"a\" is never reached: \"*\" stands before it\n"},
	{"upstreams:\n  - match: a\n    rate_limit: 5/d\n",
		"f.yaml:3: upstreams[0].rate_limit: \"5/d\" is not a rate; write N/s, N/min or "
		"N/h, such as 100/s, or off\n"},
	{"upstreams:\n  - match: a\n    breaker: {open: 10m}\n",
		"f.yaml:3: upstreams[0].breaker: open is longer than max_open, which is 300s "
		"unless it is given\n"},
	{"upstreams:\n  - match: a\n    breaker: on\n",
		"f.yaml:3: upstreams[0].breaker: must be off or a mapping, such as {failures: 5, "
		"open: 30s, max_open: 5m}\n"},
	{"upstreams:\n  - match: a\n    breaker: {failures: 0}\n",
		"f.yaml:3: upstreams[0].breaker.failures: \"0\" is out of range; it may be 1 to "
		"100000\n"},
	{"upstreams:\n  - match: a\n    retry_budget: 120%\n",
		"f.yaml:3: upstreams[0].retry_budget: \"120%\" is not a share; write 1% to 100%, "
		"or off\n"},
	{"upstreams:\n  - match: a\n    http2: h3\n",
		"f.yaml:3: upstreams[0].http2: \"h3\" is not one of auto, off, h2c\n"},
	{"upstreams:\n  - match: a\n    client_key: x.pem\n",
		"f.yaml:3: upstreams[0].client_key: has no client_cert beside it\n"},
	{"upstreams:\n  - match: a\n    proxy: socks5h://u:hunter2@h:1\n",
		"f.yaml:3: upstreams[0].proxy: must begin with http:// or https://; other kinds "
		"of proxy are not used\n"},
	{"upstreams:\n  - match: a\n    proxy: http://u:hunter2@h\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://u:hunter2@h:1/x\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://h:0\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://h:65536\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://h ost:1\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://[::1:1\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://[::g]:1\n", PROXY_FORM},
	{"upstreams:\n  - match: a\n    proxy: http://u%0A:hunter2@h:1\n", PROXY_USER},
	{"upstreams:\n  - match: a\n    proxy: http://u:hunter2%zz@h:1\n", PROXY_USER},
	{"upstreams:\n  - match: a\n    proxy: http://u%3Av:hunter2@h:1\n", PROXY_USER},
	{"upstreams:\n  - match: a\n    proxy: http://:hunter2@h:1\n", PROXY_USER},
	{"upstreams:\n  - match: a\n    proxy: http://h:1\n    http2: h2c\n",
		"f.yaml:3: upstreams[0].proxy: cannot carry http2: h2c; leave one of them out\n"},
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
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(
		tests, a_fault_names_file_line_key_and_what_is_wrong, 0, CHECK_COUNT(fault_table));
	tcase_add_test(tests, deep_and_wide_documents_are_refused);
	tcase_add_test(tests, many_faults_are_cut_at_a_hundred);
	return check_run("config_fault", tests);
}
