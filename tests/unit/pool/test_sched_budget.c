/* test_sched_budget.c - an upstream's retry budget holds over all batches and callers; what waits
 * for it holds nothing and goes on by itself. */
#include "tests/unit/pool/upstream_world.h"

static void submit_many_retried(struct fake_group *group, size_t count, uint64_t takes_us)
{
	for (size_t i = 0; i < count; i++)
		submit_retried(group, 0, takes_us);
}

static const struct {
	unsigned percent;
	size_t fresh;   /* in flight, of others, and staying there */
	size_t retries; /* that want to start */
	size_t go;      /* so many at once */
} budgets[] = {
	{20, 0, 2, 2},
	{20, 0, 10, 3}, /* three at least */
	{20, 10, 10, 3},
	{20, 17, 10, 4},   /* 17 and three make twenty */
	{20, 100, 50, 24}, /* the retries themselves are in flight too */
	{50, 100, 200, 99},
	{1, 100, 10, 3},
	{100, 0, 50, 3},  /* nothing else goes on: not one more than it began with */
	{100, 2, 50, 50}, /* each that starts makes room for another */
	{0, 0, 50, 50},   /* no budget */
	{0, 100, 50, 50},
};

START_TEST(so_many_retries_start_beside_what_is_in_flight)
{
	begin(0, budgets[_i].percent);
	here->limit = 1000;
	world_submit_many(&world, &bobs, HERE, budgets[_i].fresh, 100 * SECOND);
	submit_many_retried(&anns, budgets[_i].retries, 10 * SECOND);
	world_run_until(
		&world, world.now_us + 2 * MS); /* the world fails where they are too many */
	ck_assert_uint_eq(anns.flying, budgets[_i].go);
	ck_assert_uint_eq(world_info(&world, HERE).queued, budgets[_i].retries - budgets[_i].go);
	ck_assert_uint_eq(world_info(&world, HERE).waiting, 0);
	if (budgets[_i].percent)
		ck_assert_uint_eq(world_info(&world, HERE).retries_in_flight, budgets[_i].go);
	finish();
}
END_TEST

START_TEST(retries_beyond_the_share_go_on_as_others_land)
{
	begin(0, 20);
	submit_many_retried(&anns, 12, 10 * MS);
	world_run_until(&world, world.now_us + MS);
	for (size_t i = 1; i <= 4; i++) {
		ck_assert_uint_eq(anns.flying, 3);
		world_run_until(&world, world.now_us + 10 * MS - 1);
		ck_assert_uint_eq(anns.returned, 3 * (i - 1));
		world_run_until(&world, world.now_us + 1);
		ck_assert_uint_eq(anns.returned, 3 * i);
	}
	finish();
}
END_TEST

