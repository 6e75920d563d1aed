/* test_sched_endpoint_clock.c - how a call ends that waits for a named endpoint when its batch's
 * clock runs out. */
#include "tests/unit/pool/endpoint_world.h"

static struct fake_call **run_late(struct pool_group_options options)
{
	static struct fake_group group;
	struct fake_call **fakes;

	options.endpoint = "chat";
	options.deadline_us = 1000 * SECOND + 1200 * MS;
	world_group(&world, &group, options);
	fakes = world_submit_many(&world, &group, "http://a:80", 6, 2 * SECOND);
	for (size_t i = 0; i < 6; i++)
		fakes[i]->steps[0].takes_us = i < 3 ? MS : 2 * SECOND;
	world_close(&world, &group);
	return fakes;
}

START_TEST(what_waits_for_its_rate_when_the_batchs_clock_runs_out_ends_as_rate_limited)
{
	struct fake_call **fakes;

	begin(10, 2);
	fakes = run_late(world_options(ann));
	world_run(&world);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(fakes[i]->call.outcome.code, i < 3 ? ITEM_OK : ITEM_RATE_LIMITED);
	finish();
}
END_TEST

START_TEST(what_waits_for_its_slot_when_the_batchs_clock_runs_out_ends_as_timed_out)
{
	struct fake_call **fakes;

	begin(1, 0);
	fakes = run_late(world_options(ann));
	world_run(&world);
	for (size_t i = 4; i < 6; i++) {
		ck_assert_int_eq(fakes[i]->call.outcome.code, ITEM_TIMEOUT);
		ck_assert_int_eq(fakes[i]->call.outcome.reason, REASON_QUEUE);
	}
	finish();
}
END_TEST

START_TEST(what_waits_for_the_upstream_of_a_rated_endpoint_ends_as_timed_out_in_the_queue)
{
	struct fake_group others;
	struct fake_call **fakes;

	begin(10, 2);
	world_origin(&world, "http://a:80")->limit = 1;
	open_group(&others, bob, NULL);
	world_submit_one(&world, &others, "http://a:80", 5 * SECOND);
	world_close(&world, &others);
	world_pump(&world);
	fakes = run_late(world_options(ann));
	world_run(&world);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_int_eq(fakes[i]->call.outcome.code, ITEM_TIMEOUT);
		ck_assert_int_eq(fakes[i]->call.outcome.reason, REASON_QUEUE);
	}
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_endpoint_clock");
	TCase *tcase = tcase_create("endpoint_clock");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(
		tcase, what_waits_for_its_rate_when_the_batchs_clock_runs_out_ends_as_rate_limited);
	tcase_add_test(
		tcase, what_waits_for_its_slot_when_the_batchs_clock_runs_out_ends_as_timed_out);
	tcase_add_test(tcase,
		what_waits_for_the_upstream_of_a_rated_endpoint_ends_as_timed_out_in_the_queue);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
