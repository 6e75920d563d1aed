/* test_scan.c - what is JSON, where it is not, and where its parts are. */
#include <string.h>

#include "batch/scan.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

static bool valid(const char *text)
{
	return scan_check(span_of(text), SCAN_DEPTH_MAX, NULL);
}

START_TEST(valid_texts_pass)
{
	static const char *const texts[] = {"0", "-0", "-1.5e+10", "1E5",
		"123456789012345678901234567890", "1e400", "\"\"", "\"\\u0000\"",
		"\"\\ud83d\\ude00\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "true", "false", "null",
		" [ ] ", "[[],[]]", "{}", "{\"a\":1,\"a\":2}", "\t\n\r {\"\" : [1 , 2]}\n",
		"\"\x7F\"", "\"\xC3\xA9 \xF0\x9F\x98\x80\"", "\"12345678\\n12345678\""};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		ck_assert_msg(valid(texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(faults_are_found_at_their_first_byte)
{
	static const struct {
		const char *text;
		size_t offset;
	} rows[] = {{"", 0}, {"  ", 2}, {"\xEF\xBB\xBF{}", 0}, {"01", 1}, {"-", 1}, {"-a", 1},
		{"1.", 2}, {"1.e", 2}, {".5", 0}, {"+1", 0}, {"1e", 2}, {"1e+", 3}, {"1 2", 2},
		{"nul", 3}, {"nulL", 3}, {"tru ", 3}, {"NaN", 0}, {"Infinity", 0}, {"'a'", 0},
		{"\"a", 2}, {"\"\n\"", 1}, {"\"\\x\"", 2}, {"\"\\u12g4\"", 5}, {"\"\\", 2},
		{"\"\xC0\x80\"", 1}, {"\"\xED\xA0\x80\"", 1}, {"\"\xF4\x90\x80\x80\"", 1},
		{"\"\xE2\x82\"", 1}, {"\"\x80\"", 1}, {"\"\\ud800\"", 1}, {"\"\\ud800x\"", 1},
		{"\"\\ud800\\n\"", 1}, {"\"\\ud800\\u0041\"", 1}, {"\"\\udc00\"", 1}, {"[1,]", 3},
		{"[,1]", 1}, {"[1 2]", 3}, {"[1", 2}, {"[", 1}, {"]", 0}, {"{,}", 1},
		{"{\"a\"}", 4}, {"{\"a\" 1}", 5}, {"{\"a\":}", 5}, {"{\"a\":1,}", 7}, {"{a:1}", 1},
		{"{1:1}", 1}, {"[}", 1}, {"{]", 1}, {"[1}", 2}, {"{\"a\":1]", 6}, {"{} {}", 3},
		{"[1] x", 4}, {"/* */1", 0}, {"[1,// x\n2]", 3}, {"\"a\tb\"", 2}, {"\v1", 0}};
	struct scan_error error;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_msg(!scan_check(span_of(rows[i].text), SCAN_DEPTH_MAX, &error), "%s",
			rows[i].text);
		ck_assert_msg(
			error.offset == rows[i].offset, "%s: %zu", rows[i].text, error.offset);
		ck_assert_str_ne(error.what, "");
	}
	ck_assert(!scan_check((struct span){"1\0", 2}, SCAN_DEPTH_MAX, &error));
	ck_assert(!scan_check((struct span){"\"\0\"", 3}, SCAN_DEPTH_MAX, &error));
}
END_TEST

START_TEST(the_sixty_first_open_bracket_is_refused)
{
	char text[256];
	struct scan_error error;

	for (size_t depth = 58; depth <= 62; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		ck_assert(scan_check((struct span){text, 2 * depth}, 60, &error) == (depth <= 60));
		if (depth > 60)
			ck_assert_uint_eq(error.offset, 60);
	}
	ck_assert(valid("[[1],[2],[3],{\"a\":{}}]"));
	ck_assert(!scan_check(span_of("[[[]]]"), 2, &error));
	ck_assert(!scan_check(span_of("[]"), 0, &error));
	ck_assert(scan_check(span_of("1"), 0, &error));
}
END_TEST

START_TEST(deep_nesting_beyond_all_limits_ends)
{
	size_t len = 1u << 20;
	char *text = mem_new(len);
	struct scan_error error;

	memset(text, '[', len);
	ck_assert(!scan_check((struct span){text, len}, 1000000, &error));
	ck_assert_uint_eq(error.offset, 1024);
	for (size_t i = 0; i < 700; i++) {
		text[i] = i % 3 ? '[' : '{';
		text[1399 - i] = i % 3 ? ']' : '}';
	}
	ck_assert(!scan_check((struct span){text, 1400}, 1000, &error));
	mem_free(text);
}
END_TEST

START_TEST(kinds_of_brackets_are_remembered_at_every_depth)
{
	struct buf text;

	buf_init(&text, 1u << 20);
	for (size_t i = 0; i < 500; i++)
		ck_assert_int_eq(buf_adds(&text, i % 2 ? "[" : "{\"a\":"), ERR_OK);
	for (size_t i = 500; i-- > 0;)
		ck_assert_int_eq(buf_adds(&text, i % 2 ? "]" : "}"), ERR_OK);
	ck_assert(scan_check((struct span){text.ptr, text.len}, 500, NULL));
	text.ptr[text.len - 100] = text.ptr[text.len - 100] == ']' ? '}' : ']';
	ck_assert(!scan_check((struct span){text.ptr, text.len}, 500, NULL));
	buf_free(&text);
}
END_TEST

START_TEST(special_bytes_are_seen_at_every_place_of_a_long_string)
{
	static const struct {
		const char *bytes;
		bool ok;
	} rows[] = {{"\x1F", false}, {"\x80", false}, {"\xC3\xA9", true}, {"\\n", true},
		{"\\q", false}, {"\x7F", true}};
	char text[64];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t at = 1; at < 30; at++) {
			memset(text, 'x', sizeof text);
			text[0] = text[40] = '"';
			memcpy(text + at, rows[i].bytes, strlen(rows[i].bytes));
			ck_assert(scan_check((struct span){text, 41}, 1, NULL) == rows[i].ok);
		}
	}
}
END_TEST

