/* test_config_endpoint.c - named endpoints: what is kept, what is refused, what is secret, how they
 * are printed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/config.h"
#include "common/mem.h"
#include "tests/unit/common/parse.h"

static char base[] = "BASE=http://10.0.0.1:9000/base", key[] = "KEY=s3cr3t-key-0123",
	    pin[] = "PIN=1234", word[] = "WORD=a b\"c\\d$e", number[] = "NUMBER=7",
	    empty[] = "EMPTY=", bad[] = "BAD=\xff",
	    gemini[] = "GEMINI=https://h/v1?key=0123456789&pin=77",
	    hook[] = "HOOK=http://h/services/T0/B0", spaced[] = "SPACED=  padded-secret  ";
static char *env[] = {base, key, pin, word, number, empty, bad, gemini, spaced, hook, NULL};

static struct config *parse_good(const char *text)
{
	struct config *config = NULL;

	ck_assert_msg(parse(text, env, &config) == ERR_OK, "%s\n%s", text, fault_text());
	return config;
}

static const char full[] =
	"endpoints:\n"
	"  rewrite:\n"
	"    description: Rewrite\n"
	"    method: PUT\n"
	"    url: \"${BASE}/v1/chat?key=${KEY}\"\n"
	"    headers: {Authorization: \"Bearer ${KEY}\", X-Plain: ' a  '}\n"
	"    query: {a: 1, \"b c\": [\"x${PIN}y\", \"$$z\"], none: []}\n"
	"    params:\n"
	"      strategy: {type: string, enum: [a, \"b\"], default: a, description: Which}\n"
	"      size: {type: integer}\n"
	"    request: |\n"
	"      {body: .item, n: $__loc__.line}\n"
	"    response: .body\n"
	"    fallback: '\"${KEY}\"'\n"
	"    concurrency: 10\n"
	"    rate_limit: 3500/min\n"
	"    timeout: 60s\n"
	"    max_items: 100\n"
	"    idempotent: true\n"
	"    expose_errors: false\n"
	"    retry: {max_attempts: 3, backoff: 1s, max_backoff: 2s, retry_on: [429, 503]}\n"
	"    item_check: {test: \".item\", message: no item}\n"
	"  plain: {url: \"https://[::1]:8443\"}\n";

START_TEST(everything_an_endpoint_says_is_kept)
{
	struct config *c = parse_good(full);
	const struct config_endpoint *e = config_endpoint_of(c, "rewrite");

	ck_assert_uint_eq(c->endpoint_count, 2);
	ck_assert_ptr_eq(e, &c->endpoints[0]);
	ck_assert_str_eq(e->name, "rewrite");
	ck_assert_str_eq(e->description, "Rewrite");
	ck_assert_str_eq(e->method, "PUT");
	ck_assert_str_eq(e->url, "http://10.0.0.1:9000/base/v1/chat?key=s3cr3t-key-0123");
	ck_assert_uint_eq(e->line, 2);
	ck_assert_uint_eq(e->header_count, 2);
	ck_assert_str_eq(e->headers[0].name, "Authorization");
	ck_assert_str_eq(e->headers[0].value, "Bearer s3cr3t-key-0123");
	ck_assert_str_eq(e->headers[1].value, "a");
	ck_assert_uint_eq(e->query_count, 3);
	ck_assert_str_eq(e->query[0].values.items[0], "1");
	ck_assert_str_eq(e->query[1].name, "b c");
	ck_assert_uint_eq(e->query[1].values.count, 2);
	ck_assert_str_eq(e->query[1].values.items[0], "x1234y");
	ck_assert_str_eq(e->query[1].values.items[1], "$z");
	ck_assert_uint_eq(e->query[2].values.count, 0);
	ck_assert_uint_eq(e->param_count, 2);
	ck_assert_str_eq(e->params[0].name, "strategy");
	ck_assert_str_eq(e->params[0].choices, "[\"a\", \"b\"]");
	ck_assert_str_eq(e->params[0].fallback, "\"a\"");
	ck_assert_str_eq(e->params[0].description, "Which");
	ck_assert_int_eq(e->params[1].type, CONFIG_PARAM_INTEGER);
	ck_assert_ptr_null(e->params[1].choices);
	ck_assert_ptr_null(e->params[1].fallback);
	ck_assert_str_eq(e->request.text, "{body: .item, n: $__loc__.line}\n");
	ck_assert_str_eq(e->response.text, ".body");
	ck_assert_str_eq(e->fallback.text, "\"${KEY}\"");
	ck_assert_str_eq(e->item_check.text, ".item");
	ck_assert_str_eq(e->item_check_message, "no item");
	ck_assert_uint_eq(e->concurrency, 10);
	ck_assert_double_eq(e->rate_per_s, 3500.0 / 60);
	ck_assert_uint_eq(e->timeout_ms, 60000);
	ck_assert_uint_eq(e->max_items, 100);
	ck_assert(e->idempotent && !e->expose_errors);
	ck_assert_uint_eq(e->retry.max_attempts, 3);
	ck_assert_uint_eq(e->retry.backoff_ms, 1000);
	ck_assert_uint_eq(e->retry.max_backoff_ms, 2000);
	ck_assert_uint_eq(e->retry.retry_on_count, 2);
	ck_assert_uint_eq(e->retry.retry_on[1], 503);
	config_unref(c);
}
END_TEST

START_TEST(what_an_endpoint_does_not_say_has_its_default)
{
	struct config *c = parse_good(full);
	const struct config_endpoint *e = config_endpoint_of(c, "plain");

	ck_assert_str_eq(e->method, "POST");
	ck_assert_str_eq(e->description, "");
	ck_assert_str_eq(e->item_check_message, "");
	ck_assert(
		!e->request.text && !e->response.text && !e->fallback.text && !e->item_check.text);
	ck_assert_uint_eq(e->concurrency, 0);
	ck_assert_uint_eq(e->max_items, 0);
	ck_assert_double_eq(e->rate_per_s, 0);
	ck_assert_uint_eq(e->timeout_ms, 30000);
	ck_assert(!e->idempotent && e->expose_errors);
	ck_assert_uint_eq(e->retry.max_attempts, 1);
	ck_assert_uint_eq(e->retry.backoff_ms, 200);
	ck_assert_uint_eq(e->retry.max_backoff_ms, 10000);
	ck_assert_uint_eq(e->retry.retry_on_count, 7);
	ck_assert_uint_eq(e->secrets.count, 0);
	ck_assert_ptr_null(config_endpoint_of(c, "Plain"));
	ck_assert_ptr_null(config_endpoint_of(c, ""));
	config_unref(c);
}
END_TEST

static const struct {
	const char *yaml; /* behind "x:" on line 2 */
	const char *text;
	unsigned line, indent;
} program_table[] = {
	{"\n    request: |\n      a\n        b\n", "a\n  b\n", 4, 6},
	{"\n    request: |-  # jq\n      a\n", "a", 4, 6},
	{"\n    request: |2\n         a\n", "   a\n", 4, 6},
	{"\n    request: |\n\n      a\n", "\na\n", 4, 6},
	{"\n    request: |\n      \xc3\xa9\n", "\xc3\xa9\n", 4, 6},
	{"\n    request: |+\n      a\n\n", "a\n\n", 4, 6},
	{"\r\n    request: |\r\n      a\r\n      b\r\n", "a\nb\n", 4, 6},
	{"\n    description: |\n      x\n      y\n    request: |\n       a\n", "a\n", 7, 7},
	{"\n    request: >\n      a\n      b\n", "a b\n", 3, 0},
	{"\n    request: .body\n", ".body", 3, 13},
	{"\n    request: '.body'\n", ".body", 3, 14},
	{"\n    request: \".body\"\n", ".body", 3, 14},
	{"\n    request: \"\\\"a\\\"\"\n", "\"a\"", 3, 0},
	{"\n    request: '''a'''\n", "'a'", 3, 0},
	{"\n    request: a\n      b\n", "a b", 3, 0},
	{"\n    request: \"${KEY} $x $$y ${file:/etc/passwd}\"\n",
		"${KEY} $x $$y ${file:/etc/passwd}", 3, 14},
	{" {description: \"\xc3\xa9\", request: .a, url: 'http://a'}\n", ".a", 2, 33},
};

