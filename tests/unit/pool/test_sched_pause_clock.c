/* test_sched_pause_clock.c - calls that an upstream keeps waiting, and whose clock or whose batch
 * ends before the pause does. */
#include "tests/unit/pool/pause_world.h"

static const struct {
	const char *what;
	int64_t clock_us; /* of the batch, from the pause's end */
	bool ends;
} clocks[] = {
	{"long before", -4 * (int64_t)SECOND, true},
	{"just before", -1, true},
	{"exactly then", 0, true},
	{"just after", 1, false},
	{"long after", (int64_t)SECOND, false},
};

/* Of every way to wait one: for the upstream's slot, for the batch's own concurrency, its window;
 * and one that comes later. */
START_TEST(calls_whose_batch_ends_before_the_pause_does_end_at_once)
{
	uint64_t end_us = START + MS + 5 * SECOND;
	struct pool_group_options options = {0};
	struct fake_group groups[4];
	struct fake_call *calls[4], *others[4];

	begin();
	here->limit = 1;
	submit_throttled(&anns, MS, 5 * SECOND);
	world_pump(&world);
	for (size_t i = 0; i < 4; i++) {
		options = world_options(ann);
		options.deadline_us = (uint64_t)((int64_t)end_us + clocks[_i].clock_us);
		options.concurrency = i == 1 ? 1 : 10;
		world_group(&world, &groups[i], options);
		others[i] = world_submit_one(&world, &groups[i], THERE, 900 * MS);
		world_pump(&world);
		if (i == 2)
			world_window(&world, &groups[i], 1);
		if (i < 3)
			calls[i] = submit_one(&groups[i], HERE);
	}
	world_run_until(&world, START + MS);
	calls[3] = submit_one(&groups[3], HERE);
	world_pump(&world);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_msg(calls[i]->returns == clocks[_i].ends, "%s: %zu", clocks[_i].what, i);
		if (clocks[_i].ends)
			ck_end(calls[i], CALL_END_PAUSED);
	}
	world_window(&world, &groups[2], UINT64_MAX);
	world_run(&world);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(others[i]->call.outcome.code, ITEM_OK);
		world_close(&world, &groups[i]);
	}
	if (!clocks[_i].ends)
		ck_assert_uint_eq(calls[0]->begun_us, end_us);
	finish();
}
END_TEST

START_TEST(a_pause_that_is_extended_ends_those_who_have_no_more_time)
{
	struct pool_group_options options;
	struct fake_group short_one, long_one;
	struct fake_call *first, *second;

	begin();
	submit_throttled(&anns, SECOND, 20 * SECOND);
	pause_ann(5 * SECOND);
	options = world_options(ann);
	options.deadline_us = START + 10 * SECOND;
	world_group(&world, &short_one, options);
	options.deadline_us = START + 30 * SECOND;
	world_group(&world, &long_one, options);
	first = submit_one(&short_one, HERE);
	second = submit_one(&long_one, HERE);
	world_run_until(&world, START + SECOND - 1);
	ck_assert_uint_eq(first->returns, 0);
	world_run_until(&world, START + SECOND);
	ck_end(first, CALL_END_PAUSED);
	ck_assert_uint_eq(second->returns, 0);
	world_run(&world);
	ck_assert_uint_eq(second->begun_us, START + 21 * SECOND);
	world_close(&world, &short_one);
	world_close(&world, &long_one);
	finish();
}
END_TEST

static const struct {
	uint64_t timeout_us; /* the item's own clock, which began at START */
	uint64_t wait_us;    /* before its retry, from 1 ms on; the pause ends at 5 s + 1 ms */
	uint64_t ends_us;    /* from START; 0: it goes on */
	uint64_t starts_us;  /* its second attempt */
} own_clocks[] = {
	{5 * SECOND, SECOND, SECOND + MS, 0},
	{5 * SECOND + MS, SECOND, SECOND + MS, 0}, /* it ends with the pause */
	{5 * SECOND + MS + 1, SECOND, 0, 5 * SECOND + MS},
	{30 * SECOND, 0, 0, 5 * SECOND + MS},
	{30 * SECOND, 5 * SECOND, 0, 5 * SECOND + MS}, /* both end at once */
	{30 * SECOND, 5 * SECOND + 1, 0, 5 * SECOND + MS + 1},
	{2 * SECOND, 0, MS, 0},
};

