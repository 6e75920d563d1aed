/* test_sched.c - a call's life in the scheduler: bounds, clocks, retries, hops, cancelling, open
 * groups. */
#include "tests/unit/pool/one_group.h"

START_TEST(a_group_never_has_more_in_flight_than_its_concurrency)
{
	struct pool_group_options options = world_options(NULL);

	options.concurrency = 10;
	begin_with(100, options);
	world_submit_many(&world, &group, "http://a:80", 100, 100 * MS);
	world_run(&world); /* the world fails where a bound is passed */
	ck_assert_uint_eq(world.most_flying, 10);
	ck_assert_uint_eq(world.now_us, 1001 * SECOND);
	finish();
}
END_TEST

START_TEST(an_upstream_never_has_more_in_flight_than_its_bound_over_all_groups)
{
	struct fake_group other;

	begin();
	world_origin(&world, "http://a:80")->limit = 7;
	world_group(&world, &other, world_options(ann));
	world_submit_many(&world, &group, "http://a:80", 50, 10 * MS);
	world_submit_many(&world, &other, "http://a:80", 50, 10 * MS);
	world_run(&world);
	ck_assert_uint_eq(world.most_flying, 7);
	world_close(&world, &other);
	finish();
}
END_TEST

START_TEST(the_pool_never_has_more_in_flight_than_its_bound)
{
	begin_with(13, world_options(NULL));
	world_submit_many(&world, &group, "http://a:80", 50, 10 * MS);
	world_submit_many(&world, &group, "http://b:80", 50, 10 * MS);
	world_run(&world);
	ck_assert_uint_eq(world.most_flying, 13);
	finish();
}
END_TEST

START_TEST(a_reload_moves_the_bounds_without_touching_what_is_in_flight)
{
	struct fake_origin *a;

	begin();
	a = world_origin(&world, "http://a:80");
	a->limit = 2;
	world_submit_many(&world, &group, "http://a:80", 20, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(a->flying, 2);
	a->limit = 6;
	sched_set_bounds(world.sched, 100, 100000, world.now_us);
	world_pump(&world); /* no call has come back, none was submitted */
	ck_assert_uint_eq(a->flying, 6);
	a->limit = 1;
	sched_set_bounds(world.sched, 100, 100000, world.now_us);
	world_run_until(&world, world.now_us + 15 * MS);
	ck_assert_uint_eq(a->flying, 1);
	a->limit = 100;
	world.max_in_flight = 3;
	sched_set_bounds(world.sched, 3, 100000, world.now_us);
	world_pump(&world);
	ck_assert_uint_eq(world.flying, 3);
	finish();
}
END_TEST

START_TEST(calls_in_flight_are_counted_under_the_rule_of_their_upstream)
{
	struct upstream_rule_stats stats[FAKE_RULE + 1] = {0};

	begin();
	world_submit_many(&world, &group, "http://a:80", 3, 10 * MS);
	world_submit_many(&world, &group, "http://b:80", 2, 10 * MS);
	world_pump(&world);
	sched_rule_stats(
		world.sched, world.now_us, stats, FAKE_RULE); /* a configuration with fewer rules */
	ck_assert_uint_eq(stats[0].in_flight, 0);
	sched_rule_stats(world.sched, world.now_us, stats, FAKE_RULE + 1);
	ck_assert_uint_eq(stats[FAKE_RULE].in_flight, 5);
	ck_assert_uint_eq(stats[0].in_flight, 0);
	finish();
}
END_TEST

START_TEST(an_items_clock_starts_when_it_leaves_the_queue)
{
	struct fake_call *second;

	begin_with(1, world_options(NULL));
	world_submit_one(&world, &group, "http://a:80", 5 * SECOND);
	second = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	second->call.request.timeout_us = SECOND;
	world_run(&world);
	ck_assert_uint_eq(second->call.submitted_us, 1000 * SECOND);
	ck_assert_uint_eq(second->call.started_us, 1005 * SECOND);
	ck_assert_uint_eq(second->call.deadline_us, 1006 * SECOND);
	finish();
}
END_TEST

START_TEST(the_batchs_clock_cuts_the_items)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call *fake;

	options.deadline_us = 1003 * SECOND;
	begin_with(1, options);
	fake = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(fake->call.deadline_us, 1003 * SECOND);
	finish();
}
END_TEST

START_TEST(what_is_queued_when_the_batchs_clock_runs_out_ends_as_queue_timeout)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call **fakes, *late;

	options.deadline_us = 1000 * SECOND + 25 * MS;
	begin_with(1, options);
	fakes = world_submit_many(&world, &group, "http://a:80", 5, 10 * MS);
	world_run(&world);
	for (size_t i = 0; i < 5; i++)
		check_end(fakes[i], i < 3 ? ITEM_OK : ITEM_TIMEOUT,
			i < 3 ? REASON_NONE : REASON_QUEUE);
	ck_assert_uint_eq(fakes[4]->returned_us, options.deadline_us);
	late = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	world_run(&world);
	check_end(late, ITEM_TIMEOUT, REASON_QUEUE);
	finish();
}
END_TEST

