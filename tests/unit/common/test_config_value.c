/* test_config_value.c - sizes, times, rates and choices: what is read, what is refused, what is
 * written. */
#include "common/config_value.h"

#include <check.h>
#include <string.h>

static const struct {
	enum setting_type type;
	const char *text;
	bool good;
	uint64_t number;
} table[] = {
	{SETTING_COUNT, "0", true, 0},
	{SETTING_COUNT, "007", true, 7},
	{SETTING_COUNT, "18446744073709551615", true, UINT64_MAX},
	{SETTING_COUNT, "18446744073709551616", true, UINT64_MAX},
	{SETTING_COUNT, "", false, 0},
	{SETTING_COUNT, "+1", false, 0},
	{SETTING_COUNT, "1.5", false, 0},
	{SETTING_COUNT, " 1", false, 0},
	{SETTING_COUNT, "0x10", false, 0},
	{SETTING_SIZE, "5", true, 5},
	{SETTING_SIZE, "8MiB", true, 8u << 20},
	{SETTING_SIZE, "1GiB", true, 1u << 30},
	{SETTING_SIZE, "3KiB", true, 3072},
	{SETTING_SIZE, "99999999999999999GiB", true, UINT64_MAX},
	{SETTING_SIZE, "8mib", false, 0},
	{SETTING_SIZE, "8 MiB", false, 0},
	{SETTING_SIZE, "MiB", false, 0},
	{SETTING_TIME, "0", true, 0},
	{SETTING_TIME, "0s", true, 0},
	{SETTING_TIME, "250ms", true, 250},
	{SETTING_TIME, "2m", true, 120000},
	{SETTING_TIME, "1h", true, 3600000},
	{SETTING_TIME, "7d", true, 604800000},
	{SETTING_TIME, "1", false, 0},
	{SETTING_TIME, "1S", false, 0},
	{SETTING_TIME, "1m30s", false, 0},
	{SETTING_RATE, "off", true, 0},
	{SETTING_RATE, "3500/min", true, 3500},
	{SETTING_RATE, "1/h", true, 1},
	{SETTING_RATE, "0/s", false, 0},
	{SETTING_RATE, "1/d", false, 0},
	{SETTING_PERCENT, "20%", true, 20},
	{SETTING_PERCENT, "101%", false, 0},
	{SETTING_PERCENT, "20", false, 0},
	{SETTING_BOOL, "true", true, 1},
	{SETTING_BOOL, "false", true, 0},
	{SETTING_BOOL, "True", false, 0},
	{SETTING_BOOL, "", false, 0},
	{SETTING_BOOL, "false|true", false, 0},
	{SETTING_LEVEL, "warn", true, 2},
	{SETTING_LEVEL, "war", false, 0},
	{SETTING_METHOD, "get", false, 0},
};

START_TEST(words_are_read_or_refused)
{
	uint64_t number = 0;
	const char *problem = config_value_read(table[_i].type, table[_i].text, &number);

	ck_assert_msg((problem == NULL) == table[_i].good, "%s", table[_i].text);
	if (!problem)
		ck_assert_uint_eq(number, table[_i].number);
}
END_TEST

START_TEST(the_shortest_exact_form_is_written)
{
	static const struct {
		enum setting_type type;
		uint64_t number;
		const char *text;
	} forms[] = {
		{SETTING_SIZE, 0, "0"},
		{SETTING_SIZE, 1025, "1025"},
		{SETTING_SIZE, 1536, "1536"},
		{SETTING_SIZE, 8u << 20, "8MiB"},
		{SETTING_TIME, 0, "0s"},
		{SETTING_TIME, 90000, "90s"},
		{SETTING_TIME, 86400000, "1d"},
		{SETTING_TIME, 1, "1ms"},
		{SETTING_BOOL, 1, "true"},
		{SETTING_LEVEL, 4, "off"},
		{SETTING_COUNT, 12, "12"},
	};
	struct buf out;

	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		buf_clear(&out);
		config_value_write(forms[i].type, forms[i].number, &out);
		ck_assert_str_eq(out.ptr, forms[i].text);
	}
	buf_free(&out);
}
END_TEST

START_TEST(control_characters_and_bad_utf8_are_not_clean)
{
	ck_assert(config_value_is_clean("a \xc3\xa9", false));
	ck_assert(config_value_is_clean("a\n\tb", true));
	ck_assert(!config_value_is_clean("a\nb", false));
	ck_assert(!config_value_is_clean("a\rb", true));
	ck_assert(!config_value_is_clean("\x7f", true));
	ck_assert(!config_value_is_clean("\xc2\x85", true));
	ck_assert(!config_value_is_clean("\xff", true));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/config_value");
	TCase *tcase = tcase_create("config_value");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		tcase, words_are_read_or_refused, 0, (int)(sizeof table / sizeof *table));
	tcase_add_test(tcase, the_shortest_exact_form_is_written);
	tcase_add_test(tcase, control_characters_and_bad_utf8_are_not_clean);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