START_TEST(a_retry_ends_at_its_turn_where_its_own_clock_ends_before_the_pause_does)
{
	struct fake_call *call;

	begin();
	here->retry_percent = _i % 2 ? 20 : 0;
	call = make_throttled(MS, 5 * SECOND);
	call->call.request.timeout_us = own_clocks[_i / 2].timeout_us;
	call->steps[0].again = true;
	call->steps[0].wait_us = own_clocks[_i / 2].wait_us;
	call->steps[1] = (struct fake_step){.takes_us = 0};
	call->step_count = 2;
	MUST(world_submit(&world, &anns, &call, 1) == ERR_OK);
	world_run(&world);
	if (own_clocks[_i / 2].ends_us) {
		ck_end(call, CALL_END_PAUSED);
		ck_assert_uint_eq(call->returned_us, START + own_clocks[_i / 2].ends_us);
		ck_assert_uint_eq(call->starts, 1);
	} else {
		ck_assert_uint_eq(call->starts, 2);
		ck_assert_uint_eq(call->returned_us, START + own_clocks[_i / 2].starts_us);
	}
	finish();
}
END_TEST

START_TEST(a_queued_retry_with_too_little_time_ends_when_the_pause_begins)
{
	struct fake_call *calls[2];

	begin();
	here->limit = 1;
	submit_throttled(&anns, 100 * MS, 5 * SECOND);
	for (size_t i = 0; i < 2; i++) {
		calls[i] = world_call(&world, THERE);
		calls[i]->call.request.timeout_us = i ? 6 * SECOND : 4 * SECOND;
		calls[i]->steps[0] = (struct fake_step){
			.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .hop = here};
		calls[i]->steps[1] = (struct fake_step){.takes_us = MS};
		calls[i]->step_count = 2;
	}
	MUST(world_submit(&world, &anns, calls, 2) == ERR_OK);
	world_run_until(&world, START + 100 * MS - 1);
	ck_assert_uint_eq(calls[0]->returns, 0);
	world_run_until(&world, START + 100 * MS);
	ck_end(calls[0], CALL_END_PAUSED);
	world_run(&world);
	ck_assert_int_eq(calls[1]->call.outcome.code, ITEM_OK);
	finish();
}
END_TEST

START_TEST(a_batch_that_stops_on_an_error_stops_with_the_first_that_cannot_wait)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call **calls, *other;

	begin();
	here->limit = 1;
	submit_throttled(&anns, MS, 5 * SECOND);
	world_pump(&world);
	options = world_options(ann);
	options.deadline_us = START + SECOND;
	options.stop_on_error = true;
	world_group(&world, &group, options);
	calls = world_submit_many(&world, &group, HERE, 3, MS);
	world_origin(&world, THERE)->limit = 1;
	world_submit_one(&world, &bobs, THERE, 100 * MS);
	world_pump(&world);
	other = submit_one(&group, THERE);
	world_run_until(&world, START + MS);
	ck_end(calls[0], CALL_END_PAUSED);
	ck_end(calls[1], CALL_END_STOP_ON_ERROR);
	ck_end(calls[2], CALL_END_STOP_ON_ERROR);
	ck_end(other, CALL_END_STOP_ON_ERROR);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(a_cancelled_batch_does_not_wait_for_the_end)
{
	struct fake_group group;
	struct fake_call *call, *other;

	begin();
	pause_ann(5 * SECOND);
	world_group(&world, &group, world_options(ann));
	call = submit_one(&group, HERE);
	other = submit_one(&anns, HERE);
	world_pump(&world);
	world_cancel(&world, &group, POOL_CLIENT_GONE);
	world_close(&world, &group);
	world_pump(&world);
	ck_end(call, CALL_END_CLIENT_GONE);
	ck_assert_uint_eq(other->returns, 0);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_pause_clock");
	TCase *tcase = tcase_create("pause_clock");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, calls_whose_batch_ends_before_the_pause_does_end_at_once, 0,
		sizeof clocks / sizeof *clocks);
	tcase_add_test(tcase, a_pause_that_is_extended_ends_those_who_have_no_more_time);
	tcase_add_loop_test(tcase,
		a_retry_ends_at_its_turn_where_its_own_clock_ends_before_the_pause_does, 0,
		2 * (int)(sizeof own_clocks / sizeof *own_clocks));
	tcase_add_test(tcase, a_queued_retry_with_too_little_time_ends_when_the_pause_begins);
	tcase_add_test(tcase, a_batch_that_stops_on_an_error_stops_with_the_first_that_cannot_wait);
	tcase_add_test(tcase, a_cancelled_batch_does_not_wait_for_the_end);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
