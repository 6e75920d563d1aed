/* test_config_endpoint_fault.c - what is wrong with an endpoint, and where. */
#include "common/config.h"

#include "tests/harness/check_main.h"
#include "tests/unit/common/endpoint_kit.h"
#include "tests/unit/common/parse.h"

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
		"x.url: \"${PIN}://${PIN}?a=${PIN}&b=${PIN}\" is no http or https URL with its "
		"variables replaced, such as https://api.example.com/v1/chat"},
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
		"x.rate_limit: \"99999999999999999999/h\" is too fast; the count may be at "
		"most 1000000000"},
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
	ck_assert_int_eq(parse(text.ptr, endpoint_env, &config), ERR_INVALID);
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
			ck_assert_int_eq(parse(text.ptr, endpoint_env, &config),
				more ? ERR_INVALID : ERR_OK);
			ck_assert_str_eq(fault_text(), more ? table[i].fault : "");
			config_unref(config);
			buf_free(&text);
		}
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(
		tests, a_fault_of_an_endpoint_has_its_place, 0, CHECK_COUNT(fault_table));
	tcase_add_test(tests, what_is_too_large_is_refused);
	return check_run("config_endpoint_fault", tests);
}