START_TEST(a_program_is_kept_as_it_is_and_knows_where_it_stands)
{
	const char *yaml = program_table[_i].yaml;
	const struct config_program *program;
	struct config *config;
	struct buf text;

	buf_init(&text, 1 << 16);
	buf_addf(&text, "endpoints:\n  x:%s%s", yaml,
		strstr(yaml, "url") ? "" : "    url: http://a\n");
	config = parse_good(text.ptr);
	program = &config->endpoints[0].request;
	ck_assert_str_eq(program->text, program_table[_i].text);
	ck_assert_uint_eq(program->line, program_table[_i].line);
	ck_assert_uint_eq(program->indent, program_table[_i].indent);
	config_unref(config);
	buf_free(&text);
}
END_TEST

static const struct {
	const char *yaml;    /* within the mapping of the endpoint */
	const char *secrets; /* each behind a line break */
} secret_table[] = {
	{"url: 'http://a'", ""},
	{"url: '${BASE}'", ""},
	{"url: '${BASE}/x'", ""},
	{"url: 'http://a/${KEY}/x'", "\ns3cr3t-key-0123"},
	{"url: 'http://a/?k=${KEY}&l=${KEY}'", "\ns3cr3t-key-0123"},
	{"url: 'http://a/?k=${PIN}'", ""},
	{"url: '${GEMINI}&x=1'", "\n0123456789"},
	{"url: '${HOOK}/x'", "\nservices/T0/B0"},
	{"url: '${HOOK}?${HOOK}'", "\nhttp://h/services/T0/B0\nservices/T0/B0"},
	{"url: 'http://a/${NO:-something-long}'", ""},
	{"url: 'http://a/${EMPTY:-something-long}'", ""},
	{"url: 'http://a/${KEY:-something-long}'", "\ns3cr3t-key-0123"},
	{"url: 'http://a', query: {k: 'x${KEY}', l: ['${KEY}', lit-eral-value]}",
		"\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {X-Tenant: 'a-${KEY}-b'}", "\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {X-Tenant: 'lit-eral-value'}", ""},
	{"url: 'http://a', headers: {X-Tenant: '${SPACED}'}", "\npadded-secret"},
	{"url: 'http://a', headers: {authorization: 'Bearer literal-token'}",
		"\nBearer literal-token\nliteral-token"},
	{"url: 'http://a', headers: {Authorization: 'Bearer ${KEY}', X-API-Key: '${KEY}'}",
		"\nBearer s3cr3t-key-0123\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {Proxy-Authorization: 0123456789, Cookie: a=b, "
	 "X-Goog-Api-Key: abcdefghijk, Api-Key: abcdefgh, x-mine: of-log-redact, X-Short: 1}",
		"\nof-log-redact\nabcdefghijk\n0123456789\nabcdefgh"},
	{"url: 'http://a', headers: {X-Api-Key: short}", ""},
};

