/* test_helper_turns.c - whose question a helper process gets next: callers and askers in turn. */
#include "tests/unit/pool/toy_helper.h"

START_TEST(askers_take_turns_and_each_ones_questions_keep_their_order)
{
	enum { MANY = 20, FEW = 3 };
	struct helper_kit kit;
	struct kit_answer many[MANY], few[FEW];
	size_t before = 0;
	int a, b;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < MANY; i++)
		ask_as(&kit, &many[i], &a, 0, "e many");
	for (size_t i = 0; i < FEW; i++)
		ask_as(&kit, &few[i], &b, 0, "e few");
	while (few[FEW - 1].times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += many[i].times;
	/* the window's, one before each of the few, and what came in the same look */
	ck_assert_uint_le(before, 2 * HELPER_WINDOW + FEW);
	kit_run(&kit, MANY + FEW);
	for (size_t i = 0; i < MANY; i++)
		expect(&many[i], HELPER_OK, " many");
	for (size_t i = 0; i < FEW; i++)
		expect(&few[i], HELPER_OK, " few");
	kit_close(&kit);
}
END_TEST

START_TEST(a_caller_gets_no_more_turns_by_asking_for_many)
{
	enum { MANY = 20 };
	struct helper_kit kit;
	struct kit_answer many[MANY], one;
	char askers[MANY];
	size_t before = 0;
	int a, b;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < MANY; i++)
		ask_of(&kit, &many[i], &a, &askers[i], 0, "e many");
	ask_of(&kit, &one, &b, &b, 0, "e one");
	while (one.times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += many[i].times;
	ck_assert_uint_le(before, 2 * HELPER_WINDOW + 1);
	kit_run(&kit, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		expect(&many[i], HELPER_OK, " many");
	expect(&one, HELPER_OK, " one");
	kit_close(&kit);
}
END_TEST

START_TEST(what_lay_behind_a_question_that_kills_comes_before_all_that_waits)
{
	enum { MANY = 12 };
	struct helper_kit kit;
	struct kit_answer deadly[MANY], one;
	char askers[MANY + 1];
	size_t before = 0;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ask_as(&kit, &deadly[0], &askers[0], 0, "d");
	ask_as(&kit, &one, &askers[MANY], 0, "e one");
	for (size_t i = 1; i < MANY; i++)
		ask_as(&kit, &deadly[i], &askers[i], 0, "d");
	while (one.times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += deadly[i].times;
	ck_assert_uint_le(before, 2); /* the one before it, and one in the same look */
	kit_run(&kit, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		expect(&deadly[i], HELPER_DIED, "");
	expect(&one, HELPER_OK, " one");
	kit_close(&kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/helper_turns");
	TCase *tcase = tcase_create("helper_turns");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, askers_take_turns_and_each_ones_questions_keep_their_order);
	tcase_add_test(tcase, a_caller_gets_no_more_turns_by_asking_for_many);
	tcase_add_test(tcase, what_lay_behind_a_question_that_kills_comes_before_all_that_waits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
