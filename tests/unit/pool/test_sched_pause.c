/* test_sched_pause.c - an upstream that answers 429 with Retry-After keeps the calls of the caller
 * who was told so, there and until then, and nobody else's. */
#include "tests/unit/pool/pause_world.h"

START_TEST(only_that_callers_calls_to_that_upstream_wait)
{
	struct fake_group before, after;
	struct fake_call *waiting[4], *going[4];

	begin();
	here->limit = 2;
	world_group(&world, &before, world_options(ann));
	submit_throttled(&anns, 10 * MS, 5 * SECOND);
	world_submit_one(&world, &bobs, HERE, 10 * MS);
	world_pump(&world);
	waiting[0] = submit_one(&anns, HERE);
	waiting[1] = submit_one(&before, HERE);
	going[0] = submit_one(&bobs, HERE);
	going[1] = submit_one(&anns, THERE);
	world_run_until(&world, world.now_us + 20 * MS);
	world_group(&world, &after, world_options(ann));
	waiting[2] = submit_one(&after, HERE);
	waiting[3] = submit_one(&before, HERE);
	going[2] = submit_one(&after, THERE);
	going[3] = submit_one(&bobs, HERE);
	world_run_until(&world, START + 10 * MS + 5 * SECOND - 1);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(waiting[i]->starts + waiting[i]->returns, 0);
		ck_assert_uint_eq(going[i]->returns, 1);
		ck_assert_uint_lt(going[i]->returned_us, START + 30 * MS);
	}
	ck_assert_uint_eq(world_info(&world, HERE).paused, 1);
	ck_assert_uint_eq(world_info(&world, HERE).queued, 4);
	ck_assert_uint_eq(world_info(&world, HERE).counts.throttled, 1);
	world_run_until(&world, world.now_us + 1);
	ck_assert_uint_eq(here->flying, 2);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 0);
	world_run(&world);
	ck_assert_uint_eq(waiting[0]->begun_us, START + 10 * MS + 5 * SECOND);
	world_close(&world, &before);
	world_close(&world, &after);
	finish();
}
END_TEST

START_TEST(what_is_in_flight_goes_on_and_two_callers_wait_each_their_own_time)
{
	struct fake_call *flying, *first, *second;

	begin();
	flying = world_submit_one(&world, &anns, HERE, 2 * SECOND);
	pause_ann(5 * SECOND);
	submit_throttled(&bobs, MS, 3 * SECOND);
	world_run_until(&world, START + 2 * MS);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 2);
	first = submit_one(&anns, HERE);
	second = submit_one(&bobs, HERE);
	world_run(&world);
	ck_assert_int_eq(flying->call.outcome.code, ITEM_OK);
	ck_assert_uint_eq(first->begun_us, START + MS + 5 * SECOND);
	ck_assert_uint_eq(second->begun_us, START + 2 * MS + 3 * SECOND);
	finish();
}
END_TEST

/* They are not looked for: a short pause may come a thousand times a second. */
START_TEST(a_pause_of_less_than_a_second_ends_nobody_before_its_clock)
{
	struct fake_call *begun;

	begin();
	begun = world_call(&world, HERE);
	begun->step_count = 2;
	begun->steps[0] =
		(struct fake_step){.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true};
	begun->steps[1].takes_us = MS;
	begun->call.request.timeout_us = 300 * MS;
	here->limit = 2;
	MUST(world_submit(&world, &anns, &begun, 1) == ERR_OK);
	submit_throttled(&anns, 3 * MS, 999 * MS);
	world_pump(&world);
	world_submit_one(&world, &bobs, HERE, 10 * MS); /* takes its place */
	world_run_until(&world, START + 299 * MS);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 1);
	ck_assert_uint_eq(begun->returns, 0);
	world_run_until(&world, START + 300 * MS);
	ck_end(begun, CALL_END_RETRY_WAIT_TIMEOUT);
	finish();
}
END_TEST

static const struct {
	const char *what;
	uint64_t first_s, after_s, second_s; /* the second is asked for so long after the first */
	uint64_t begins_s;                   /* counted from the first */
} pairs[] = {
	{"a longer one extends it", 5, 1, 10, 11},
	{"a shorter one does not cut it", 10, 1, 2, 10},
	{"one that ends with it changes nothing", 10, 4, 6, 10},
	{"one that ends a second later counts", 10, 4, 7, 11},
	{"none at all does not cut it", 10, 1, 0, 10},
	{"one that comes later is one of its own", 5, 6, 5, 11},
	{"one that comes at its end goes on", 5, 5, 5, 10},
};