START_TEST(what_must_not_be_shown_is_known)
{
	const struct config_strings *secrets;
	struct config *config;
	struct buf text, found;

	buf_init(&text, 1 << 16);
	buf_init(&found, 1 << 16);
	buf_adds(&found, "");
	buf_addf(&text, "endpoints: {x: {%s}}\nlog: {redact: [X-MINE]}\n", secret_table[_i].yaml);
	config = parse_good(text.ptr);
	secrets = &config->endpoints[0].secrets;
	for (size_t i = 0; i < secrets->count; i++) {
		buf_addf(&found, "\n%s", secrets->items[i]);
		ck_assert(i == 0 || strlen(secrets->items[i]) <= strlen(secrets->items[i - 1]));
	}
	ck_assert_str_eq(found.ptr, secret_table[_i].secrets);
	config_unref(config);
	buf_free(&text);
	buf_free(&found);
}
END_TEST

static const struct {
	const char *yaml, *choices, *fallback;
} param_table[] = {
	{"{}", NULL, NULL},
	{"", NULL, NULL},
	{"{default: a}", NULL, "\"a\""},
	{"{default: \"5\"}", NULL, "\"5\""},
	{"{default: ''}", NULL, "\"\""},
	{"{default: \"a\\\"\\\\\\n\xc3\xa9\"}", NULL, "\"a\\\"\\\\\\n\xc3\xa9\""},
	{"{default: True}", NULL, "\"True\""},
	{"{default: '${NUMBER}'}", NULL, "\"7\""},
	{"{default: '${WORD}'}", NULL, "\"a b\\\"c\\\\d$e\""},
	{"{default: '${EMPTY}'}", NULL, "\"\""},
	{"{type: integer, default: '${NUMBER}'}", NULL, "7"},
	{"{type: integer, default: -0}", NULL, "-0"},
	{"{type: integer, default: 12345678901234567890123}", NULL, "12345678901234567890123"},
	{"{type: number, default: 1.50e+3, enum: [1, 1500, 2.0]}", "[1, 1500, 2.0]", "1.50e+3"},
	{"{type: integer, default: '${NO:-8}', enum: [7, '${NO:-8}']}", "[7, 8]", "8"},
	{"{type: boolean, default: false, enum: [true, false]}", "[true, false]", "false"},
	{"{type: string, enum: [\"\\u0061\", b], default: a}", "[\"a\", \"b\"]", "\"a\""},
	{"{type: array, default: []}", NULL, "[]"},
	{"{type: array, default: [1, a, \"1\", ~, true, [x], '${NUMBER}', null, nULL]}", NULL,
		"[1, \"a\", \"1\", null, true, [\"x\"], \"7\", null, null]"},
	{"{type: object, default: {}}", NULL, "{}"},
	{"{type: object, default: {a$: {b: '$$'}, \"c\\\"\": 1.0}}", NULL,
		"{\"a$\": {\"b\": \"$\"}, \"c\\\"\": 1.0}"},
};