START_TEST(what_waits_for_an_upstream_when_the_batchs_clock_runs_out_ends_as_queue_timeout)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_group other;
	struct fake_call *waits, *after;

	options.deadline_us = 1000 * SECOND + 25 * MS;
	begin_with(10, options);
	world_origin(&world, "http://a:80")->limit = 1;
	world_group(&world, &other, world_options(ann));
	world_submit_one(&world, &other, "http://a:80", 60 * MS);
	world_pump(&world);
	waits = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	world_pump(&world);
	after = world_submit_one(&world, &other, "http://a:80", 10 * MS);
	world_run(&world);
	check_end(waits, ITEM_TIMEOUT, REASON_QUEUE);
	ck_assert_uint_eq(after->begun_us, 1000 * SECOND + 60 * MS);
	world_close(&world, &other);
	finish();
}
END_TEST

START_TEST(what_waits_for_a_retry_when_the_batchs_clock_runs_out_ends_as_retry_wait_timeout)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call *waits, *queued;

	options.deadline_us = 1000 * SECOND + 25 * MS;
	begin_with(2, options);
	waits = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	retry_after(waits, SECOND);
	world_submit_one(&world, &group, "http://b:80", 40 * MS); /* the pool stays full */
	queued = world_submit_one(&world, &group, "http://c:80", 5 * MS);
	retry_after(queued, 0);
	world_submit_one(&world, &group, "http://b:80", 60 * MS);
	world_run(&world);
	check_end(waits, ITEM_TIMEOUT, REASON_RETRY_WAIT);
	check_end(queued, ITEM_TIMEOUT, REASON_RETRY_WAIT);
	finish();
}
END_TEST

START_TEST(a_retried_call_that_finds_no_slot_before_its_own_clock_ends_as_retry_wait_timeout)
{
	struct fake_call *fake;

	begin_with(1, world_options(NULL));
	fake = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	fake->call.request.timeout_us = 50 * MS;
	retry_after(fake, 20 * MS);
	world_submit_one(&world, &group, "http://b:80", SECOND);
	world_run(&world);
	check_end(fake, ITEM_TIMEOUT, REASON_RETRY_WAIT);
	ck_assert_uint_eq(fake->returned_us, 1000 * SECOND + 50 * MS);
	finish();
}
END_TEST

START_TEST(a_waiting_retry_holds_no_slot)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call *fake, *other;

	options.concurrency = 1;
	begin_with(1, options);
	world_origin(&world, "http://a:80")->limit = 1;
	fake = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	retry_after(fake, 100 * MS);
	other = world_submit_one(&world, &group, "http://a:80", 80 * MS);
	world_run_until(&world, world.now_us + 10 * MS);
	ck_assert_ptr_nonnull(other->flies_to);
	ck_assert_uint_eq(world_stats(&world).queued, 1);
	world_run(&world);
	ck_assert_uint_eq(fake->returned_us, 1000 * SECOND + 120 * MS);
	check_end(fake, ITEM_OK, REASON_NONE);
	finish();
}
END_TEST

START_TEST(a_hop_to_another_origin_takes_a_slot_there)
{
	struct fake_call *fake;
	struct fake_origin *b;

	begin();
	b = world_origin(&world, "http://b:80");
	b->limit = 1;
	world_submit_one(&world, &group, "http://b:80", 50 * MS);
	fake = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	retry_after(fake, 0);
	fake->steps[0].hop = b;
	world_run_until(&world, world.now_us + 20 * MS);
	ck_assert_uint_eq(b->flying, 1);
	ck_assert_ptr_null(fake->flies_to); /* waits for the other one */
	ck_assert_uint_eq(world_origin(&world, "http://a:80")->flying, 0);
	ck_assert_uint_eq(world_stats(&world).upstreams, 1); /* nothing refers to a any more */
	world_run_until(&world, world.now_us + 35 * MS);
	ck_assert_ptr_eq(fake->flies_to, b);
	finish();
}
END_TEST

START_TEST(a_hop_without_memory_ends_as_overloaded)
{
	struct fake_call *fake;

	begin();
	fake = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	retry_after(fake, 0);
	fake->steps[0].hop = world_origin(&world, "http://b:80");
	world_pump(&world);
	mem_fail_at(1);
	world_run(&world);
	mem_fail_at(0);
	check_end(fake, ITEM_OVERLOADED, REASON_NONE);
	finish();
}
END_TEST

START_TEST(an_open_group_takes_calls_after_its_first_ones_are_over)
{
	begin();
	world_submit_many(&world, &group, "http://a:80", 3, 10 * MS);
	world_run(&world);
	ck_assert_uint_eq(world_stats(&world).groups, 1);
	ck_assert_uint_eq(world_stats(&world).upstreams, 0);
	world_submit_many(&world, &group, "http://a:80", 3, 10 * MS);
	world_run(&world);
	world_close(&world, &group);
	ck_assert_uint_eq(world_stats(&world).groups, 0);
	finish();
}
END_TEST

