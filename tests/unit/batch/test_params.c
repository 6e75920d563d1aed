/* test_params.c - a request's params: what is taken, what is filled in, what is refused and where.
 */
#include "batch/params.h"

#include <string.h>

#include "batch/scan.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

enum { TEXT_MAX = 64 * 1024 };

static struct config *config;
static struct problem problem;
static struct buf text;

/* The endpoint x with these params, in YAML. */
static const struct config_endpoint *endpoint_of(const char *params)
{
	struct buf yaml, warnings, faults;

	buf_init(&yaml, 1 << 20);
	buf_init(&warnings, 1 << 20);
	buf_init(&faults, 1 << 20);
	buf_addf(&yaml, "endpoints: {x: {url: 'http://a', params: %s}}\n", params);
	config_unref(config);
	config = NULL;
	ck_assert_msg(config_parse_text(
			      "f", yaml.ptr, yaml.len, NULL, &config, &warnings, &faults) == ERR_OK,
		"%s", faults.ptr);
	buf_free(&yaml);
	buf_free(&warnings);
	buf_free(&faults);
	return &config->endpoints[0];
}

static enum err_code read_span(const struct config_endpoint *endpoint, struct span params)
{
	struct fault fault;

	ck_assert(params.len == 0 || scan_check(params, SCAN_DEPTH_MAX, NULL));
	problem_free(&problem);
	problem_init(&problem);
	buf_clear(&text);
	fault_init(&fault, &problem, "/params");
	return params_read(params, endpoint, &text, &fault);
}

static enum err_code read_params(const struct config_endpoint *endpoint, const char *params)
{
	return read_span(endpoint, span_of(params));
}

static const char every[] = "{s: {enum: [conciseness, specificity, \"a\\\"\xc3\xa9\"], default: "
			    "conciseness}, free: {default: \"\"}, i: {type: integer, default: 1}, "
			    "n: {type: number, enum: [1, 2.5], default: 1}, b: {type: boolean, "
			    "default: true}, l: {type: array, default: [1, a]}, o: {type: object, "
			    "default: {a: ~}}}";

static const struct {
	const char *params, *result;
} good_table[] = {
	{"", "{\"s\":\"conciseness\",\"free\":\"\",\"i\":1,\"n\":1,\"b\":true,\"l\":[1, "
	     "\"a\"],\"o\":{\"a\": null}}"},
	{" {} ", "{\"s\":\"conciseness\",\"free\":\"\",\"i\":1,\"n\":1,\"b\":true,\"l\":[1, "
		 "\"a\"],\"o\":{\"a\": null}}"},
	{"{\"o\":{\"x\" : [ ]},\n\"l\": [ ],\"b\":false,\"n\":25e-1,\"i\":-0,\"free\":\"\\u0000\","
	 "\"s\":\"specificity\"}",
		"{\"s\":\"specificity\",\"free\":\"\\u0000\",\"i\":-0,\"n\":25e-1,\"b\":false,"
		"\"l\":[ ],\"o\":{\"x\" : [ ]}}"},
	{"{\"\\u0073\":\"\\u0063onci\\u0073eness\",\"n\":1.000}",
		"{\"s\":\"\\u0063onci\\u0073eness\",\"free\":\"\",\"i\":1,\"n\":1.000,\"b\":true,"
		"\"l\":[1, \"a\"],\"o\":{\"a\": null}}"},
	{"{\"s\":\"\\u0061\\u0022\\u00e9\"}", "{\"s\":\"\\u0061\\u0022\\u00e9\",\"free\":\"\","
					      "\"i\":1,\"n\":1,\"b\":true,\"l\":[1, "
					      "\"a\"],\"o\":{\"a\": null}}"},
	{"{\"i\":123456789012345678901234567890,\"free\":\"\\ud83d\\ude00\xf0\x9f\x98\x80\"}",
		"{\"s\":\"conciseness\",\"free\":\"\\ud83d\\ude00\xf0\x9f\x98\x80\",\"i\":"
		"123456789012345678901234567890,\"n\":1,\"b\":true,\"l\":[1, \"a\"],\"o\":{\"a\": "
		"null}}"},
};

START_TEST(what_was_sent_is_passed_on_byte_for_byte_and_the_rest_filled_in)
{
	const struct config_endpoint *endpoint = endpoint_of(every);

	ck_assert_int_eq(read_params(endpoint, good_table[_i].params), ERR_OK);
	ck_assert_str_eq(text.ptr, good_table[_i].result);
	ck_assert_uint_eq(problem.error_count, 0);
	ck_assert(scan_check((struct span){text.ptr, text.len}, SCAN_DEPTH_MAX, NULL));
}
END_TEST