START_TEST(positions_count_lines_and_bytes_from_one)
{
	struct span text = span_of("{\n \"\xC3\xA9\":\r\n x}");
	size_t line, column;

	scan_position(text, 0, &line, &column);
	ck_assert_uint_eq(line, 1);
	ck_assert_uint_eq(column, 1);
	scan_position(text, 11, &line, &column);
	ck_assert_uint_eq(line, 3);
	ck_assert_uint_eq(column, 2);
	scan_position(text, 2, &line, &column);
	ck_assert_uint_eq(line, 2);
	ck_assert_uint_eq(column, 1);
	scan_position((struct span){NULL, 0}, 0, &line, &column);
	ck_assert_uint_eq(column, 1);
}
END_TEST

static void assert_span(struct span span, const char *text)
{
	ck_assert_msg(span_equals(span, text), "%.*s is not %s", (int)span.len, span.ptr, text);
}

START_TEST(members_are_cut_out_with_their_extents)
{
	struct span text = span_of(
		"{ \"a\" : [1,{\"]\":\"}\"}] , \"b\\\"\\\\\":\"x\\\\\",\"c\":-1.5e3\n,\"d\":null}");
	struct scan_walk walk;
	struct scan_member member;

	ck_assert(scan_check(text, 60, NULL));
	scan_begin(&walk, text);
	ck_assert(scan_next(&walk, &member));
	assert_span(member.name, "\"a\"");
	assert_span(member.value, "[1,{\"]\":\"}\"}]");
	ck_assert(scan_next(&walk, &member));
	assert_span(member.name, "\"b\\\"\\\\\"");
	assert_span(member.value, "\"x\\\\\"");
	ck_assert(scan_next(&walk, &member));
	assert_span(member.value, "-1.5e3");
	ck_assert(scan_next(&walk, &member));
	assert_span(member.value, "null");
	ck_assert(!scan_next(&walk, &member));
	ck_assert(!scan_next(&walk, &member));
}
END_TEST

START_TEST(counting_stops_where_it_is_told)
{
	ck_assert_uint_eq(scan_count(span_of("[]"), 5), 0);
	ck_assert_uint_eq(scan_count(span_of("[1,[2,3],{}]"), 5), 3);
	ck_assert_uint_eq(scan_count(span_of("[1,2,3,4,5,6,7]"), 5), 6);
	ck_assert_uint_eq(scan_count(span_of("{\"a\":1,\"b\":2}"), 0), 1);
}
END_TEST

