/* test_helper_process.c - helper processes that die, hang, leave or cannot live, what that costs
 * the questions, and what such a process has of the program. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/pool/toy_helper.h"

static void stillborn_serve(int fd)
{
	(void)fd;
	_exit(1);
}

START_TEST(a_process_that_dies_costs_only_what_it_worked_on)
{
	struct helper_kit kit;
	struct kit_answer answers[8];

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answers[0], "e0");
	ask(&kit, &answers[1], "d");
	for (size_t i = 2; i < 8; i++)
		ask(&kit, &answers[i], "ebehind");
	kit_run(&kit, 8);
	expect(&answers[0], HELPER_OK, "0");
	expect(&answers[1], HELPER_DIED, "");
	for (size_t i = 2; i < 8; i++)
		expect(&answers[i], HELPER_OK, "behind");
	ck_assert_uint_eq(helper_counts(kit.set).started, 2);
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_hangs_is_killed_at_its_limit_and_what_is_behind_it_goes_on)
{
	struct helper_kit kit;
	struct kit_answer hang, behind;
	uint64_t begun_us = clock_us(), took_us;

	kit_open(&kit, toy_serve, 1);
	kit_answer_init(&hang, &kit);
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, KIT_SECOND / 5, CLOCK_NEVER), ERR_OK);
	ask(&kit, &behind, "ehere");
	kit_run(&kit, 2);
	took_us = clock_us() - begun_us;
	expect(&hang, HELPER_LATE, "");
	expect(&behind, HELPER_OK, "here");
	ck_assert_uint_ge(took_us, KIT_SECOND / 5);
	ck_assert_uint_lt(took_us, 10 * KIT_SECOND);
	kit_close(&kit);
}
END_TEST

START_TEST(a_question_that_had_half_gone_to_a_process_that_is_killed_goes_whole_to_the_next)
{
	enum { LARGE = 2 << 20 };
	struct helper_kit kit;
	struct kit_answer hang, large, small;
	char *text = mem_new(LARGE);

	ck_assert_ptr_nonnull(text);
	memset(text, 'e', LARGE);
	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("note"), clock_us()), ERR_OK);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&large, &kit);
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, KIT_SECOND / 10, CLOCK_NEVER),
		ERR_OK);
	ck_assert_int_eq(
		kit_try_ask(&kit, &large, text, LARGE, 20 * KIT_SECOND, CLOCK_NEVER), ERR_OK);
	ask(&kit, &small, "n1");
	kit_run(&kit, 3);
	expect(&hang, HELPER_LATE, "");
	ck_assert_int_eq(large.outcome, HELPER_OK);
	ck_assert_uint_eq(large.text.len, LARGE - 1);
	buf_free(&large.text);
	expect(&small, HELPER_OK, "note");
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_answers_another_question_is_replaced)
{
	struct helper_kit kit;
	struct kit_answer wrong, next;

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &wrong, "w");
	ask(&kit, &next, "enext");
	kit_run(&kit, 2);
	expect(&wrong, HELPER_DIED, "");
	expect(&next, HELPER_OK, "next");
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_leaves_in_good_order_costs_nothing)
{
	struct helper_kit kit;
	struct kit_answer answers[6];

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answers[0], "l");
	for (size_t i = 1; i < 6; i++)
		ask(&kit, &answers[i], "ehere");
	kit_run(&kit, 6);
	expect(&answers[0], HELPER_OK, "bye");
	for (size_t i = 1; i < 6; i++)
		expect(&answers[i], HELPER_OK, "here");
	kit_close(&kit);
}
END_TEST

START_TEST(where_no_process_can_live_questions_are_refused_and_starts_get_rarer)
{
	struct helper_kit kit;
	struct kit_answer answer;
	uint64_t begun_us = clock_us(), started;

	kit_open(&kit, stillborn_serve, 1);
	ask(&kit, &answer, "ex");
	kit_run(&kit, 1);
	expect(&answer, HELPER_UNAVAILABLE, "");
	started = helper_counts(kit.set).started;
	ck_assert_uint_ge(started, 6);
	while (clock_us() < begun_us + 2 * KIT_SECOND || helper_counts(kit.set).started == started)
		kit_turn(&kit, KIT_SECOND);
	ck_assert_uint_le(helper_counts(kit.set).started, 12);
	ck_assert_uint_gt(helper_counts(kit.set).started, started);
	kit_close(&kit);
}
END_TEST

START_TEST(without_a_forker_questions_are_refused)
{
	struct helper_kit kit;
	struct kit_answer answer;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	kill(forker_pid(kit.forker), SIGKILL);
	ask(&kit, &answer, "h");
	kit_run(&kit, 1);
	ck_assert_int_eq(answer.outcome, HELPER_DIED);
	buf_free(&answer.text);
	ask(&kit, &answer, "ex");
	kit_run(&kit, 2);
	expect(&answer, HELPER_UNAVAILABLE, "");
	kit_close(&kit);
}
END_TEST

START_TEST(a_thousand_questions_get_one_right_answer_each_whoever_is_killed)
{
	struct helper_kit kit;
	struct kit_answer *answers = mem_new(1000 * sizeof *answers);
	uint32_t random = 12345;
	size_t killed = 0, right = 0;
	char text[32];

	kit_open(&kit, toy_serve, 2);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "e%zu", i);
		ask(&kit, &answers[i], text);
	}
	while (kit.answered < 1000) {
		pid_t pids[KIT_CHILDREN_MAX];
		size_t count;

		random = random * 1664525 + 1013904223;
		if (random >> 28 == 0 && (count = kit_children(forker_pid(kit.forker), pids)) > 0)
			killed += kill(pids[(random >> 8) % count], SIGKILL) == 0;
		kit_turn(&kit, KIT_SECOND);
	}
	for (size_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%zu", i);
		right += answers[i].outcome == HELPER_OK;
		expect(&answers[i], answers[i].outcome,
			answers[i].outcome == HELPER_OK ? text : "");
		ck_assert(answers[i].outcome == HELPER_OK || answers[i].outcome == HELPER_DIED);
	}
	ck_assert_uint_gt(killed, 3);
	ck_assert_uint_ge(right + killed, 1000);
	mem_free(answers);
	kit_close(&kit);
}
END_TEST

static bool ends_within(int pidfd, int ms)
{
	struct pollfd watched = {.fd = pidfd, .events = POLLIN};

	return poll(&watched, 1, ms) == 1;
}

/* A process that has a forker with a hanging helper, and tells their numbers. */
static _Noreturn void be_a_program(int tell)
{
	struct helper_kit kit;
	struct kit_answer answer;
	pid_t pids[1 + KIT_CHILDREN_MAX];

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ask(&kit, &answer, "h");
	pids[0] = forker_pid(kit.forker);
	if (kit_children(pids[0], pids + 1) != 1 ||
		write(tell, pids, 2 * sizeof *pids) != 2 * sizeof *pids)
		_exit(1);
	for (;;)
		pause();
}