START_TEST(an_endpoint_without_parameters_has_an_empty_object)
{
	const struct config_endpoint *endpoint = endpoint_of("{}");

	ck_assert_int_eq(read_params(endpoint, ""), ERR_OK);
	ck_assert_str_eq(text.ptr, "{}");
	ck_assert_int_eq(read_params(endpoint, "{}"), ERR_OK);
	ck_assert_str_eq(text.ptr, "{}");
	ck_assert_int_eq(read_params(endpoint, "{\"a\":1}"), ERR_INVALID);
	ck_assert_str_eq(problem.errors[0].pointer, "/params/a");
	ck_assert_str_eq(problem.errors[0].detail, "unknown parameter `a`: the endpoint has none");
}
END_TEST

static const struct {
	const char *params, *pointer, *detail;
} fault_table[] = {
	{"[]", "/params", "`params` must be an object"},
	{"null", "/params", "`params` must be an object"},
	{"\"{}\"", "/params", "`params` must be an object"},
	{"{\"s\":1}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"s\":null}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"s\":\"conciseness \"}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"s\":\"concisenes\"}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"s\":\"\"}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"s\":\"conciseness\\u0000\"}", "/params/s",
		"`s` must be one of \"conciseness\", \"specificity\", \"a\\\"\xc3\xa9\""},
	{"{\"free\":[\"a\"]}", "/params/free", "`free` must be a string"},
	{"{\"free\":null}", "/params/free", "`free` must be a string"},
	{"{\"i\":1.0}", "/params/i", "`i` must be an integer"},
	{"{\"i\":1e2}", "/params/i", "`i` must be an integer"},
	{"{\"i\":\"1\"}", "/params/i", "`i` must be an integer"},
	{"{\"n\":2}", "/params/n", "`n` must be one of 1, 2.5"},
	{"{\"n\":-1}", "/params/n", "`n` must be one of 1, 2.5"},
	{"{\"n\":1e400}", "/params/n", "`n` must be one of 1, 2.5"},
	{"{\"n\":\"1\"}", "/params/n", "`n` must be one of 1, 2.5"},
	{"{\"b\":0}", "/params/b", "`b` must be true or false"},
	{"{\"b\":\"true\"}", "/params/b", "`b` must be true or false"},
	{"{\"l\":{}}", "/params/l", "`l` must be an array"},
	{"{\"o\":[]}", "/params/o", "`o` must be an object"},
	{"{\"i\":1,\"i\":1}", "/params/i", "`i` stands here more than once"},
	{"{\"i\":1,\"\\u0069\":2}", "/params/i", "`i` stands here more than once"},
	{"{\"fre\":\"\"}", "/params/fre", "unknown parameter `fre`: did you mean `free`?"},
	{"{\"FREE\":\"\"}", "/params/FREE", "unknown parameter `FREE`"},
	{"{\"\":\"\"}", "/params/", "unknown parameter ``"},
	{"{\"a/b~c\":1}", "/params/a~1b~0c", "unknown parameter `a/b~c`"},
	{"{\"i\\u0000\":1}", "/params/i?", "unknown parameter `i?`"},
	{"{\"\xc3\xa9\":1}", "/params/\xc3\xa9", "unknown parameter `\xc3\xa9`"},
	{"{\"__proto__\":{}}", "/params/__proto__", "unknown parameter `__proto__`"},
};

