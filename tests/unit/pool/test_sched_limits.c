/* test_sched_limits.c - what is let in and how fast: all-or-none admission, shares of the queue,
 * memory, rate limits. */
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

static struct fake_world world;
static struct caller *ann, *bob;

static void begin(size_t max_in_flight, size_t queue_limit)
{
	world_init(&world, max_in_flight, queue_limit);
	ann = world_caller("ann");
	bob = world_caller("bob");
}

static void finish(void)
{
	world_run(&world);
	world_free(&world);
	caller_unref(ann);
	caller_unref(bob);
}

static enum err_code try_many(struct fake_group *group, size_t count)
{
	struct fake_call *fakes[200];

	for (size_t i = 0; i < count; i++)
		fakes[i] = world_call(&world, "http://a:80");
	return world_submit(&world, group, fakes, count);
}

START_TEST(a_submission_that_does_not_fit_is_refused_as_a_whole)
{
	struct fake_group group;

	begin(1, 100);
	world_group(&world, &group, world_options(ann));
	ck_assert_int_eq(try_many(&group, 101), ERR_BUSY);
	ck_assert_int_eq(try_many(&group, 90), ERR_OK);
	ck_assert_int_eq(try_many(&group, 11), ERR_BUSY);
	ck_assert_uint_eq(world_stats(&world).queued, 90);
	ck_assert_uint_eq(sched_room(world.sched), 10);
	ck_assert_int_eq(try_many(&group, 10), ERR_OK);
	ck_assert_uint_eq(sched_room(world.sched), 0);
	ck_assert_int_eq(try_many(&group, 0), ERR_OK);
	ck_assert_int_eq(try_many(&group, 1), ERR_BUSY);
	world_pump(&world); /* what is in flight is not in the queue */
	ck_assert_int_eq(try_many(&group, 1), ERR_OK);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(a_caller_may_not_hold_more_than_its_share_of_a_queue_that_others_wait_in)
{
	struct fake_group anns, bobs;

	begin(1, 100);
	world_group(&world, &anns, world_options(ann));
	world_group(&world, &bobs, world_options(bob));
	ck_assert_int_eq(try_many(&anns, 60), ERR_OK); /* alone: as much as there is */
	ck_assert_int_eq(try_many(&bobs, 30), ERR_OK);
	ck_assert_int_eq(try_many(&anns, 1), ERR_BUSY); /* has more than a half */
	ck_assert_int_eq(try_many(&bobs, 10), ERR_OK);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(who_keeps_the_queue_full_leaves_its_reserve_to_others)
{
	struct fake_group anns, bobs;

	begin(1, 100);
	sched_set_reserve(world.sched, 12);
	world_group(&world, &anns, world_options(ann));
	world_group(&world, &bobs, world_options(bob));
	ck_assert_int_eq(try_many(&anns, 80), ERR_OK);
	ck_assert_int_eq(try_many(&anns, 9), ERR_BUSY);
	ck_assert_int_eq(try_many(&anns, 8), ERR_OK);
	ck_assert_int_eq(try_many(&anns, 1), ERR_BUSY);
	ck_assert_int_eq(try_many(&bobs, 8), ERR_OK);
	ck_assert_int_eq(try_many(&bobs, 4), ERR_OK);   /* little, though not the first */
	ck_assert_int_eq(try_many(&bobs, 1), ERR_BUSY); /* the queue is full */
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(a_batch_as_large_as_the_queue_fits_an_empty_one_for_all_its_reserve)
{
	struct fake_group anns;

	begin(1, 100);
	sched_set_reserve(world.sched, 12);
	world_group(&world, &anns, world_options(ann));
	ck_assert_int_eq(try_many(&anns, 101), ERR_BUSY);
	ck_assert_int_eq(try_many(&anns, 100), ERR_OK);
	world_close(&world, &anns);
	finish();
}
END_TEST

START_TEST(without_memory_nothing_of_a_submission_is_taken)
{
	struct fake_group group;
	unsigned long n = 0;
	enum err_code code;

	begin(1, 1000);
	world_group(&world, &group, world_options(ann));
	do {
		struct fake_call *fakes[200];
		char origin[24];

		for (size_t i = 0; i < 200; i++) {
			snprintf(origin, sizeof origin, "http://%zu:80", i % 40);
			fakes[i] = world_call(&world, origin);
		}
		mem_fail_at(++n);
		code = world_submit(&world, &group, fakes, 200); /* looks at every invariant */
		mem_fail_at(0);
		if (code != ERR_OK) {
			ck_assert_int_eq(code, ERR_NOMEM);
			ck_assert_uint_eq(
				world_stats(&world).queued + world_stats(&world).upstreams, 0);
		}
	} while (code != ERR_OK);
	ck_assert_uint_gt(
		n, 100); /* there is much that may fail: upstreams, runs, queues, timers */
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(without_memory_no_group_is_made)
{
	struct fake_group group;
	unsigned long n = 0;
	enum err_code code;

	begin(1, 100);
	do {
		mem_fail_at(++n);
		code = world_group_try(&world, &group, world_options(ann));
		mem_fail_at(0);
		if (code != ERR_OK) {
			ck_assert_int_eq(code, ERR_NOMEM);
			ck_assert_uint_eq(
				world_stats(&world).groups + world_stats(&world).callers, 0);
		}
	} while (code != ERR_OK);
	ck_assert_uint_gt(n, 2);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(without_memory_no_scheduler_is_made)
{
	struct sched_options options = {.max_in_flight = 1, .queue_limit = 1};
	struct sched *sched = NULL;
	unsigned long n = 0;
	enum err_code code;

	do {
		mem_fail_at(++n);
		code = sched_new(&options, &sched);
		mem_fail_at(0);
		ck_assert(code == ERR_OK || (code == ERR_NOMEM && !sched));
	} while (code != ERR_OK);
	ck_assert_uint_gt(n, 3);
	sched_destroy(sched);
	sched_destroy(NULL);
}
END_TEST

static struct pool_group_options with_rate(double rate_per_s)
{
	struct pool_group_options options = world_options(ann);

	options.rate_per_s = rate_per_s;
	return options;
}

START_TEST(a_rate_limit_starts_one_call_at_once_and_then_its_rate)
{
	struct fake_group group;

	begin(1000, 10000);
	world_group(&world, &group, with_rate(20));
	world_submit_many(&world, &group, "http://a:80", 100, MS);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 1);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(world.start_count,
		20); /* a token comes within a microsecond of its time, never before it */
	world_run_until(&world, world.now_us + 2 * SECOND + 100);
	ck_assert_uint_eq(world.start_count, 61);
	world_close(&world, &group);
	finish();
	ck_assert_uint_ge(world.now_us, 1004 * SECOND);
}
END_TEST

START_TEST(a_slow_rate_lets_one_call_start_at_once)
{
	struct fake_group group;
	struct fake_call **fakes;

	begin(1000, 10000);
	world_group(&world, &group, with_rate(1.0 / 3600));
	fakes = world_submit_many(&world, &group, "http://a:80", 3, MS);
	world_close(&world, &group);
	world_run(&world);
	ck_assert_uint_eq(fakes[0]->begun_us, 1000 * SECOND);
	ck_assert_uint_ge(fakes[1]->begun_us, 4600 * SECOND);
	ck_assert_uint_le(fakes[1]->begun_us, 4600 * SECOND + 10);
	ck_assert_uint_le(fakes[2]->begun_us, 8200 * SECOND + 20);
	finish();
}
END_TEST

/* Between a start and the next token there is one timer, and no event before it: nothing is polled.
 */
START_TEST(a_rate_limited_group_waits_for_one_timer)
{
	struct fake_group group;
	size_t steps = 0;

	begin(1000, 10000);
	world_group(&world, &group, with_rate(1));
	world_submit_many(&world, &group, "http://a:80", 10, MS);
	world_close(&world, &group);
	while (world.returned < world.submitted) {
		ck_assert(world_step(&world));
		steps++;
	}
	ck_assert_uint_le(steps, 20); /* each call: its token, its landing */
	finish();
}
END_TEST

START_TEST(an_idle_group_saves_no_more_than_one_second)
{
	struct fake_group group;

	begin(1000, 10000);
	world_group(&world, &group, with_rate(5));
	world_submit_many(&world, &group, "http://a:80", 5, MS);
	world_run(&world);
	world.now_us += 100 * SECOND;
	world_submit_many(&world, &group, "http://a:80", 50, MS);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 10);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(what_is_parked_on_a_rate_limit_when_the_batchs_clock_runs_out_ends_as_rate_limited)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call **fakes;

	begin(1000, 10000);
	options = with_rate(2);
	options.deadline_us = 1000 * SECOND + 1200 * MS;
	world_group(&world, &group, options);
	fakes = world_submit_many(&world, &group, "http://a:80", 6, MS);
	world_close(&world, &group);
	world_run(&world);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(fakes[i]->call.outcome.code, i < 3 ? ITEM_OK : ITEM_RATE_LIMITED);
	finish();
}
END_TEST

START_TEST(a_rate_limited_batch_does_not_hold_up_the_callers_others)
{
	struct fake_group limited, free_one;

	begin(1, 10000);
	world_group(&world, &limited, with_rate(1));
	world_group(&world, &free_one, world_options(ann));
	world_submit_many(&world, &limited, "http://a:80", 5, 10 * MS);
	world_submit_many(&world, &free_one, "http://a:80", 50, 10 * MS);
	world_run_until(&world, world.now_us + 520 * MS);
	ck_assert_uint_eq(free_one.returned, 50);
	world_close(&world, &limited);
	world_close(&world, &free_one);
	finish();
}
END_TEST

START_TEST(outside_the_window_nothing_starts_until_it_is_raised)
{
	struct fake_group narrow, wide;
	struct fake_call **calls;

	begin(100, 1000);
	world_group(&world, &narrow, world_options(ann));
	world_group(&world, &wide, world_options(ann));
	world_window(&world, &narrow, 3);
	calls = world_submit_many(&world, &narrow, "http://a:80", 5, 10 * MS);
	world_submit_many(&world, &narrow, "http://b:80", 5, 10 * MS);
	world_submit_many(&world, &wide, "http://a:80", 20, 10 * MS);
	world_run_until(&world, world.now_us + 100 * MS);
	ck_assert_uint_eq(narrow.returned, 3);
	ck_assert_uint_eq(wide.returned, 20);
	ck_assert_uint_eq(calls[2]->returns, 1);
	world_window(&world, &narrow, 6);
	world_run_until(&world, world.now_us + 100 * MS);
	ck_assert_uint_eq(narrow.returned, 6);
	world_window(&world, &narrow, 0);
	world_run_until(&world, world.now_us + 100 * MS);
	ck_assert_uint_eq(narrow.returned, 6);
	world_window(&world, &narrow, UINT64_MAX);
	world_run(&world);
	ck_assert_uint_eq(narrow.returned, 10);
	world_close(&world, &narrow);
	world_close(&world, &wide);
	finish();
}
END_TEST

START_TEST(what_has_begun_tries_again_although_the_window_has_closed)
{
	struct fake_group group;
	struct fake_call *call;

	begin(100, 1000);
	world_group(&world, &group, world_options(ann));
	call = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	call->steps[0] = (struct fake_step){.takes_us = 10 * MS,
		.code = ITEM_UPSTREAM_STATUS,
		.again = true,
		.wait_us = 50 * MS};
	call->steps[1] = (struct fake_step){.takes_us = 10 * MS};
	call->step_count = 2;
	world_submit_many(&world, &group, "http://a:80", 1, 10 * MS);
	world_window(&world, &group, 1);
	world_run_until(&world, world.now_us + 5 * MS);
	world_window(&world, &group, 0);
	world_run_until(&world, world.now_us + 100 * MS);
	ck_assert_uint_eq(call->starts, 2);
	ck_assert_uint_eq(group.returned, 1);
	world_cancel(&world, &group, POOL_CLIENT_GONE);
	world_close(&world, &group);
	finish();
	ck_assert_uint_eq(group.returned, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_limits");
	TCase *tcase = tcase_create("limits");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_submission_that_does_not_fit_is_refused_as_a_whole);
	tcase_add_test(
		tcase, a_caller_may_not_hold_more_than_its_share_of_a_queue_that_others_wait_in);
	tcase_add_test(tcase, who_keeps_the_queue_full_leaves_its_reserve_to_others);
	tcase_add_test(tcase, a_batch_as_large_as_the_queue_fits_an_empty_one_for_all_its_reserve);
	tcase_add_test(tcase, without_memory_nothing_of_a_submission_is_taken);
	tcase_add_test(tcase, without_memory_no_group_is_made);
	tcase_add_test(tcase, without_memory_no_scheduler_is_made);
	tcase_add_test(tcase, a_rate_limit_starts_one_call_at_once_and_then_its_rate);
	tcase_add_test(tcase, a_slow_rate_lets_one_call_start_at_once);
	tcase_add_test(tcase, a_rate_limited_group_waits_for_one_timer);
	tcase_add_test(tcase, an_idle_group_saves_no_more_than_one_second);
	tcase_add_test(tcase,
		what_is_parked_on_a_rate_limit_when_the_batchs_clock_runs_out_ends_as_rate_limited);
	tcase_add_test(tcase, a_rate_limited_batch_does_not_hold_up_the_callers_others);
	tcase_add_test(tcase, outside_the_window_nothing_starts_until_it_is_raised);
	tcase_add_test(tcase, what_has_begun_tries_again_although_the_window_has_closed);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