START_TEST(when_the_program_is_killed_forker_and_helpers_are_gone)
{
	int ends[2], held[2];
	pid_t program, pids[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	program = fork();
	if (program == 0)
		be_a_program(ends[1]);
	ck_assert_int_eq((int)read(ends[0], pids, sizeof pids), (int)sizeof pids);
	for (size_t i = 0; i < 2; i++) {
		held[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
		ck_assert_int_ge(held[i], 0);
		ck_assert(!ends_within(held[i], 0));
	}
	kill(program, SIGKILL);
	waitpid(program, NULL, 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(ends_within(held[i], 5000));
		close(held[i]);
	}
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(signals_that_stop_or_reload_the_program_do_not_touch_them)
{
	static const int sent[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};
	struct helper_kit kit;
	struct kit_answer answer;
	pid_t pids[KIT_CHILDREN_MAX];

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ck_assert_uint_eq(kit_children(forker_pid(kit.forker), pids), 1);
	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
		kill(forker_pid(kit.forker), sent[i]);
		kill(pids[0], sent[i]);
	}
	ask(&kit, &answer, "ehere");
	kit_run(&kit, 1);
	expect(&answer, HELPER_OK, "here");
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	kit_close(&kit);
}
END_TEST

START_TEST(helpers_have_no_environment)
{
	struct helper_kit kit;
	struct kit_answer answer;

	ck_assert_int_eq(setenv("SECRET", "sesame", 1), 0);
	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answer, "v");
	kit_run(&kit, 1);
	expect(&answer, HELPER_OK, "empty");
	kit_close(&kit);
	ck_assert_str_eq(getenv("SECRET"), "sesame");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/helper_process");
	TCase *tcase = tcase_create("helper_process");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_process_that_dies_costs_only_what_it_worked_on);
	tcase_add_test(
		tcase, a_process_that_hangs_is_killed_at_its_limit_and_what_is_behind_it_goes_on);
	tcase_add_test(tcase,
		a_question_that_had_half_gone_to_a_process_that_is_killed_goes_whole_to_the_next);
	tcase_add_test(tcase, a_process_that_answers_another_question_is_replaced);
	tcase_add_test(tcase, a_process_that_leaves_in_good_order_costs_nothing);
	tcase_add_test(tcase, where_no_process_can_live_questions_are_refused_and_starts_get_rarer);
	tcase_add_test(tcase, without_a_forker_questions_are_refused);
	tcase_add_test(tcase, a_thousand_questions_get_one_right_answer_each_whoever_is_killed);
	tcase_add_test(tcase, when_the_program_is_killed_forker_and_helpers_are_gone);
	tcase_add_test(tcase, signals_that_stop_or_reload_the_program_do_not_touch_them);
	tcase_add_test(tcase, helpers_have_no_environment);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