START_TEST(strings_are_decoded)
{
	static const struct {
		const char *text, *decoded;
		size_t len;
	} rows[] = {{"\"\"", "", 0}, {"\"abc\"", "abc", 3}, {"\"\\u00e9\"", "\xC3\xA9", 2},
		{"\"\\ud83d\\ude00!\"", "\xF0\x9F\x98\x80!", 5}, {"\"a\\u0000b\"", "a\0b", 3},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
		{"\"\\u20AC\"", "\xE2\x82\xAC", 3}, {"\"\\uFFFF\"", "\xEF\xBF\xBF", 3}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf out;
		char in_place[64];
		struct span value = span_of(rows[i].text);

		buf_init(&out, rows[i].len);
		ck_assert_int_eq(scan_string(value, &out), ERR_OK);
		ck_assert_uint_eq(out.len, rows[i].len);
		ck_assert(out.len == 0 || memcmp(out.ptr, rows[i].decoded, out.len) == 0);
		memcpy(in_place, value.ptr, value.len);
		ck_assert_uint_eq(
			scan_decode((struct span){in_place, value.len}, in_place), rows[i].len);
		ck_assert(memcmp(in_place, rows[i].decoded, rows[i].len) == 0);
		buf_free(&out);
		if (rows[i].len == 0)
			continue;
		buf_init(&out, rows[i].len - 1);
		ck_assert_int_eq(scan_string(value, &out), ERR_LIMIT);
		buf_free(&out);
	}
}
END_TEST

START_TEST(names_compare_decoded)
{
	ck_assert(scan_name_is(span_of("\"url\""), "url"));
	ck_assert(scan_name_is(span_of("\"\\u0075r\\u006C\""), "url"));
	ck_assert(!scan_name_is(span_of("\"ur\""), "url"));
	ck_assert(!scan_name_is(span_of("\"urls\""), "url"));
	ck_assert(!scan_name_is(span_of("\"url\\u0000\""), "url"));
	ck_assert(!scan_name_is(span_of("\"u\\nl\""), "url"));
	ck_assert(scan_name_is(span_of("\"\""), ""));
}
END_TEST

START_TEST(a_value_is_put_into_one_line)
{
	struct buf out;

	buf_init(&out, 1000);
	ck_assert_int_eq(buf_adds(&out, "a\n"), ERR_OK);
	ck_assert_int_eq(scan_add_line(&out, span_of("{\r\n\"a\\n\":\n1}")), ERR_OK);
	ck_assert_str_eq(out.ptr, "a\n{  \"a\\n\": 1}");
	buf_free(&out);
}
END_TEST

START_TEST(types_are_told_by_the_first_byte)
{
	ck_assert_int_eq(scan_type(span_of("null")), SCAN_NULL);
	ck_assert_int_eq(scan_type(span_of("false")), SCAN_FALSE);
	ck_assert_int_eq(scan_type(span_of("true")), SCAN_TRUE);
	ck_assert_int_eq(scan_type(span_of("-1")), SCAN_NUMBER);
	ck_assert_int_eq(scan_type(span_of("\"\"")), SCAN_STRING);
	ck_assert_int_eq(scan_type(span_of("[]")), SCAN_ARRAY);
	ck_assert_int_eq(scan_type(span_of("{}")), SCAN_OBJECT);
	assert_span(scan_trim(span_of(" \n[1 ]\t")), "[1 ]");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {valid_texts_pass, faults_are_found_at_their_first_byte,
		the_sixty_first_open_bracket_is_refused, deep_nesting_beyond_all_limits_ends,
		kinds_of_brackets_are_remembered_at_every_depth,
		special_bytes_are_seen_at_every_place_of_a_long_string,
		positions_count_lines_and_bytes_from_one, members_are_cut_out_with_their_extents,
		counting_stops_where_it_is_told, strings_are_decoded, names_compare_decoded,
		a_value_is_put_into_one_line, types_are_told_by_the_first_byte};

	return check_main("scan", tests, sizeof tests / sizeof *tests);
}