START_TEST(a_second_pause_counts_where_it_ends_later)
{
	struct fake_call *call;
	uint64_t after_us = pairs[_i].after_s * SECOND;

	begin();
	submit_throttled(&anns, MS, pairs[_i].first_s * SECOND);
	submit_throttled(&anns, MS + after_us, pairs[_i].second_s * SECOND);
	world_run_until(&world, START + MS);
	world_run_until(&world, START + MS + after_us - 1);
	world.now_us = START + MS + after_us;
	world_land(&world, world.calls[1]);
	call = submit_one(&anns, HERE);
	world_run(&world);
	ck_assert_msg(call->begun_us == START + MS + pairs[_i].begins_s * SECOND, "%s: %llu",
		pairs[_i].what, (unsigned long long)(call->begun_us - START));
	finish();
}
END_TEST

START_TEST(no_pause_is_longer_than_an_hour)
{
	uint64_t hour_us = 3600 * SECOND;
	struct fake_call *call;

	begin();
	pause_ann(_i ? UINT64_MAX : hour_us + SECOND);
	here->pauses[0].until_us = START + MS + hour_us;
	call = submit_one(&anns, HERE);
	world_run(&world);
	ck_assert_uint_eq(call->begun_us, START + MS + hour_us);
	finish();
}
END_TEST

/* ---- how long it lives ---- */

START_TEST(it_outlives_all_work_of_its_caller_and_counts_for_what_comes_later)
{
	struct fake_group later;
	struct fake_call *call;

	begin();
	pause_ann(5 * SECOND);
	world_run(&world);
	world_close(&world, &anns);
	ck_assert_uint_eq(world_stats(&world).callers, 1); /* bob */
	ck_assert_uint_eq(world_info(&world, HERE).paused, 1);
	world_run_until(&world, START + 2 * SECOND);
	world_group(&world, &later, world_options(ann));
	call = submit_one(&later, HERE);
	world_run(&world);
	ck_assert_uint_eq(call->begun_us, START + MS + 5 * SECOND);
	world_close(&world, &later);
	world_group(&world, &anns, world_options(ann));
	finish();
}
END_TEST

START_TEST(it_ends_by_itself_when_nobody_waits)
{
	begin();
	pause_ann(5 * SECOND);
	world_run(&world);
	ck_assert_uint_eq(world_stats(&world).upstreams, 1);
	world_run_until(&world, START + 6 * SECOND);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 0);
	ck_assert_uint_eq(world_stats(&world).upstreams, 0);
	ck_assert_uint_eq(sched_due_us(world.sched), CLOCK_NEVER);
	finish();
}
END_TEST

START_TEST(the_scheduler_may_be_destroyed_while_callers_are_paused)
{
	char origin[24];

	begin();
	for (size_t i = 0; i < 20; i++) {
		struct fake_call *fakes[2];

		snprintf(origin, sizeof origin, "http://%zu:80", i);
		for (size_t j = 0; j < 2; j++) {
			fakes[j] = world_call(&world, origin);
			fakes[j]->steps[0].pause_us = SECOND + i * MS;
			MUST(world_submit(&world, j ? &anns : &bobs, &fakes[j], 1) == ERR_OK);
		}
	}
	world_run(&world);
	close_both();
	ck_assert_uint_eq(world_stats(&world).upstreams, 20);
	ck_assert_uint_ne(sched_due_us(world.sched), CLOCK_NEVER);
	sched_destroy(world.sched);
	MUST(sched_new(&(struct sched_options){.max_in_flight = 1}, &world.sched) == ERR_OK);
	world_free(&world);
	caller_unref(ann);
	caller_unref(bob);
}
END_TEST

START_TEST(a_reload_neither_ends_it_nor_counts_it_twice)
{
	struct fake_call *call;

	begin();
	pause_ann(5 * SECOND);
	call = submit_one(&anns, HERE);
	here->limit = 3;
	here->retry_percent = 20;
	here->rule = (struct breaker_rule){5, SECOND, SECOND};
	here->bucket = (struct fake_bucket){10, 1, world.now_us};
	sched_set_bounds(world.sched, 1000, 100000, world.now_us);
	world_check(&world);
	world_run_until(&world, START + SECOND);
	here->rule = (struct breaker_rule){0};
	here->bucket.rate = 0;
	sched_set_bounds(world.sched, 1000, 100000, world.now_us);
	world_check(&world);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 1);
	world_run(&world);
	ck_assert_uint_eq(call->begun_us, START + MS + 5 * SECOND);
	finish();
}
END_TEST

/* ---- with a breaker ---- */

