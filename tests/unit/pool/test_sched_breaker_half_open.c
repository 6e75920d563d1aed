/* test_sched_breaker_half_open.c - a breaker whose time is over lets one call go ahead, and the
 * others wait for what becomes of it. */
#include "tests/unit/pool/breaker_world.h"

START_TEST(half_open_one_call_starts_and_its_success_lets_all_go)
{
	struct fake_group anns, bobs;
	struct fake_call *calls[10];

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit_to_half_open(&anns, &bobs, calls);
	world_run_until(&world, world.now_us + 10 * MS - 1);
	ck_assert_uint_eq(dead->flying, 1);
	world_run_until(&world, world.now_us + 1);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(dead->flying, 9);
	world_run(&world);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(calls[i]->call.outcome.code, ITEM_OK);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(half_open_a_failure_ends_all_and_it_stays_open_longer_each_time)
{
	static const uint64_t open_us[] = {60 * SECOND, 70 * SECOND, 70 * SECOND};

	begin(1000);
	kill_upstream();
	for (size_t round = 0; round < 3; round++) {
		struct fake_group anns, bobs;
		struct fake_call *calls[10];

		wait_until_half_open();
		submit_to_half_open(&anns, &bobs, calls);
		calls[0]->steps[0].code = ITEM_CONNECT_FAILED;
		world_run_until(&world, world.now_us + 10 * MS);
		ck_all_refused(calls + 1, 9);
		ck_state(BREAKER_OPEN);
		ck_assert_uint_eq(world_info(&world, DEAD).open_us, open_us[round]);
		ck_assert_uint_eq(world_info(&world, DEAD).counts.opened, round + 2);
		world_close(&world, &anns);
		world_close(&world, &bobs);
	}
	wait_until_half_open();
	submit(&killers, DEAD, MS, ITEM_OK);
	world_run(&world);
	kill_upstream();
	ck_assert_uint_eq(
		world_info(&world, DEAD).open_us, 30 * SECOND); /* it was well in between */
	finish();
}
END_TEST

START_TEST(half_open_a_call_that_says_nothing_makes_way_for_the_next)
{
	struct fake_group anns, bobs;
	struct fake_call *calls[10];

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit_to_half_open(&anns, &bobs, calls);
	for (size_t i = 0; i < 4; i++)
		calls[i]->steps[0].code = i % 2 ? ITEM_TIMEOUT : ITEM_CANCELLED;
	for (size_t i = 1; i < 5; i++) {
		world_run_until(&world, world.now_us + 10 * MS);
		ck_state(BREAKER_HALF_OPEN);
		ck_assert_uint_eq(dead->flying, 1);
		ck_assert_uint_eq(world_info(&world, DEAD).queued, 9 - i);
	}
	world_run_until(&world, world.now_us + 10 * MS);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(dead->flying, 5);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

/* The batch of the one in flight is cancelled, which the worker tells with an outcome that says
 * nothing. */
START_TEST(half_open_a_cancelled_batch_makes_way_for_anothers_call)
{
	struct fake_group anns, bobs;
	struct fake_call *calls[10];

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit_to_half_open(&anns, &bobs, calls);
	world_cancel(&world, &anns, POOL_CLIENT_GONE);
	world_pump(&world);
	ck_assert_uint_eq(dead->flying, 1); /* it is still on the wire */
	calls[0]->steps[0].code = ITEM_CANCELLED;
	world_land(&world, calls[0]);
	world_pump(&world);
	ck_assert_uint_eq(calls[1]->starts, 1);
	ck_assert_uint_eq(dead->flying, 1);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(half_open_the_turn_kept_for_a_batch_that_is_cancelled_goes_to_another)
{
	struct fake_group groups[2], *gone = &groups[_i], *left = &groups[1 - _i];
	struct fake_call *calls[10];

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit_to_half_open(&groups[0], &groups[1], calls);
	calls[0]->steps[0].code = ITEM_TIMEOUT;
	world_land(&world, calls[0]); /* one of the two is promised the turn */
	world_cancel(&world, gone, POOL_CLIENT_GONE);
	world_pump(&world);
	ck_assert_uint_eq(left->flying, 1);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(gone->returned, 5);
	world_close(&world, &groups[0]);
	world_close(&world, &groups[1]);
	finish();
}
END_TEST

START_TEST(half_open_what_was_begun_before_it_opened_decides_nothing)
{
	struct fake_call *stale[6], *probe, *waits;

	begin(1000);
	for (size_t i = 0; i < 6; i++)
		stale[i] = submit(&killers, DEAD, 40 * SECOND,
			i % 3 == 0   ? ITEM_OK
			: i % 3 == 1 ? ITEM_CONNECT_FAILED
				     : ITEM_TIMEOUT);
	kill_upstream();
	wait_until_half_open();
	probe = submit(&killers, DEAD, 20 * SECOND, ITEM_OK);
	waits = submit(&killers, DEAD, MS, ITEM_OK);
	world_pump(&world);
	world_run_until(&world, world.now_us + 15 * SECOND);
	for (size_t i = 0; i < 6; i++)
		ck_assert_uint_eq(stale[i]->returns, 1);
	ck_state(BREAKER_HALF_OPEN);
	ck_assert_uint_eq(probe->returns + waits->starts, 0);
	world_run_until(&world, world.now_us + 5 * SECOND);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(waits->starts, 1);
	finish();
}
END_TEST

START_TEST(half_open_those_that_wait_keep_their_clocks)
{
	struct pool_group_options options;
	struct fake_group bobs;
	struct fake_call *late, *gone;

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit(&killers, DEAD, 20 * SECOND, ITEM_OK);
	world_pump(&world);
	options = world_options(bob);
	options.deadline_us = world.now_us + SECOND;
	world_group(&world, &bobs, options);
	late = submit(&bobs, DEAD, MS, ITEM_OK);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_int_eq(late->call.sched.end, CALL_END_QUEUE_TIMEOUT);
	world_close(&world, &bobs);
	world_group(&world, &bobs, world_options(bob));
	gone = submit(&bobs, DEAD, MS, ITEM_OK);
	world_cancel(&world, &bobs, POOL_CLIENT_GONE);
	world_pump(&world);
	ck_assert_int_eq(gone->call.sched.end, CALL_END_CLIENT_GONE);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(half_open_the_rate_counts_too)
{
	struct fake_call *first, *second;

	begin(1000);
	dead->bucket.rate = 0.01;
	submit_failing(&killers, 1, MS);
	reload(&(struct breaker_rule){1, 30 * SECOND, 30 * SECOND});
	world_run(&world);
	ck_state(BREAKER_OPEN);
	wait_until_half_open();
	first = submit(&killers, DEAD, MS, ITEM_OK);
	second = submit(&killers, DEAD, MS, ITEM_OK);
	world_run_until(&world, 1000 * SECOND + 100 * SECOND - 1);
	ck_assert_uint_eq(first->starts, 0); /* no token */
	ck_state(BREAKER_HALF_OPEN);
	world_run_until(&world, world.now_us + 100);
	ck_assert_uint_eq(first->starts, 1);
	world_run_until(&world, world.now_us + SECOND);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(second->starts, 0);
	world_run_until(&world, 1000 * SECOND + 200 * SECOND + 100);
	ck_assert_uint_eq(second->starts, 1);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_breaker_half_open");
	TCase *tcase = tcase_create("breaker_half_open");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, half_open_one_call_starts_and_its_success_lets_all_go);
	tcase_add_test(tcase, half_open_a_failure_ends_all_and_it_stays_open_longer_each_time);
	tcase_add_test(tcase, half_open_a_call_that_says_nothing_makes_way_for_the_next);
	tcase_add_test(tcase, half_open_a_cancelled_batch_makes_way_for_anothers_call);
	tcase_add_loop_test(
		tcase, half_open_the_turn_kept_for_a_batch_that_is_cancelled_goes_to_another, 0, 2);
	tcase_add_test(tcase, half_open_what_was_begun_before_it_opened_decides_nothing);
	tcase_add_test(tcase, half_open_those_that_wait_keep_their_clocks);
	tcase_add_test(tcase, half_open_the_rate_counts_too);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
