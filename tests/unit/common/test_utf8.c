/* test_utf8.c - which bytes are UTF-8, and where a text is cut. */
#include "common/utf8.h"

#include <check.h>
#include <string.h>

#define E_ACUTE "\xC3\xA9"
#define EURO "\xE2\x82\xAC"
#define SMILE "\xF0\x9F\x98\x80"

static const struct {
	const char *text;
	size_t len; /* of the character; 0: none */
} chars[] = {
	{"a", 1},
	{E_ACUTE "x", 2},
	{EURO, 3},
	{SMILE SMILE, 4},
	{"\xF4\x8F\xBF\xBF", 4}, /* U+10FFFF */
	{"", 0},
	{"\x80", 0},         /* a tail */
	{"\xC0\x80", 0},     /* overlong */
	{"\xE0\x9F\xBF", 0}, /* overlong */
	{"\xED\xA0\x80", 0}, /* a surrogate */
	{"\xF4\x90\x80\x80", 0},
	{"\xF5\x80\x80\x80", 0},
	{"\xC3", 0},
	{"\xE2\x82", 0},
	{"\xF0\x9F\x98", 0},
	{"\xC3x", 0},
};

START_TEST(a_character_is_measured_where_it_is_valid_and_whole)
{
	ck_assert_uint_eq(utf8_char(chars[_i].text, strlen(chars[_i].text)), chars[_i].len);
}
END_TEST

START_TEST(one_bad_byte_makes_a_text_invalid_wherever_it_is)
{
	char text[] = "0123456789 " E_ACUTE EURO SMILE " 0123456789";
	const size_t len = sizeof text - 1;

	ck_assert(utf8_valid(text, len));
	ck_assert(utf8_valid("", 0));
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		text[i] = '\xFF';
		ck_assert(!utf8_valid(text, len));
		text[i] = was;
	}
}
END_TEST

static const struct {
	const char *text;
	size_t max, shown;
} cuts[] = {
	{"", 0, 0},
	{"abc", 3, 3}, /* it fits */
	{"abc", 2, 2},
	{"abc", 0, 0},
	{"a" E_ACUTE, 3, 3},
	{"a" E_ACUTE "b", 3, 3}, /* whole at the very end */
	{"a" E_ACUTE "b", 2, 1},
	{E_ACUTE, 1, 0},
	{"a" EURO "b", 4, 4},
	{"a" EURO "b", 3, 1},
	{"a" EURO "b", 2, 1},
	{"a" SMILE "b", 5, 5},
	{"a" SMILE "b", 4, 1},
	{"a" SMILE "b", 3, 1},
	{"a" SMILE "b", 2, 1},
	{SMILE SMILE, 7, 4},
	{EURO SMILE, 6, 3},
	/* what fits as a whole is not judged, nor is what cannot be the beginning of a character */
	{"a\xC3", 2, 2},
	{"a\x80\x80\x80\x80", 4, 4},
	{"\x80\x80", 1, 1},
	{E_ACUTE "\xA9"
		 "b",
		3, 3},
};

START_TEST(a_text_is_cut_between_characters_and_as_late_as_it_can_be)
{
	ck_assert_uint_eq(
		utf8_cut(cuts[_i].text, strlen(cuts[_i].text), cuts[_i].max), cuts[_i].shown);
}
END_TEST

START_TEST(nothing_behind_the_room_is_read)
{
	static const char text[] = {'a', '\xC3'}; /* the sanitizers watch its end */

	ck_assert_uint_eq(utf8_cut(text, 100, sizeof text), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/utf8");
	TCase *tcase = tcase_create("utf8");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, a_character_is_measured_where_it_is_valid_and_whole, 0,
		(int)(sizeof chars / sizeof *chars));
	tcase_add_test(tcase, one_bad_byte_makes_a_text_invalid_wherever_it_is);
	tcase_add_loop_test(tcase, a_text_is_cut_between_characters_and_as_late_as_it_can_be, 0,
		(int)(sizeof cuts / sizeof *cuts));
	tcase_add_test(tcase, nothing_behind_the_room_is_read);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
