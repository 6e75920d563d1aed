/* test_helper.c - questions to helper processes: each gets one answer, in time, of any size. */
#include "tests/unit/pool/toy_helper.h"

START_TEST(questions_are_answered_in_their_order_by_one_process)
{
	struct helper_kit kit;
	struct kit_answer answers[20];
	char text[32];

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "e%zu", i);
		ask(&kit, &answers[i], text);
	}
	kit_run(&kit, 20);
	for (size_t i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "%zu", i);
		expect(&answers[i], HELPER_OK, text);
	}
	ck_assert_str_eq(kit.remarks, "a toy");
	ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(questions_spread_over_all_processes)
{
	struct helper_kit kit;
	struct kit_answer answers[2];

	kit_open(&kit, toy_serve, 2);
	kit_run_until_ready(&kit, 2);
	ask(&kit, &answers[0], "i");
	ask(&kit, &answers[1], "i");
	kit_run(&kit, 2);
	ck_assert_str_ne(answers[0].text.ptr, answers[1].text.ptr);
	buf_free(&answers[0].text);
	buf_free(&answers[1].text);
	kit_close(&kit);
}
END_TEST

START_TEST(past_its_deadline_a_question_is_late_wherever_it_is_and_its_process_lives_on)
{
	struct helper_kit kit;
	struct kit_answer hang, behind, waiting[HELPER_WINDOW];
	uint64_t soon_us;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&behind, &kit);
	soon_us = clock_us() + KIT_SECOND / 10;
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, 3 * KIT_SECOND, soon_us), ERR_OK);
	ck_assert_int_eq(
		kit_try_ask(&kit, &behind, mem_copy("ex", 2), 2, KIT_SECOND, soon_us), ERR_OK);
	for (size_t i = 0; i < HELPER_WINDOW; i++) {
		kit_answer_init(&waiting[i], &kit);
		ck_assert_int_eq(
			kit_try_ask(&kit, &waiting[i], mem_copy("ex", 2), 2, KIT_SECOND, soon_us),
			ERR_OK);
	}
	kit_run(&kit, 2 + HELPER_WINDOW);
	expect(&hang, HELPER_LATE, "");
	expect(&behind, HELPER_LATE, "");
	for (size_t i = 0; i < HELPER_WINDOW; i++)
		expect(&waiting[i], HELPER_LATE, "");
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	ask(&kit, &behind, "eagain");
	kit_run(&kit, 3 + HELPER_WINDOW);
	expect(&behind, HELPER_OK, "again");
	ck_assert_uint_eq(helper_counts(kit.set).started, 2);
	kit_close(&kit);
}
END_TEST

START_TEST(an_answer_that_is_too_large_fails_and_the_next_is_well)
{
	struct helper_kit kit;
	struct kit_answer large, fits, next;

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &large, "b104857600");
	ask(&kit, &fits, "b4194304");
	ask(&kit, &next, "enext");
	kit_run(&kit, 3);
	expect(&large, HELPER_TOO_LARGE, "");
	ck_assert_int_eq(fits.outcome, HELPER_OK);
	ck_assert_uint_eq(fits.text.len, 4194304);
	buf_free(&fits.text);
	expect(&next, HELPER_OK, "next");
	kit_close(&kit);
}
END_TEST

START_TEST(large_questions_go_over_in_pieces)
{
	struct helper_kit kit;
	struct kit_answer answers[3];
	size_t len = 3u << 20;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < 3; i++) {
		char *bytes = mem_new(len);

		memset(bytes, 'a' + (int)i, len);
		bytes[0] = 'e';
		kit_answer_init(&answers[i], &kit);
		ck_assert_int_eq(
			kit_try_ask(&kit, &answers[i], bytes, len, 5 * KIT_SECOND, CLOCK_NEVER),
			ERR_OK);
	}
	kit_run(&kit, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(answers[i].outcome, HELPER_OK);
		ck_assert_uint_eq(answers[i].text.len, len - 1);
		ck_assert_int_eq(answers[i].text.ptr[0], 'a' + (int)i);
		ck_assert_mem_eq(answers[i].text.ptr, answers[i].text.ptr + 1, len - 2);
		buf_free(&answers[i].text);
	}
	kit_close(&kit);
}
END_TEST

START_TEST(who_forgets_is_not_called_and_a_process_that_hangs_over_it_is_still_killed)
{
	struct helper_kit kit;
	struct helper_request *request;
	struct kit_answer hang, forgotten, behind;
	struct helper_question question = {.bytes = mem_copy("h", 1),
		.len = 1,
		.limit_us = KIT_SECOND / 10,
		.deadline_us = CLOCK_NEVER,
		.done = kit_on_done,
		.arg = &hang};

	kit_open(&kit, toy_serve, 1);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&forgotten, &kit);
	ck_assert_int_eq(helper_ask(kit.set, &question, clock_us(), &request), ERR_OK);
	question.bytes = mem_copy("ex", 2);
	question.len = 2;
	question.arg = &forgotten;
	kit_run_until_ready(&kit, 1);
	helper_forget(kit.set, request);
	ck_assert_int_eq(helper_ask(kit.set, &question, clock_us(), &request), ERR_OK);
	helper_forget(kit.set, request);
	ask(&kit, &behind, "ehere");
	kit_run(&kit, 1);
	expect(&behind, HELPER_OK, "here");
	ck_assert_uint_eq(hang.times + forgotten.times, 0);
	ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(a_question_for_which_there_is_no_memory_is_refused_and_leaves_nothing_behind)
{
	struct helper_kit kit;
	struct kit_answer answer;
	bool failed = true;

	kit_open(&kit, toy_serve, 1);
	for (unsigned long n = 1; failed; n++) {
		char *bytes = mem_copy("ex", 2);
		enum err_code code;
		size_t before = kit.answered;

		kit_answer_init(&answer, &kit);
		mem_fail_at(n);
		code = kit_try_ask(&kit, &answer, bytes, 2, KIT_SECOND, CLOCK_NEVER);
		if (code == ERR_OK)
			kit_run(&kit, before + 1);
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert(code == ERR_NOMEM || code == ERR_OK);
		ck_assert_uint_eq(answer.times, code == ERR_OK);
		ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
		buf_free(&answer.text);
	}
	kit_close(&kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/helper");
	TCase *tcase = tcase_create("helper");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, questions_are_answered_in_their_order_by_one_process);
	tcase_add_test(tcase, questions_spread_over_all_processes);
	tcase_add_test(tcase,
		past_its_deadline_a_question_is_late_wherever_it_is_and_its_process_lives_on);
	tcase_add_test(tcase, an_answer_that_is_too_large_fails_and_the_next_is_well);
	tcase_add_test(tcase, large_questions_go_over_in_pieces);
	tcase_add_test(
		tcase, who_forgets_is_not_called_and_a_process_that_hangs_over_it_is_still_killed);
	tcase_add_test(tcase,
		a_question_for_which_there_is_no_memory_is_refused_and_leaves_nothing_behind);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
