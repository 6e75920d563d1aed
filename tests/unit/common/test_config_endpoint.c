/* test_config_endpoint.c - named endpoints: what is kept of what they say, and their defaults. */
#include "common/config.h"

#include "tests/harness/check_main.h"
#include "tests/unit/common/endpoint_kit.h"
#include "tests/unit/common/parse.h"

START_TEST(everything_an_endpoint_says_is_kept)
{
	struct config *c = parse_good(full_endpoint, endpoint_env);
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
	struct config *c = parse_good(full_endpoint, endpoint_env);
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
	config = parse_good(text.ptr, endpoint_env);
	program = &config->endpoints[0].request;
	ck_assert_str_eq(program->text, program_table[_i].text);
	ck_assert_uint_eq(program->line, program_table[_i].line);
	ck_assert_uint_eq(program->indent, program_table[_i].indent);
	config_unref(config);
	buf_free(&text);
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
	config = parse_good(text.ptr, endpoint_env);
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

START_TEST(a_key_that_names_no_endpoint_is_warned_of)
{
	struct config *c = parse_good("endpoints: {rewrite: {url: 'http://a'}}\n"
				      "auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"], "
				      "endpoints: [rewrite, '*', rewriter, Z]}\n",
		endpoint_env);

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

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, everything_an_endpoint_says_is_kept);
	tcase_add_test(tests, what_an_endpoint_does_not_say_has_its_default);
	tcase_add_loop_test(tests, a_program_is_kept_as_it_is_and_knows_where_it_stands, 0,
		CHECK_COUNT(program_table));
	tcase_add_loop_test(tests, a_parameter_is_kept_as_json, 0, CHECK_COUNT(param_table));
	tcase_add_test(tests, a_key_that_names_no_endpoint_is_warned_of);
	tcase_add_test(tests, the_environment_has_no_endpoints);
	return check_run("config_endpoint", tests);
}