START_TEST(a_parameter_is_kept_as_json)
{
	const char *choices = param_table[_i].choices, *fallback = param_table[_i].fallback;
	const struct config_param *param;
	struct config *config;
	struct buf text;

	buf_init(&text, 1 << 16);
	buf_addf(&text, "endpoints: {x: {url: 'http://a', params: {p: %s}}}\n",
		param_table[_i].yaml);
	config = parse_good(text.ptr);
	param = &config->endpoints[0].params[0];
	ck_assert(choices ? strcmp(param->choices, choices) == 0 : !param->choices);
	if (fallback)
		ck_assert_str_eq(param->fallback, fallback);
	else
		ck_assert_ptr_null(param->fallback);
	config_unref(config);
	buf_free(&text);
}
END_TEST

static const struct {
	const char *yaml, *fault; /* behind "f.yaml:1: endpoints." */
} fault_table[] = {
	{"'a b': {url: 'http://a'}", "a b: the name must be 1 to 64 of A-Z a-z 0-9 . _ -"},
	{"x: [a]", "x: must be a mapping of names to values"},
	{"x: ", "x: has no url"},
	{"x: {url: ftp://a}", "x.url: \"ftp://a\" is no http or https URL, such as "
			      "https://api.example.com/v1/chat"},
	{"x: {url: 'http://'}", "x.url: \"http://\" is no http or https URL, such as "
				"https://api.example.com/v1/chat"},
	{"x: {url: 'http://a b'}",
		"x.url: \"http://a b\" has a blank, or something that must be percent-encoded"},
	{"x: {url: 'http://a/\xc3\xa9'}", "x.url: \"http://a/\xc3\xa9\" has a blank, or something "
					  "that must be percent-encoded"},
	{"x: {url: 'http://u:p@a/'}",
		"x.url: \"http://u:p@a/\" has a user name; write it as the header Authorization"},
	{"x: {url: 'http://a/#b'}",
		"x.url: \"http://a/#b\" has a fragment (#), which is never sent"},
	{"x: {url: 'http://a/${KEY} '}", "x.url: \"http://a/${KEY} \" has a blank, or something "
					 "that must be percent-encoded"},
	{"x: {url: '${PIN}://${PIN}?a=${PIN}&b=${PIN}'}",
		"x.url: \"${PIN}://${PIN}?a=${PIN}&b=${PIN}\" is no http or https URL, such as "
		"https://api.example.com/v1/chat"},
	{"x: {url: '${NOPE}'}",
		"x.url: the environment has no NOPE; set it, or write ${NOPE:-default}"},
	{"x: {url: [a]}", "x.url: must be a single value, not a list"},
	{"x: {url: 'http://a', method: post}",
		"x.method: \"post\" is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
	{"x: {url: 'http://a', method: TRACE}",
		"x.method: \"TRACE\" is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
	{"x: {url: 'http://a', headers: {A: 1, a: 2}}", "x.headers.a: is the same header as A"},
	{"x: {url: 'http://a', headers: {'': 1}}", "x.headers.: is no name of a header"},
	{"x: {url: 'http://a', headers: {a: \"b\\r\\nc: d\"}}",
		"x.headers.a: the value has control characters or is not UTF-8"},
	{"x: {url: 'http://a', headers: {a: '${BAD}'}}",
		"x.headers.a: the value has control characters or is not UTF-8"},
	{"x: {url: 'http://a', headers: {a: [b]}}",
		"x.headers.a: must be a single value, not a list"},
	{"x: {url: 'http://a', headers: [b]}", "x.headers: must be a mapping of names to values"},
	{"x: {url: 'http://a', query: {a: {b: c}}}",
		"x.query.a: must be a single value, not a mapping"},
	{"x: {url: 'http://a', query: {a: [b, ]}, query2: 1}",
		"x.query2: unknown key; did you mean query?"},
	{"x: {url: 'http://a', query: {a: [b, ~]}}", "x.query.a[1]: has no value"},
	{"x: {url: 'http://a', query: {'': b}}",
		"x.query.: is no name of a query's value; it may have 1 to 256 bytes, without "
		"control characters"},
	{"x: {url: 'http://a', query: {a: '${BAD}'}}",
		"x.query.a: has control characters or is not UTF-8"},
	{"x: {url: 'http://a', params: {'a b': {}}}",
		"x.params.a b: the name must be 1 to 64 of A-Z a-z 0-9 . _ -"},
	{"x: {url: 'http://a', params: {p: a}}",
		"x.params.p: must be a mapping of names to values"},
	{"x: {url: 'http://a', params: {p: {type: str}}}",
		"x.params.p.type: \"str\" is not one of string, integer, number, boolean, array, "
		"object"},
	{"x: {url: 'http://a', params: {p: {default: 5}}}",
		"x.params.p.default: must be a string; put 5 into quotes"},
	{"x: {url: 'http://a', params: {p: {default: true}}}",
		"x.params.p.default: must be a string; put true into quotes"},
	{"x: {url: 'http://a', params: {p: {default: ~}}}", "x.params.p.default: has no value"},
	{"x: {url: 'http://a', params: {p: {default: [a]}}}",
		"x.params.p.default: must be a string, not a list"},
	{"x: {url: 'http://a', params: {p: {default: '${BAD}'}}}",
		"x.params.p.default: has control characters or is not UTF-8"},
	{"x: {url: 'http://a', params: {p: {type: integer, default: '5'}}}",
		"x.params.p.default: must be an integer, not \"5\" in quotes"},
	{"x: {url: 'http://a', params: {p: {type: integer, default: 5.0}}}",
		"x.params.p.default: must be an integer, not \"5.0\""},
	{"x: {url: 'http://a', params: {p: {type: integer, default: 0x10}}}",
		"x.params.p.default: must be an integer, not \"0x10\""},
	{"x: {url: 'http://a', params: {p: {type: integer, default: '${PIN}x'}}}",
		"x.params.p.default: must be an integer, which \"${PIN}x\" does not give"},
	{"x: {url: 'http://a', params: {p: {type: number, default: .5}}}",
		"x.params.p.default: must be a number, not \".5\""},
	{"x: {url: 'http://a', params: {p: {type: number, default: 007}}}",
		"x.params.p.default: must be a number, not \"007\""},
	{"x: {url: 'http://a', params: {p: {type: boolean, default: yes}}}",
		"x.params.p.default: must be true or false, not \"yes\""},
	{"x: {url: 'http://a', params: {p: {type: array, default: a}}}",
		"x.params.p.default: must be an array, not \"a\""},
	{"x: {url: 'http://a', params: {p: {type: object, default: [a]}}}",
		"x.params.p.default: must be an object, not a list"},
	{"x: {url: 'http://a', params: {p: {enum: []}}}",
		"x.params.p.enum: must be a list of values, such as [a, b]"},
	{"x: {url: 'http://a', params: {p: {enum: a}}}",
		"x.params.p.enum: must be a list of values, such as [a, b]"},
	{"x: {url: 'http://a', params: {p: {enum: [a, 1]}}}",
		"x.params.p.enum[1]: must be a string; put 1 into quotes"},
	{"x: {url: 'http://a', params: {p: {enum: [a, ~]}}}", "x.params.p.enum[1]: has no value"},
	{"x: {url: 'http://a', params: {p: {type: integer, enum: [1, 1.5]}}}",
		"x.params.p.enum[1]: must be an integer, not \"1.5\""},
	{"x: {url: 'http://a', params: {p: {type: array, enum: [[1]]}}}",
		"x.params.p.enum: is not for arrays"},
	{"x: {url: 'http://a', params: {p: {enum: [a, b], default: c}}}",
		"x.params.p.default: \"c\" is not one of enum"},
	{"x: {url: 'http://a', params: {p: {type: number, enum: [1, 2], default: 1.01}}}",
		"x.params.p.default: \"1.01\" is not one of enum"},
	{"x: {url: 'http://a', request: }", "x.request: has no value"},
	{"x: {url: 'http://a', request: ''}", "x.request: must not be empty"},
	{"x: {url: 'http://a', response: [a]}", "x.response: must be a jq program, not a list"},
	{"x: {url: 'http://a', fallback: {a: 1}}",
		"x.fallback: must be a jq program, not a mapping; write it behind `|`"},
	{"x: {url: 'http://a', request: \"a\\x01\"}",
		"x.request: \"a?\" has control characters or is not UTF-8"},
	{"x: {url: 'http://a', item_check: {message: a}}", "x.item_check: has no test"},
	{"x: {url: 'http://a', item_check: .a}",
		"x.item_check: must be a mapping of names to values"},
	{"x: {url: 'http://a', concurrency: 0}",
		"x.concurrency: \"0\" is out of range; it may be 1 to 100000"},
	{"x: {url: 'http://a', rate_limit: 5}", "x.rate_limit: \"5\" is not a rate; write N/s, "
						"N/min or N/h, such as 100/s, or off"},
	{"x: {url: 'http://a', rate_limit: 99999999999999999999/h}",
		"x.rate_limit: \"99999999999999999999/h\" is too fast; the count may be "
		"1000000000"},
	{"x: {url: 'http://a', timeout: 0}",
		"x.timeout: \"0\" is out of range; it may be 1ms to 30d"},
	{"x: {url: 'http://a', retry: {retry_on: [600]}}",
		"x.retry.retry_on[0]: \"600\" is out of range; it may be 100 to 599"},
	{"x: {url: 'http://a', retry: {backoff: 1m}}",
		"x.retry.max_backoff: is less than retry.backoff"},
	{"x: {url: 'http://a'}, x: {url: 'http://b'}", "x: is given twice; the first is on line 1"},
};

START_TEST(a_fault_of_an_endpoint_has_its_place)
{
	struct config *config = NULL;
	struct buf text, expected;

	buf_init(&text, 1 << 16);
	buf_init(&expected, 1 << 16);
	buf_addf(&text, "endpoints: {%s}\n", fault_table[_i].yaml);
	buf_addf(&expected, "f.yaml:1: endpoints.%s\n", fault_table[_i].fault);
	ck_assert_int_eq(parse(text.ptr, env, &config), ERR_INVALID);
	ck_assert_str_eq(fault_text(), expected.ptr);
	ck_assert_ptr_null(config);
	buf_free(&text);
	buf_free(&expected);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
	static const struct {
		const char *begin, *end, *fault;
		size_t fits;
	} table[] = {
		{"request: \"", "\"",
			"f.yaml:1: endpoints.x.request: is too long; 16384 bytes are allowed\n",
			16384},
		{"headers: {a: \"", "\"}",
			"f.yaml:1: endpoints.x.headers.a: the value is too long; 8192 bytes are "
			"allowed\n",
			8192},
		{"params: {p: {default: \"", "\"}}",
			"f.yaml:1: endpoints.x.params.p.default: is too long; 16384 bytes are "
			"allowed\n",
			16382},
		{"params: {p: {enum: [\"", "\"]}}",
			"f.yaml:1: endpoints.x.params.p.enum: is too long; 16384 bytes are "
			"allowed\n",
			16380},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (size_t more = 0; more < 2; more++) {
			struct config *config = NULL;
			struct buf text;

			buf_init(&text, 1 << 16);
			buf_addf(&text, "endpoints: {x: {url: 'http://a', %s", table[i].begin);
			for (size_t n = 0; n < table[i].fits + more; n++)
				buf_add_char(&text, 'a');
			buf_addf(&text, "%s}}\n", table[i].end);
			ck_assert_int_eq(
				parse(text.ptr, env, &config), more ? ERR_INVALID : ERR_OK);
			ck_assert_str_eq(fault_text(), more ? table[i].fault : "");
			config_unref(config);
			buf_free(&text);
		}
}
END_TEST

START_TEST(what_is_printed_can_be_read_again_and_has_no_secret)
{
	struct config *first = parse_good(full), *second;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	config_print(first, &a);
	ck_assert_ptr_nonnull(
		strstr(a.ptr, "endpoints:\n"
			      "  rewrite:\n"
			      "    description: \"Rewrite\"\n"
			      "    method: \"PUT\"\n"
			      "    url: \"http://10.0.0.1:9000/***/v1/chat?key=***\"\n"
			      "    headers:\n"
			      "      Authorization: \"***\"\n"
			      "      X-Plain: \"***\"\n"
			      "    query:\n"
			      "      a: \"1\"\n"
			      "      \"b c\": [\"x***y\", \"$$z\"]\n"
			      "      none: []\n"
			      "    params:\n"
			      "      strategy:\n"
			      "        type: string\n"
			      "        enum: [\"a\", \"b\"]\n"
			      "        default: \"a\"\n"
			      "        description: \"Which\"\n"
			      "      size:\n"
			      "        type: integer\n"
			      "    request: |\n"
			      "      {body: .item, n: $__loc__.line}\n"
			      "    response: |-\n"
			      "      .body\n"
			      "    fallback: |-\n"
			      "      \"${KEY}\"\n"
			      "    concurrency: 10\n"
			      "    rate_limit: 3500/min\n"
			      "    timeout: 1m\n"
			      "    max_items: 100\n"
			      "    idempotent: true\n"
			      "    expose_errors: false\n"
			      "    retry:\n"
			      "      max_attempts: 3\n"
			      "      backoff: 1s\n"
			      "      max_backoff: 2s\n"
			      "      retry_on: [429, 503]\n"
			      "    item_check:\n"
			      "      test: |-\n"
			      "        .item\n"
			      "      message: \"no item\"\n"
			      "  plain:\n"));
	ck_assert_ptr_null(strstr(a.ptr, "s3cr3t"));
	ck_assert_ptr_null(strstr(a.ptr, "1234"));
	second = parse_good(a.ptr);
	config_print(second, &b);
	ck_assert_str_eq(a.ptr, b.ptr);
	ck_assert_str_eq(second->endpoints[0].fallback.text, "\"${KEY}\"");
	ck_assert_uint_eq(second->endpoints[0].request.indent, 6);
	buf_free(&a);
	buf_free(&b);
	config_unref(first);
	config_unref(second);
}
END_TEST

/* As `request: "…"`. */
static const char *const hard_programs[] = {"  a", "a  ", "a\\n\\n", "\\na", "a\\n  ", " ", "\\n",
	"#", "- a", "a: b", "\\u2028", "a\\n\\u2029b", "a\\uFEFF", "\\uFFFE", "\\ta", "a\\n\\tb",
	"a\\n   \\nb", "a\\n\\n\\nb\\n", "...", "a\\n---\\nb", "\\\"${X}\\\" $$ \\\\", "a\\n%b",
	"|\\na"};

START_TEST(every_program_is_printed_as_what_it_was)
{
	struct config *first, *second;
	struct buf text, printed;

	buf_init(&text, 1 << 16);
	buf_init(&printed, 1 << 20);
	buf_addf(&text,
		"endpoints: {x: {url: 'http://a', item_check: {test: \"%s\"}, params: {p: {type: "
		"array, default: [\"%s\"]}}}}\n",
		hard_programs[_i], strchr(hard_programs[_i], '$') ? "" : hard_programs[_i]);
	first = parse_good(text.ptr);
	config_print(first, &printed);
	second = parse_good(printed.ptr);
	ck_assert_str_eq(first->endpoints[0].item_check.text, second->endpoints[0].item_check.text);
	ck_assert_str_eq(
		first->endpoints[0].params[0].fallback, second->endpoints[0].params[0].fallback);
	config_unref(first);
	config_unref(second);
	buf_free(&text);
	buf_free(&printed);
}
END_TEST

START_TEST(a_rate_is_printed_as_what_it_was)
{
	static const char *const rates[] = {
		"1/s", "1/min", "1/h", "7/h", "61/min", "3601/h", "1000000000/h", "999999999/min"};

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct buf text, printed, wanted;
		struct config *first, *second;

		buf_init(&text, 1 << 16);
		buf_init(&wanted, 1 << 16);
		buf_init(&printed, 1 << 20);
		buf_addf(&text, "endpoints: {x: {url: 'http://a', rate_limit: %s}}\n", rates[i]);
		buf_addf(&wanted, "rate_limit: %s\n", rates[i]);
		first = parse_good(text.ptr);
		config_print(first, &printed);
		second = parse_good(printed.ptr);
		ck_assert_ptr_nonnull(strstr(printed.ptr, wanted.ptr));
		ck_assert_double_eq(
			first->endpoints[0].rate_per_s, second->endpoints[0].rate_per_s);
		config_unref(first);
		config_unref(second);
		buf_free(&text);
		buf_free(&wanted);
		buf_free(&printed);
	}
}
END_TEST

START_TEST(a_key_that_names_no_endpoint_is_warned_of)
{
	struct config *c = parse_good("endpoints: {rewrite: {url: 'http://a'}}\n"
				      "auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"], "
				      "endpoints: [rewrite, '*', rewriter, Z]}\n");

	ck_assert_str_eq(warnings.ptr,
		"f.yaml:3: auth.keys[0].endpoints[2]: there is no endpoint \"rewriter\"; did you "
		"mean rewrite?\n"
		"f.yaml:3: auth.keys[0].endpoints[3]: there is no endpoint \"Z\"\n");
	ck_assert_uint_eq(c->auth.keys[0].endpoints.count, 4);
	config_unref(c);
}
END_TEST

START_TEST(the_environment_has_no_endpoints)
{
	char variable[] = "BATCHGATE_ENDPOINTS=x", *env_of[] = {variable, NULL};
	struct config *config = NULL;

	ck_assert_int_eq(parse("", env_of, &config), ERR_OK);
	ck_assert_ptr_nonnull(strstr(warnings.ptr, "BATCHGATE_ENDPOINTS: ignored"));
	ck_assert_uint_eq(config->endpoint_count, 0);
	config_unref(config);
}
END_TEST

START_TEST(a_secret_may_stand_in_a_file)
{
	char path[] = "/tmp/batchgate-test-XXXXXX", file[] = "/tmp/batchgate-test-XXXXXX";
	char flag[] = "--config", *argv[] = {flag, file};
	int fd = mkstemp(path), other = mkstemp(file);
	struct config *c = NULL;

	ck_assert_int_eq(write(fd, "\nfile-secret\n", 13), 13);
	dprintf(other, "endpoints: {x: {url: 'http://a', headers: {X-T: 'a ${file:%s}'}}}\n", path);
	ck_assert_int_eq(config_load(2, argv, env, &c, &warnings, &faults), ERR_OK);
	ck_assert_str_eq(c->endpoints[0].headers[0].value, "a file-secret");
	ck_assert_uint_eq(c->endpoints[0].secrets.count, 1);
	ck_assert_str_eq(c->endpoints[0].secrets.items[0], "file-secret");
	config_unref(c);
	close(fd);
	close(other);
	unlink(path);
	unlink(file);
}
END_TEST

START_TEST(without_memory_a_load_with_endpoints_ends_with_an_error_and_loses_nothing)
{
	bool done = false;
	unsigned long n;

	for (n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse(full, env, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(code, done ? ERR_OK : ERR_NOMEM);
		config_unref(config);
	}
	ck_assert_uint_gt(n, 200);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void)
{
	Suite *suite = suite_create("common/config_endpoint");
	TCase *tcase = tcase_create("config_endpoint");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, everything_an_endpoint_says_is_kept);
	tcase_add_test(tcase, what_an_endpoint_does_not_say_has_its_default);
	tcase_add_loop_test(tcase, a_program_is_kept_as_it_is_and_knows_where_it_stands, 0,
		COUNT(program_table));
	tcase_add_loop_test(tcase, what_must_not_be_shown_is_known, 0, COUNT(secret_table));
	tcase_add_loop_test(tcase, a_parameter_is_kept_as_json, 0, COUNT(param_table));
	tcase_add_loop_test(tcase, a_fault_of_an_endpoint_has_its_place, 0, COUNT(fault_table));
	tcase_add_test(tcase, what_is_too_large_is_refused);
	tcase_add_test(tcase, what_is_printed_can_be_read_again_and_has_no_secret);
	tcase_add_loop_test(
		tcase, every_program_is_printed_as_what_it_was, 0, COUNT(hard_programs));
	tcase_add_test(tcase, a_rate_is_printed_as_what_it_was);
	tcase_add_test(tcase, a_key_that_names_no_endpoint_is_warned_of);
	tcase_add_test(tcase, the_environment_has_no_endpoints);
	tcase_add_test(tcase, a_secret_may_stand_in_a_file);
	tcase_add_test(
		tcase, without_memory_a_load_with_endpoints_ends_with_an_error_and_loses_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