START_TEST(more_that_starts_makes_room_for_retries_that_wait)
{
	begin(0, 20);
	submit_many_retried(&anns, 10, 10 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(here->retries_flying, 3);
	world_submit_many(&world, &bobs, HERE, 41, 5 * SECOND);
	world_pump(&world);
	ck_assert_uint_eq(here->retries_flying, 10);
	world_run_until(&world, world.now_us + 20 * SECOND);
	ck_assert_uint_eq(world.returned, 51);
	finish();
}
END_TEST

START_TEST(a_share_that_shrinks_lets_no_more_start_until_it_fits)
{
	begin(0, 20);
	world_submit_many(&world, &bobs, HERE, 50, 100 * MS);
	submit_many_retried(&anns, 30, SECOND);
	world_run_until(&world, world.now_us + 50 * MS);
	ck_assert_uint_eq(here->retries_flying, 12);
	world_run_until(&world, world.now_us + 900 * MS); /* the fresh ones have landed */
	ck_assert_uint_eq(here->retries_flying, 12);
	world_run_until(&world, world.now_us + 100 * MS); /* and the first twelve */
	ck_assert_uint_eq(here->retries_flying, 3);
	finish();
}
END_TEST

START_TEST(fresh_calls_overtake_retries_that_wait_for_the_budget)
{
	struct fake_call **fresh;

	begin(0, 20);
	submit_many_retried(&anns, 10, 10 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	fresh = world_submit_many(&world, &anns, HERE, 10, MS); /* of the same batch */
	world_pump(&world);
	for (size_t i = 0; i < 10; i++)
		ck_assert_uint_eq(fresh[i]->starts, 1);
	finish();
}
END_TEST

START_TEST(a_retry_that_waits_for_the_budget_keeps_to_its_own_clock)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call *retried, *stopped;

	begin(0, 20);
	submit_many_retried(&anns, 3, 100 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	options = world_options(bob);
	options.stop_on_error = true;
	options.concurrency = 1;
	world_group(&world, &group, options);
	retried = make_retried(10 * MS, MS);
	retried->call.request.timeout_us = 2 * SECOND;
	MUST(world_submit(&world, &group, &retried, 1) == ERR_OK);
	world_run_until(&world, world.now_us + 2 * SECOND - 1);
	ck_assert_uint_eq(retried->returns, 0);
	world_window(&world, &group, 1);
	stopped = world_submit_one(&world, &group, THERE, MS);
	world_run_until(&world, world.now_us + 1);
	ck_assert_int_eq(retried->call.sched.end, CALL_END_RETRY_WAIT_TIMEOUT);
	ck_assert_int_eq(retried->call.outcome.code, ITEM_TIMEOUT);
	ck_assert_uint_eq(retried->starts, 1);
	ck_assert_int_eq(stopped->call.sched.end, CALL_END_STOP_ON_ERROR);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(at_the_batchs_clock_a_retry_that_waits_for_the_budget_ends_as_one_that_waited)
{
	struct pool_group_options options;
	struct fake_group group;

	begin(0, 20);
	submit_many_retried(&anns, 3, 100 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	options = world_options(bob);
	options.deadline_us = world.now_us + SECOND;
	world_group(&world, &group, options);
	for (size_t i = 0; i < 5; i++)
		submit_retried(&group, i * MS, MS);
	world_run_until(&world, world.now_us + SECOND);
	for (size_t i = 3; i < 8; i++)
		ck_assert_int_eq(world.calls[i]->call.sched.end, CALL_END_RETRY_WAIT_TIMEOUT);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(redirects_are_no_retries)
{
	begin(0, 20);
	for (size_t i = 0; i < 20; i++) {
		struct fake_call *call = world_call(&world, THERE);

		call->steps[0] = (struct fake_step){
			.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .hop = here};
		call->steps[1] = (struct fake_step){.takes_us = SECOND};
		call->step_count = 2;
		MUST(world_submit(&world, &anns, &call, 1) == ERR_OK);
	}
	world_run_until(&world, world.now_us + MS);
	ck_assert_uint_eq(here->flying, 20);
	ck_assert_uint_eq(world_info(&world, HERE).retries_in_flight, 0);
	finish();
}
END_TEST

START_TEST(retries_at_another_upstream_have_no_part_in_it)
{
	struct fake_call *calls[20];

	begin(0, 20);
	for (size_t i = 0; i < 20; i++) {
		calls[i] = world_call(&world, i % 2 ? THERE : HERE);
		calls[i]->steps[0] = make_retried(0, SECOND)->steps[0];
		calls[i]->steps[1] = (struct fake_step){.takes_us = SECOND};
		calls[i]->step_count = 2;
	}
	MUST(world_submit(&world, &anns, calls, 20) == ERR_OK);
	world_run_until(&world, world.now_us + 2 * MS);
	ck_assert_uint_eq(here->flying, 3);
	ck_assert_uint_eq(world_origin(&world, THERE)->flying, 10);
	finish();
}
END_TEST

START_TEST(callers_take_turns_at_the_budget)
{
	struct fake_call *bobs_own;

	begin(0, 20);
	submit_many_retried(&anns, 100, 10 * MS);
	world_run_until(&world, world.now_us + 2 * MS);
	bobs_own = submit_retried(&bobs, 0, 10 * MS);
	world_run_until(&world, world.now_us + 30 * MS);
	ck_assert_uint_eq(bobs_own->returns, 1);
	ck_assert_uint_le(anns.returned, 9);
	finish();
}
END_TEST

static void run_with_endpoint(struct fake_group *chats, unsigned limit)
{
	struct pool_group_options options;

	world_bound(&world, world_endpoint(&world, "chat"), limit, 0);
	options = world_options(ann);
	options.endpoint = "chat";
	world_group(&world, chats, options);
}

START_TEST(a_retry_that_waits_for_the_budget_holds_no_slot_of_its_endpoint)
{
	struct fake_group chats;
	struct fake_call **fresh;

	begin(0, 20);
	run_with_endpoint(&chats, 5);
	submit_many_retried(&chats, 20, 10 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(chats.flying, 3);
	fresh = world_submit_many(&world, &chats, THERE, 4, SECOND);
	world_pump(&world);
	ck_assert_uint_eq(chats.flying, 5); /* both of what is left */
	ck_assert_uint_eq(fresh[0]->starts + fresh[1]->starts, 2);
	world_run_until(&world, world.now_us + 3 * SECOND);
	ck_assert_uint_eq(fresh[3]->returns, 1);
	world_close(&world, &chats);
	finish();
}
END_TEST

START_TEST(a_retry_that_waits_for_its_endpoint_holds_no_part_of_the_budget)
{
	struct fake_group chats;

	begin(0, 20);
	run_with_endpoint(&chats, 4);
	submit_many_retried(&chats, 4, 10 * SECOND);
	world_run_until(&world, world.now_us + MS - 1);
	world_submit_many(&world, &chats, THERE, 4, 10 * SECOND);
	world_run_until(&world, world.now_us + 2); /* these came first */
	submit_many_retried(&bobs, 10, SECOND);
	world_run_until(&world, world.now_us + 2 * MS);
	ck_assert_uint_eq(here->retries_flying, 3);
	ck_assert_uint_eq(chats.flying, 4);
	world_run_until(&world, world.now_us + 100 * SECOND);
	ck_assert_uint_eq(world.returned, 18);
	world_close(&world, &chats);
	finish();
}
END_TEST

/* Slots, a rate, an endpoint and a budget at once, and nothing but retries in the end: the world
 * fails where a bound is passed, and where something is stuck. */
START_TEST(nothing_is_stuck_where_all_bounds_meet)
{
	struct fake_group chats;
	unsigned slots = 1 + (unsigned)_i % 5, limit = 1 + (unsigned)_i % 7;

	begin(_i % 3 ? 200 : 0, _i % 4 ? 20 : 90);
	here->limit = slots;
	run_with_endpoint(&chats, limit);
	for (size_t i = 0; i < 60; i++) {
		struct fake_group *group = i % 3 == 0 ? &anns : i % 3 == 1 ? &bobs : &chats;
		struct fake_call *call = make_retried(i % 7 * MS, i % 11 * MS);

		for (size_t step = 1; step < i % FAKE_STEPS_MAX; step++) {
			call->steps[step] = call->steps[0];
			call->step_count = step + 2 < FAKE_STEPS_MAX ? step + 2 : FAKE_STEPS_MAX;
		}
		call->steps[call->step_count - 1] = (struct fake_step){.takes_us = MS};
		call->call.request.timeout_us = 1000 * SECOND;
		MUST(world_submit(&world, group, &call, 1) == ERR_OK);
	}
	world_run(&world);
	for (size_t i = 0; i < 60; i++)
		ck_assert_int_eq(world.calls[i]->call.outcome.code, ITEM_OK);
	world_close(&world, &chats);
	finish();
}
END_TEST

START_TEST(a_reload_of_the_budget_counts_for_those_that_wait)
{
	begin(0, 20);
	submit_many_retried(&anns, 50, 10 * SECOND);
	world_submit_many(&world, &bobs, HERE, 17, 100 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(here->retries_flying, 4);
	here->retry_percent = 50;
	world_reload(&world);
	world_pump(&world);
	ck_assert_uint_eq(here->retries_flying, 16);
	here->retry_percent = 10;
	world_reload(&world);
	world_pump(&world);
	ck_assert_uint_eq(here->retries_flying, 16); /* what is in flight stays */
	here->retry_percent = 0;
	world_reload(&world);
	world_pump(&world);
	ck_assert_uint_eq(here->retries_flying, 50);
	finish();
}
END_TEST

START_TEST(without_memory_a_retry_that_needs_a_place_ends_and_the_rest_goes_on)
{
	unsigned long n = 0;
	struct fake_call *retried;

	begin(0, 20);
	do {
		retried = submit_retried(&anns, 0, MS);
		world_pump(&world);
		mem_fail_at(++n);
		world_land(&world, retried);
		mem_fail_at(0);
		world_run(&world);
		if (retried->call.sched.end != CALL_END_NONE) {
			ck_assert_int_eq(retried->call.sched.end, CALL_END_NO_MEMORY);
			ck_assert_int_eq(retried->call.outcome.code, ITEM_OVERLOADED);
		}
	} while (retried->call.sched.end != CALL_END_NONE);
	ck_assert_uint_gt(n, 3); /* queue, turn, run */
	finish();
}
END_TEST

/* Every allocation that a submission to three upstreams needs fails once. */
START_TEST(without_memory_nothing_of_a_submission_is_taken)
{
	struct fake_group chats;
	unsigned long n = 0;
	enum err_code code;

	begin(5, 20);
	here->rule = (struct breaker_rule){5, SECOND, SECOND};
	run_with_endpoint(&chats, 3);
	do {
		struct fake_call *calls[4] = {world_call(&world, HERE),
			world_call(&world, "http://1:80"), world_call(&world, HERE),
			world_call(&world, "http://2:80")};

		mem_fail_at(++n);
		code = world_submit(&world, &chats, calls, 4);
		ck_assert(code == ERR_OK || (code == ERR_NOMEM && mem_failed()));
		mem_fail_at(0);
		ck_assert_uint_eq(world_stats(&world).queued, code == ERR_OK ? 4 : 0);
		ck_assert_uint_eq(world_stats(&world).upstreams, code == ERR_OK ? 3 : 0);
	} while (code != ERR_OK && n < 100);
	ck_assert_uint_eq(world_info(&world, HERE).queued, 2);
	ck_assert_uint_gt(n, 3 * 3); /* each a queue, its turn, a run; the upstreams stay known */
	world_close(&world, &chats);
	finish();
}
END_TEST

/* Starting, failing and retrying cost the same, however many wait: the world would take hours
 * otherwise. */
START_TEST(tens_of_thousands_may_wait_for_the_rate_and_the_budget)
{
	enum { CALLS = 30000 };

	begin(1000, 20);
	world.checks = false;
	for (size_t i = 0; i < CALLS; i++) {
		struct fake_call *call = make_retried(i % 3 * MS, MS);

		call->call.request.timeout_us = 10000 * SECOND;
		MUST(world_submit(&world, i % 2 ? &anns : &bobs, &call, 1) == ERR_OK);
	}
	world_run(&world);
	ck_assert_uint_eq(world.start_count, 2 * CALLS);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_budget");
	TCase *tcase = tcase_create("budget");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, so_many_retries_start_beside_what_is_in_flight, 0,
		sizeof budgets / sizeof *budgets);
	tcase_add_test(tcase, retries_beyond_the_share_go_on_as_others_land);
	tcase_add_test(tcase, more_that_starts_makes_room_for_retries_that_wait);
	tcase_add_test(tcase, a_share_that_shrinks_lets_no_more_start_until_it_fits);
	tcase_add_test(tcase, fresh_calls_overtake_retries_that_wait_for_the_budget);
	tcase_add_test(tcase, a_retry_that_waits_for_the_budget_keeps_to_its_own_clock);
	tcase_add_test(tcase,
		at_the_batchs_clock_a_retry_that_waits_for_the_budget_ends_as_one_that_waited);
	tcase_add_test(tcase, redirects_are_no_retries);
	tcase_add_test(tcase, retries_at_another_upstream_have_no_part_in_it);
	tcase_add_test(tcase, callers_take_turns_at_the_budget);
	tcase_add_test(tcase, a_retry_that_waits_for_the_budget_holds_no_slot_of_its_endpoint);
	tcase_add_test(tcase, a_retry_that_waits_for_its_endpoint_holds_no_part_of_the_budget);
	tcase_add_loop_test(tcase, nothing_is_stuck_where_all_bounds_meet, 0, 140);
	tcase_add_test(tcase, a_reload_of_the_budget_counts_for_those_that_wait);
	tcase_add_test(tcase, without_memory_a_retry_that_needs_a_place_ends_and_the_rest_goes_on);
	tcase_add_test(tcase, without_memory_nothing_of_a_submission_is_taken);
	tcase_add_test(tcase, tens_of_thousands_may_wait_for_the_rate_and_the_budget);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