START_TEST(a_fault_names_the_parameter_and_what_it_may_be)
{
	const struct config_endpoint *endpoint = endpoint_of(every);

	ck_assert_int_eq(read_params(endpoint, fault_table[_i].params), ERR_INVALID);
	ck_assert_uint_eq(problem.error_count, 1);
	ck_assert_str_eq(problem.errors[0].pointer, fault_table[_i].pointer);
	ck_assert_str_eq(problem.errors[0].detail, fault_table[_i].detail);
	ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(a_parameter_without_a_default_is_required)
{
	const struct config_endpoint *endpoint =
		endpoint_of("{a: {}, b: {enum: [x, y]}, c: {type: object}, d: {default: z}}");

	ck_assert_int_eq(read_params(endpoint, ""), ERR_INVALID);
	ck_assert_uint_eq(problem.error_count, 3);
	ck_assert_str_eq(problem.errors[0].pointer, "/params/a");
	ck_assert_str_eq(problem.errors[0].detail, "`a` is missing; it must be a string");
	ck_assert_str_eq(problem.errors[1].pointer, "/params/b");
	ck_assert_str_eq(
		problem.errors[1].detail, "`b` is missing; it must be one of \"x\", \"y\"");
	ck_assert_str_eq(problem.errors[2].detail, "`c` is missing; it must be an object");
	ck_assert_int_eq(read_params(endpoint, "{\"c\":{},\"b\":\"y\",\"a\":\"\"}"), ERR_OK);
	ck_assert_str_eq(text.ptr, "{\"a\":\"\",\"b\":\"y\",\"c\":{},\"d\":\"z\"}");
}
END_TEST

START_TEST(all_faults_are_told_at_once)
{
	const struct config_endpoint *endpoint = endpoint_of("{a: {}, b: {type: integer}}");

	ck_assert_int_eq(
		read_params(endpoint, "{\"b\":\"1\",\"x\":1,\"b\":2,\"y\":3}"), ERR_INVALID);
	ck_assert_uint_eq(problem.error_count, 5);
	ck_assert_str_eq(problem.errors[0].pointer, "/params/b");
	ck_assert_str_eq(problem.errors[1].pointer, "/params/x");
	ck_assert_str_eq(problem.errors[2].pointer, "/params/b");
	ck_assert_str_eq(problem.errors[3].pointer, "/params/y");
	ck_assert_str_eq(problem.errors[4].pointer, "/params/a");
}
END_TEST

START_TEST(a_long_list_of_values_is_cut_between_values)
{
	struct buf params;
	const struct config_endpoint *endpoint;

	buf_init(&params, 1 << 20);
	buf_adds(&params, "{a: {enum: [");
	for (int i = 0; i < 100; i++)
		buf_addf(&params, "%s\xc3\xa9-%d", i ? ", " : "", i);
	buf_adds(&params, "]}}");
	endpoint = endpoint_of(params.ptr);
	ck_assert_int_eq(read_params(endpoint, "{\"a\":\"\"}"), ERR_INVALID);
	ck_assert_ptr_nonnull(
		strstr(problem.errors[0].detail, "one of \"\xc3\xa9-0\", \"\xc3\xa9-1\", "));
	ck_assert_str_eq(problem.errors[0].detail + strlen(problem.errors[0].detail) - 6, "\", …");
	ck_assert_uint_lt(strlen(problem.errors[0].detail), 230);
	ck_assert_int_eq(read_params(endpoint, "{\"a\":\"\xc3\xa9-99\"}"), ERR_OK);
	buf_free(&params);
}
END_TEST

START_TEST(many_members_are_refused_without_looking_at_each)
{
	const struct config_endpoint *endpoint = endpoint_of("{a: {default: ''}}");
	struct buf params;

	buf_init(&params, 64 << 20);
	buf_adds(&params, "{");
	for (int i = 0; i < 1000000; i++)
		buf_addf(&params, "%s\"k%d\":0", i ? "," : "", i);
	buf_adds(&params, "}");
	ck_assert_int_eq(read_span(endpoint, (struct span){params.ptr, params.len}), ERR_INVALID);
	ck_assert_uint_eq(problem.error_count, 1);
	ck_assert_uint_eq(problem.more, 0);
	ck_assert_str_eq(problem.errors[0].pointer, "/params");
	ck_assert_str_eq(problem.errors[0].detail, "`params` has more than 1024 members");
	buf_free(&params);
}
END_TEST

START_TEST(more_faults_than_fit_are_counted)
{
	const struct config_endpoint *endpoint = endpoint_of("{a: {default: ''}}");
	struct buf params;

	buf_init(&params, 1 << 20);
	buf_adds(&params, "{");
	for (int i = 0; i < 1024; i++)
		buf_addf(&params, "%s\"k%d\":0", i ? "," : "", i);
	buf_adds(&params, "}");
	ck_assert_int_eq(read_params(endpoint, params.ptr), ERR_INVALID);
	ck_assert_uint_eq(problem.error_count, PROBLEM_ERRORS_MAX);
	ck_assert_uint_eq(problem.more, 1024 - PROBLEM_ERRORS_MAX);
	buf_free(&params);
}
END_TEST

/* `pieces` times `piece` between the two. */
static struct buf long_text(const char *begin, const char *piece, size_t pieces, const char *end)
{
	struct buf params;

	buf_init(&params, 64 << 20);
	buf_adds(&params, begin);
	for (size_t i = 0; i < pieces; i++)
		buf_adds(&params, piece);
	buf_adds(&params, end);
	return params;
}

static void check_long(const struct config_endpoint *endpoint, struct buf params,
	enum err_code code, const char *detail)
{
	ck_assert_int_eq(read_span(endpoint, (struct span){params.ptr, params.len}), code);
	if (detail)
		ck_assert_str_eq(problem.errors[0].detail, detail);
	buf_free(&params);
}

START_TEST(long_values_are_bounded)
{
	const struct config_endpoint *endpoint =
		endpoint_of("{s: {default: ''}, e: {enum: [a], default: a}, n: {type: number, "
			    "default: 0}, i: {type: integer, default: 0}}");

	check_long(endpoint, long_text("{\"s\":\"", "x", TEXT_MAX, "\"}"), ERR_INVALID,
		"`params` take more than 65536 bytes");
	check_long(endpoint, long_text("{\"s\":\"", "x", TEXT_MAX - 100, "\"}"), ERR_OK, NULL);
	check_long(endpoint, long_text("{\"e\":\"", "\\u0061", 1000000, "\"}"), ERR_INVALID,
		"`e` must be one of \"a\"");
	check_long(endpoint, long_text("{\"n\":1", "0", 1023, "}"), ERR_OK, NULL);
	check_long(endpoint, long_text("{\"n\":1", "0", 1024, "}"), ERR_INVALID,
		"`n` has more than 1024 digits");
	check_long(endpoint, long_text("{\"i\":1", "0", 1000000, "}"), ERR_INVALID,
		"`i` has more than 1024 digits");
	check_long(endpoint, long_text("{\"", "x", 1000000, "\":1}"), ERR_INVALID, NULL);
	ck_assert_uint_lt(strlen(problem.errors[0].pointer), 200);
}
END_TEST

START_TEST(deep_values_are_passed_on)
{
	const struct config_endpoint *endpoint = endpoint_of("{l: {type: array}}");
	struct buf params = long_text("{\"l\":", "[", SCAN_DEPTH_MAX - 1, "");

	for (int i = 0; i < SCAN_DEPTH_MAX - 1; i++)
		buf_adds(&params, "]");
	buf_adds(&params, "}");
	ck_assert_int_eq(read_params(endpoint, params.ptr), ERR_OK);
	ck_assert_str_eq(text.ptr, params.ptr);
	buf_free(&params);
}
END_TEST

START_TEST(without_memory_there_is_an_error_and_no_text)
{
	const struct config_endpoint *endpoint = endpoint_of(every);
	enum err_code code = ERR_NOMEM;

	for (unsigned long n = 1; code != ERR_OK; n++) {
		buf_free(&text);
		mem_fail_at(n);
		code = read_params(endpoint, "{\"i\":5}");
		ck_assert(code == ERR_OK || (code == ERR_NOMEM && mem_failed() && !text.len));
		ck_assert_uint_lt(n, 50);
	}
	mem_fail_at(0);
}
END_TEST

static void set_up(void)
{
	config = NULL;
	problem_init(&problem);
	buf_init(&text, TEXT_MAX);
}

static void tear_down(void)
{
	config_unref(config);
	problem_free(&problem);
	buf_free(&text);
}

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, what_was_sent_is_passed_on_byte_for_byte_and_the_rest_filled_in,
		0, CHECK_COUNT(good_table));
	tcase_add_test(tests, an_endpoint_without_parameters_has_an_empty_object);
	tcase_add_loop_test(
		tests, a_fault_names_the_parameter_and_what_it_may_be, 0, CHECK_COUNT(fault_table));
	tcase_add_test(tests, a_parameter_without_a_default_is_required);
	tcase_add_test(tests, all_faults_are_told_at_once);
	tcase_add_test(tests, a_long_list_of_values_is_cut_between_values);
	tcase_add_test(tests, many_members_are_refused_without_looking_at_each);
	tcase_add_test(tests, more_faults_than_fit_are_counted);
	tcase_add_test(tests, long_values_are_bounded);
	tcase_add_test(tests, deep_values_are_passed_on);
	tcase_add_test(tests, without_memory_there_is_an_error_and_no_text);
	return check_run("params", tests);
}
