/* test_helper_notes.c - the notes that helper processes are told: who has them, for how long, and
 * how many there may be. */
#include "tests/unit/pool/toy_helper.h"

START_TEST(notes_reach_every_process_and_its_replacement_until_they_are_dropped)
{
	struct helper_kit kit;
	struct kit_answer answers[4];

	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 3, SPAN("three"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 4, SPAN("four"), clock_us()), ERR_OK);
	ask(&kit, &answers[0], "n3");
	ask(&kit, &answers[1], "d");
	ask(&kit, &answers[2], "n4");
	kit_run(&kit, 3);
	expect(&answers[0], HELPER_OK, "three");
	expect(&answers[1], HELPER_DIED, "");
	expect(&answers[2], HELPER_OK, "four");
	helper_drop(kit.set, 4, clock_us());
	ask(&kit, &answers[0], "n4");
	ask(&kit, &answers[1], "d");
	ask(&kit, &answers[2], "n4");
	ask(&kit, &answers[3], "n3");
	kit_run(&kit, 7);
	expect(&answers[0], HELPER_OK, "");
	expect(&answers[1], HELPER_DIED, "");
	expect(&answers[2], HELPER_OK, "");
	expect(&answers[3], HELPER_OK, "three");
	kit_close(&kit);
}
END_TEST

START_TEST(notes_and_questions_have_limits)
{
	struct helper_kit kit;
	struct helper_options options;
	struct kit_answer answers[3];

	kit_start(&kit, toy_serve);
	options = kit_options(&kit, 1);
	options.queue_max = 2;
	options.queue_bytes = 100;
	options.notes_max = 1;
	options.note_bytes = 10;
	kit_open_with(&kit, &options);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("eleven byte"), 0), ERR_LIMIT);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("ten  bytes"), 0), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 2, SPAN(""), 0), ERR_LIMIT);
	kit_answer_init(&answers[2], &kit);
	ck_assert_int_eq(kit_try_ask(&kit, &answers[2], mem_new(101), 101, 1, 1), ERR_BUSY);
	ask(&kit, &answers[0], "ea");
	ask(&kit, &answers[1], "eb");
	ck_assert_int_eq(kit_try_ask(&kit, &answers[2], mem_copy("ec", 2), 2, 1, 1), ERR_BUSY);
	kit_run(&kit, 2);
	expect(&answers[0], HELPER_OK, "a");
	expect(&answers[1], HELPER_OK, "b");
	ck_assert_uint_eq(answers[2].times, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(a_note_that_a_question_needs_stays_and_the_others_can_be_dropped)
{
	struct helper_kit kit;
	struct kit_answer first, second;

	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("one"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 2, SPAN("two"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("one"), clock_us()), ERR_OK);
	ask_as(&kit, &first, &kit, 1, "n 1");
	helper_drop(kit.set, 1, clock_us());
	helper_drop_unused(kit.set, clock_us());
	ask_as(&kit, &second, &kit, 0, "n 2");
	kit_run(&kit, 2);
	expect(&first, HELPER_OK, "one");
	expect(&second, HELPER_OK, "");
	helper_drop_unused(kit.set, clock_us()); /* it was asked for since the last time */
	ask_as(&kit, &first, &kit, 0, "n 1");
	kit_run(&kit, 3);
	expect(&first, HELPER_OK, "one");
	helper_drop_unused(kit.set, clock_us());
	ask_as(&kit, &first, &kit, 0, "n 1");
	kit_run(&kit, 4);
	expect(&first, HELPER_OK, "");
	kit_close(&kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/helper_notes");
	TCase *tcase = tcase_create("helper_notes");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, notes_reach_every_process_and_its_replacement_until_they_are_dropped);
	tcase_add_test(tcase, notes_and_questions_have_limits);
	tcase_add_test(tcase, a_note_that_a_question_needs_stays_and_the_others_can_be_dropped);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