START_TEST(when_the_breaker_opens_those_who_are_kept_end)
{
	struct fake_call *kept;

	begin();
	here->rule = (struct breaker_rule){1, SECOND, SECOND};
	pause_ann(5 * SECOND);
	kept = submit_one(&anns, HERE);
	submit_one(&bobs, HERE)->steps[0].code = ITEM_CONNECT_FAILED;
	world_run_until(&world, START + 2 * MS);
	ck_end(kept, CALL_END_CIRCUIT_OPEN);
	finish();
}
END_TEST

START_TEST(half_open_the_probe_is_anothers_where_a_caller_is_kept)
{
	struct fake_call *kept, *bad, *probe, *waits;

	begin();
	here->rule = (struct breaker_rule){1, SECOND, SECOND};
	pause_ann(5 * SECOND);
	bad = submit_one(&bobs, HERE);
	bad->steps[0].code = ITEM_CONNECT_FAILED;
	world_run_until(&world, START + 2 * SECOND);
	kept = submit_one(&anns, HERE);
	world_pump(&world);
	ck_assert_uint_eq(kept->starts, 0);
	probe = world_submit_one(&world, &bobs, HERE, MS);
	waits = world_submit_one(&world, &bobs, HERE, MS);
	world_pump(&world);
	ck_assert_uint_eq(probe->starts, 1);
	ck_assert_uint_eq(waits->starts, 0);
	world_run(&world);
	ck_assert_uint_eq(kept->begun_us, START + MS + 5 * SECOND);
	finish();
}
END_TEST

START_TEST(half_open_an_answer_of_429_closes_it_and_keeps_its_caller)
{
	struct fake_call *bad, *probe, *kept, *goes;

	begin();
	here->rule = (struct breaker_rule){1, SECOND, SECOND};
	bad = submit_one(&bobs, HERE);
	bad->steps[0].code = ITEM_CONNECT_FAILED;
	world_run_until(&world, START + 2 * SECOND);
	probe = submit_throttled(&anns, MS, 5 * SECOND);
	world_pump(&world);
	kept = submit_one(&anns, HERE);
	goes = submit_one(&bobs, HERE);
	world_run_until(&world, START + 2 * SECOND + MS);
	ck_assert_uint_eq(probe->returns, 1);
	ck_assert_int_eq(world_info(&world, HERE).state, BREAKER_CLOSED);
	ck_assert_uint_eq(goes->starts, 1);
	ck_assert_uint_eq(kept->starts, 0);
	finish();
}
END_TEST

/* One allocation after the other fails; a pause itself needs none. */
START_TEST(without_memory_a_caller_is_kept_all_the_same)
{
	struct fake_call *call;
	unsigned long n = 0;
	enum err_code code;

	begin();
	submit_throttled(&anns, MS, 5 * SECOND);
	world_pump(&world);
	mem_fail_at(1);
	world_land(&world, world.calls[0]);
	ck_assert(!mem_failed());
	mem_fail_at(0);
	ck_assert_uint_eq(world_info(&world, HERE).paused, 1);
	do {
		call = world_call(&world, HERE);
		mem_fail_at(++n);
		code = world_submit(&world, &anns, &call, 1);
		mem_fail_at(0);
	} while (code == ERR_NOMEM);
	ck_assert_int_eq(code, ERR_OK);
	ck_assert_uint_gt(n, 2);
	world_run(&world);
	ck_assert_uint_ge(call->begun_us, START + 5 * SECOND);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_pause");
	TCase *tcase = tcase_create("pause");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, only_that_callers_calls_to_that_upstream_wait);
	tcase_add_test(tcase, what_is_in_flight_goes_on_and_two_callers_wait_each_their_own_time);
	tcase_add_test(tcase, a_pause_of_less_than_a_second_ends_nobody_before_its_clock);
	tcase_add_loop_test(
		tcase, a_second_pause_counts_where_it_ends_later, 0, sizeof pairs / sizeof *pairs);
	tcase_add_loop_test(tcase, no_pause_is_longer_than_an_hour, 0, 2);
	tcase_add_test(tcase, it_outlives_all_work_of_its_caller_and_counts_for_what_comes_later);
	tcase_add_test(tcase, it_ends_by_itself_when_nobody_waits);
	tcase_add_test(tcase, the_scheduler_may_be_destroyed_while_callers_are_paused);
	tcase_add_test(tcase, a_reload_neither_ends_it_nor_counts_it_twice);
	tcase_add_test(tcase, when_the_breaker_opens_those_who_are_kept_end);
	tcase_add_test(tcase, half_open_the_probe_is_anothers_where_a_caller_is_kept);
	tcase_add_test(tcase, half_open_an_answer_of_429_closes_it_and_keeps_its_caller);
	tcase_add_test(tcase, without_memory_a_caller_is_kept_all_the_same);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