START_TEST(a_group_closed_before_its_last_call_ends_with_it)
{
	begin();
	world_submit_many(&world, &group, "http://a:80", 3, 10 * MS);
	world_close(&world, &group);
	ck_assert_uint_eq(world_stats(&world).groups, 1);
	world_run(&world);
	ck_assert_uint_eq(world_stats(&world).groups + world_stats(&world).callers, 0);
	finish();
}
END_TEST

/* Room was promised to a run that cannot use it after all: the next one gets it, without any other
 * event. */
START_TEST(room_promised_to_a_cancelled_run_goes_to_the_next_waiter)
{
	struct fake_group first, second, holder;
	struct fake_call *held, *waits;

	begin_with(10, world_options(NULL));
	world_origin(&world, "http://a:80")->limit = 1;
	world_group(&world, &holder, world_options(ann));
	world_group(&world, &first, world_options(ann));
	world_group(&world, &second, world_options(ann));
	held = world_submit_one(&world, &holder, "http://a:80", 10 * MS);
	world_pump(&world);
	world_submit_one(&world, &first, "http://a:80", 10 * MS);
	world_pump(&world);
	waits = world_submit_one(&world, &second, "http://a:80", 10 * MS);
	world_pump(&world);
	world_land(&world, held);
	world_cancel(&world, &first, POOL_CLIENT_GONE); /* before anybody picked */
	world_pump(&world);
	ck_assert_ptr_nonnull(waits->flies_to);
	world_close(&world, &holder);
	world_close(&world, &first);
	world_close(&world, &second);
	finish();
}
END_TEST

/* Two upstreams get room for a group that may use one of them only. */
START_TEST(room_promised_to_a_group_that_got_blocked_goes_to_the_next_waiter)
{
	struct pool_group_options one = world_options(NULL);
	struct fake_group first, second;
	struct fake_call *at_a, *at_b;

	begin_with(10, world_options(NULL));
	world_origin(&world, "http://a:80")->limit = 1;
	world_origin(&world, "http://b:80")->limit = 1;
	one.caller = ann;
	one.concurrency = 1;
	world_group(&world, &first, one);
	world_group(&world, &second, world_options(ann));
	at_a = world_submit_one(&world, &group, "http://a:80", CLOCK_NEVER);
	at_b = world_submit_one(&world, &group, "http://b:80", CLOCK_NEVER);
	world_pump(&world);
	world_submit_one(&world, &first, "http://a:80", SECOND);
	world_submit_one(&world, &first, "http://b:80", SECOND);
	world_pump(&world);
	world_submit_one(&world, &second, "http://a:80", SECOND);
	world_submit_one(&world, &second, "http://b:80", SECOND);
	world_pump(&world);
	world_land(&world, at_a);
	world_land(&world, at_b);
	world_pump(&world);
	ck_assert_uint_eq(first.flying, 1);
	ck_assert_uint_eq(second.flying, 1);
	world_close(&world, &first);
	world_close(&world, &second);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched");
	TCase *tcase = tcase_create("life");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_group_never_has_more_in_flight_than_its_concurrency);
	tcase_add_test(tcase, an_upstream_never_has_more_in_flight_than_its_bound_over_all_groups);
	tcase_add_test(tcase, the_pool_never_has_more_in_flight_than_its_bound);
	tcase_add_test(tcase, a_reload_moves_the_bounds_without_touching_what_is_in_flight);
	tcase_add_test(tcase, calls_in_flight_are_counted_under_the_rule_of_their_upstream);
	tcase_add_test(tcase, an_items_clock_starts_when_it_leaves_the_queue);
	tcase_add_test(tcase, the_batchs_clock_cuts_the_items);
	tcase_add_test(tcase, what_is_queued_when_the_batchs_clock_runs_out_ends_as_queue_timeout);
	tcase_add_test(tcase,
		what_waits_for_an_upstream_when_the_batchs_clock_runs_out_ends_as_queue_timeout);
	tcase_add_test(tcase,
		what_waits_for_a_retry_when_the_batchs_clock_runs_out_ends_as_retry_wait_timeout);
	tcase_add_test(tcase,
		a_retried_call_that_finds_no_slot_before_its_own_clock_ends_as_retry_wait_timeout);
	tcase_add_test(tcase, a_waiting_retry_holds_no_slot);
	tcase_add_test(tcase, a_hop_to_another_origin_takes_a_slot_there);
	tcase_add_test(tcase, a_hop_without_memory_ends_as_overloaded);
	tcase_add_test(tcase, an_open_group_takes_calls_after_its_first_ones_are_over);
	tcase_add_test(tcase, a_group_closed_before_its_last_call_ends_with_it);
	tcase_add_test(tcase, room_promised_to_a_cancelled_run_goes_to_the_next_waiter);
	tcase_add_test(tcase, room_promised_to_a_group_that_got_blocked_goes_to_the_next_waiter);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
