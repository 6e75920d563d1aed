/* test_sched_breaker_stop.c - a breaker that opens, and batches that end with it: those that stop
 * on an error, those that are closed. */
#include "tests/unit/pool/breaker_world.h"

static void ck_first_refused_rest_stopped(struct fake_call *const *fakes, size_t count)
{
	ck_refused(fakes[0], 0);
	for (size_t i = 1; i < count; i++) {
		ck_assert_uint_eq(fakes[i]->starts, 0);
		ck_assert_int_eq(fakes[i]->call.sched.end, CALL_END_STOP_ON_ERROR);
		ck_assert_int_eq(fakes[i]->call.outcome.code, ITEM_CANCELLED);
	}
}

START_TEST(a_batch_that_stops_on_an_error_stops_when_it_opens)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call **bad, **others, *flying;

	begin(1000);
	dead->limit = 5;
	world_origin(&world, WELL)->limit = 1;
	options = world_options(bob);
	options.stop_on_error = true;
	world_group(&world, &group, options);
	submit_failing(&killers, 5, 10 * MS);
	world_pump(&world);
	flying = submit(&group, WELL, SECOND, ITEM_OK);
	bad = world_submit_many(&world, &group, DEAD, 10, MS);
	others = world_submit_many(&world, &group, WELL, 3, MS);
	world_run_until(&world, world.now_us + 10 * MS);
	ck_first_refused_rest_stopped(bad, 10);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(others[i]->call.sched.end, CALL_END_STOP_ON_ERROR);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.refused, 1);
	world_run(&world);
	ck_assert_int_eq(flying->call.outcome.code, ITEM_OK); /* what has begun may finish */
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(a_batch_that_stops_on_an_error_stops_where_it_is_open)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call *calls[5];

	begin(1000);
	kill_upstream();
	options = world_options(bob);
	options.stop_on_error = true;
	world_group(&world, &group, options);
	for (size_t i = 0; i < 5; i++) /* the one before the first failure is stopped as well */
		calls[i] = world_call(&world, i == 0 || i == 4 ? WELL : DEAD);
	MUST(world_submit(&world, &group, calls, 5) == ERR_OK);
	world_pump(&world);
	ck_assert_int_eq(calls[0]->call.sched.end, CALL_END_STOP_ON_ERROR);
	ck_first_refused_rest_stopped(calls + 1, 4);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(a_batch_of_one_that_is_closed_may_end_with_it)
{
	struct pool_group_options options;
	struct fake_group groups[20];

	begin(1000);
	dead->limit = 5;
	submit_failing(&killers, 5, 10 * MS);
	world_pump(&world);
	for (size_t i = 0; i < 20; i++) {
		options = world_options(i % 2 ? ann : bob);
		options.stop_on_error = i % 3 == 0;
		world_group(&world, &groups[i], options);
		world_submit_many(&world, &groups[i], DEAD, 1 + i % 4, MS);
		world_close(&world, &groups[i]);
	}
	world_run_until(&world, world.now_us + 10 * MS);
	for (size_t i = 0; i < 20; i++)
		ck_assert_uint_eq(groups[i].returned, 1 + i % 4);
	ck_assert_uint_eq(world_stats(&world).groups, 1);
	finish();
}
END_TEST

START_TEST(the_batch_whose_own_failure_opens_it_ends_with_the_rest)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call **calls;

	begin(1000);
	options = world_options(bob);
	options.concurrency = 1;
	world_group(&world, &group, options);
	submit_failing(&killers, 4, MS);
	world_run(&world);
	calls = world_submit_many(&world, &group, DEAD, 5, MS);
	calls[0]->steps[0].code = ITEM_CONNECT_FAILED;
	world_close(&world, &group);
	world_run_until(&world, world.now_us + MS);
	ck_assert_int_eq(calls[0]->call.outcome.code, ITEM_CONNECT_FAILED);
	ck_all_refused(calls + 1, 4);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_breaker_stop");
	TCase *tcase = tcase_create("breaker_stop");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_batch_that_stops_on_an_error_stops_when_it_opens);
	tcase_add_test(tcase, a_batch_that_stops_on_an_error_stops_where_it_is_open);
	tcase_add_test(tcase, a_batch_of_one_that_is_closed_may_end_with_it);
	tcase_add_test(tcase, the_batch_whose_own_failure_opens_it_ends_with_the_rest);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
