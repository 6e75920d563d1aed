/* test_command.c - the tables of subcommands, and the text that help and manual share. */
#include <check.h>
#include <string.h>

#include "cli/command.h"
#include "cli/prose.h"

START_TEST(commands_are_found_by_their_whole_name)
{
	ck_assert_int_eq(command_find("serve"), COMMAND_SERVE);
	ck_assert_int_eq(command_find("key"), COMMAND_KEY);
	ck_assert_int_eq(command_find("ke"), COMMAND_COUNT);
	ck_assert_int_eq(command_find("keys"), COMMAND_COUNT);
	ck_assert_int_eq(command_find(""), COMMAND_COUNT);
}
END_TEST

START_TEST(flags_belong_to_their_command)
{
	ck_assert_int_eq(command_find_flag(COMMAND_RUN, "--order=input", 7), FLAG_RUN_ORDER);
	ck_assert_int_eq(command_find_flag(COMMAND_RUN, "--orde", 6), COMMAND_FLAG_COUNT);
	ck_assert_int_eq(command_find_flag(COMMAND_CHECK, "--order", 7), COMMAND_FLAG_COUNT);
	ck_assert_int_eq(command_find_flag(COMMAND_CHECK, "--params", 8), FLAG_CHECK_PARAMS);
	ck_assert_int_eq(command_find_flag(COMMAND_RUN, "--params", 8), FLAG_RUN_PARAMS);
}
END_TEST

START_TEST(what_takes_settings_takes_config)
{
	for (enum command_id id = 0; id < COMMAND_COUNT; id++)
		ck_assert_int_eq(command_find_flag(id, "--config", 8) == FLAG_ANY_CONFIG,
			command_table[id].takes_settings);
}
END_TEST

START_TEST(every_command_says_how_it_is_called_and_what_its_flags_mean)
{
	for (enum command_id id = 0; id < COMMAND_COUNT; id++) {
		size_t ways = 0;

		for (size_t i = 0; i < COMMAND_USAGE_COUNT; i++)
			ways += command_usages[i].command == id;
		ck_assert_uint_gt(ways, 0);
		ck_assert(
			strchr(command_table[id].help, '.') || strchr(command_table[id].help, '?'));
	}
	for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++) {
		const struct command_flag *flag = &command_flags[i];

		ck_assert(strncmp(flag->name, "--", 2) == 0);
		ck_assert_int_eq(flag->help[strlen(flag->help) - 1], '.');
		ck_assert_int_eq(flag->completion == COMPLETE_WORDS,
			flag->value && strchr(flag->value, '|') != NULL);
		ck_assert(flag->value || flag->completion == COMPLETE_NOTHING);
	}
}
END_TEST

START_TEST(prose_comes_apart_at_empty_lines)
{
	const char *text = "one\ntwo\n\n  kept\n    as it is\n\n\nthree\n";
	struct prose_paragraph paragraph;

	ck_assert(prose_next(&text, &paragraph));
	ck_assert(!paragraph.kept && span_equals(paragraph.text, "one\ntwo"));
	ck_assert(prose_next(&text, &paragraph));
	ck_assert(paragraph.kept && span_equals(paragraph.text, "  kept\n    as it is"));
	ck_assert(prose_next(&text, &paragraph));
	ck_assert(!paragraph.kept && span_equals(paragraph.text, "three"));
	ck_assert(!prose_next(&text, &paragraph));
}
END_TEST

START_TEST(words_fill_lines_and_a_long_one_stands_alone)
{
	struct buf out;

	buf_init(&out, 4096);
	prose_fill(span_of("aa bb  cc\ndddddddddddd e"), 2, 2, 8, &out);
	ck_assert_str_eq(out.ptr, "aa bb\n  cc\n  dddddddddddd\n  e\n");
	buf_clear(&out);
	prose_print("a b\n\n  x\n  y\n\nc", 1, &out);
	ck_assert_str_eq(out.ptr, " a b\n   x\n   y\n\n c\n");
	buf_free(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command");
	TCase *tcase = tcase_create("command");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, commands_are_found_by_their_whole_name);
	tcase_add_test(tcase, flags_belong_to_their_command);
	tcase_add_test(tcase, what_takes_settings_takes_config);
	tcase_add_test(tcase, every_command_says_how_it_is_called_and_what_its_flags_mean);
	tcase_add_test(tcase, prose_comes_apart_at_empty_lines);
	tcase_add_test(tcase, words_fill_lines_and_a_long_one_stands_alone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
