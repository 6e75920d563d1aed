/* test_sched_rate.c - an upstream's rate holds over all batches and callers; what waits for it
 * holds nothing and goes on by itself. */
#include "tests/unit/pool/upstream_world.h"

static void reload_rate(double rate_per_s)
{
	world_set_rate(&world, &here->bucket, rate_per_s);
	world_reload(&world);
}

START_TEST(its_rate_holds_over_the_batches_of_two_callers)
{
	begin(20, 0);
	world_submit_many(&world, &anns, HERE, 100, MS);
	world_submit_many(&world, &bobs, HERE, 100, MS);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 1);
	world_run_until(&world, world.now_us + SECOND - 1);
	ck_assert_uint_eq(world.start_count, 20);
	world_run_until(&world, world.now_us + 2 * SECOND + 200);
	ck_assert_uint_eq(world.start_count, 61);
	ck_assert_uint_ge(anns.returned, 30); /* in turns */
	ck_assert_uint_ge(bobs.returned, 29);
	finish();
}
END_TEST

START_TEST(a_burst_is_what_a_second_of_rest_has_saved)
{
	begin(20, 0);
	world_submit_one(&world, &anns, HERE, MS);
	world_run(&world);
	world_run_until(&world, world.now_us + 100 * SECOND);
	world_submit_many(&world, &anns, HERE, 100, MS);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 1 + 20);
	world_run_until(&world, world.now_us + 50 * MS - 1);
	ck_assert_uint_eq(world.start_count, 1 + 20);
	world_run_until(&world, world.now_us + 10);
	ck_assert_uint_eq(world.start_count, 1 + 21);
	finish();
}
END_TEST

START_TEST(another_upstream_is_not_bounded_by_it)
{
	begin(1, 0);
	world_submit_many(&world, &anns, HERE, 10, MS);
	world_submit_many(&world, &anns, THERE, 10, MS);
	world_run_until(&world, world.now_us + 2 * MS);
	ck_assert_uint_eq(anns.returned, 11);
	finish();
}
END_TEST

START_TEST(retries_and_redirects_take_tokens_too)
{
	struct fake_call *retried, *redirected;

	begin(10, 0);
	retried = submit_retried(&anns, 0, MS); /* takes the first token, and the second */
	redirected = world_call(&world, THERE);
	redirected->steps[0] = (struct fake_step){
		.takes_us = 50 * MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .hop = here};
	redirected->step_count = 2;
	redirected->steps[1] = (struct fake_step){.takes_us = MS};
	MUST(world_submit(&world, &bobs, &redirected, 1) == ERR_OK);
	world_run_until(&world, world.now_us + 100 * MS - 1);
	ck_assert_uint_eq(retried->starts, 1);
	world_run_until(&world, world.now_us + 10);
	ck_assert_uint_eq(retried->starts, 2);
	ck_assert_uint_eq(redirected->starts, 1);
	world_run_until(&world, world.now_us + 100 * MS - 50);
	ck_assert_uint_eq(redirected->starts, 1);
	world_run_until(&world, world.now_us + 100);
	ck_assert_uint_eq(redirected->starts, 2);
	finish();
}
END_TEST

START_TEST(at_the_batchs_clock_what_waits_for_a_token_ends_as_rate_limited)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call **parked, *retried, *elsewhere;

	begin(0.1, 0);
	world_origin(&world, THERE)->limit = 1;
	options = world_options(ann);
	options.deadline_us = world.now_us + 5 * SECOND;
	world_group(&world, &group, options);
	retried = submit_retried(&group, 0, MS);
	world_submit_one(&world, &anns, THERE, 20 * SECOND);
	world_run_until(&world, world.now_us + SECOND);
	parked = world_submit_many(&world, &group, HERE, 3, MS);
	elsewhere = world_submit_one(&world, &group, THERE, MS);
	world_run_until(&world, world.now_us + 4 * SECOND);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(parked[i]->call.sched.end, CALL_END_RATE_LIMITED);
		ck_assert_int_eq(parked[i]->call.outcome.code, ITEM_RATE_LIMITED);
		ck_assert_uint_eq(parked[i]->starts, 0);
	}
	ck_assert_int_eq(retried->call.sched.end, CALL_END_RATE_LIMITED);
	ck_assert_int_eq(elsewhere->call.sched.end, CALL_END_QUEUE_TIMEOUT); /* of a slot */
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(at_its_own_clock_a_retry_that_waits_for_a_token_ends_as_one_that_waited)
{
	struct fake_call *retried;

	begin(0.1, 0);
	retried = make_retried(0, MS);
	retried->call.request.timeout_us = 5 * SECOND;
	MUST(world_submit(&world, &anns, &retried, 1) == ERR_OK);
	world_run_until(&world, world.now_us + 5 * SECOND);
	ck_assert_uint_eq(retried->returns, 1);
	ck_assert_int_eq(retried->call.sched.end, CALL_END_RETRY_WAIT_TIMEOUT);
	finish();
}
END_TEST

START_TEST(leaving_it_alone_does_not_bring_the_next_token_early)
{
	struct fake_group later;
	struct fake_call *call;

	begin(0.1, 0);
	world_submit_one(&world, &anns, HERE, MS);
	world_run(&world);
	for (int i = 0; i < 100; i++) { /* others come and go meanwhile */
		char origin[24];

		snprintf(origin, sizeof origin, "http://%d:80", i % 50);
		world_submit_one(&world, &bobs, origin, MS);
		world_run(&world);
	}
	ck_assert_uint_eq(world_stats(&world).upstreams, 0);
	world_group(&world, &later, world_options(bob));
	call = world_submit_one(&world, &later, HERE, MS);
	world_run(&world);
	ck_assert_uint_ge(call->begun_us, 1010 * SECOND);
	ck_assert_uint_le(call->begun_us, 1010 * SECOND + 10);
	world_close(&world, &later);
	finish();
}
END_TEST

START_TEST(a_token_kept_for_a_batch_that_is_cancelled_goes_to_another)
{
	begin(1, 0);
	world_submit_many(&world, &anns, HERE, 3, MS);
	world_submit_many(&world, &bobs, HERE, 3, MS);
	world_run_until(&world, world.now_us + SECOND - 1);
	ck_assert_uint_eq(world.start_count, 1);
	world.now_us += 2;
	sched_expire(world.sched, world.now_us); /* the token is promised to one of the two */
	world_cancel(&world, _i ? &anns : &bobs, POOL_CLIENT_GONE);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 2);
	ck_assert_uint_eq((_i ? &bobs : &anns)->flying, 1);
	finish();
}
END_TEST

START_TEST(a_token_is_not_taken_by_what_its_endpoint_lets_not_start)
{
	struct pool_group_options options;
	struct fake_group chats;
	struct fake_call *held, *call;

	begin(1, 0);
	world_bound(&world, world_endpoint(&world, "chat"), 1, 0);
	options = world_options(ann);
	options.endpoint = "chat";
	world_group(&world, &chats, options);
	held = world_submit_one(&world, &chats, THERE, 10 * SECOND);
	world_pump(&world);
	world_submit_many(&world, &chats, HERE, 3, MS); /* wait for the endpoint */
	call = world_submit_one(&world, &bobs, HERE, MS);
	world_pump(&world);
	ck_assert_uint_eq(call->starts, 1);
	call = world_submit_one(&world, &bobs, HERE, MS);
	world_run_until(&world, world.now_us + SECOND + 10);
	ck_assert_uint_eq(call->starts, 1);
	ck_assert_uint_eq(held->returns, 0);
	world_close(&world, &chats);
	finish();
}
END_TEST

/* Each start is one timer, however many wait: nothing is polled. */
START_TEST(those_that_wait_for_a_token_wait_for_one_timer)
{
	enum { GROUPS = 50 };
	struct fake_group groups[GROUPS];
	size_t steps = 0;

	begin(1, 0);
	for (size_t i = 0; i < GROUPS; i++) {
		world_group(&world, &groups[i], world_options(i % 2 ? ann : bob));
		world_submit_many(&world, &groups[i], HERE, 4, MS);
		world_close(&world, &groups[i]);
	}
	while (world.returned < world.submitted) {
		ck_assert(world_step(&world));
		steps++;
	}
	ck_assert_uint_le(steps, 2 * 4 * GROUPS);
	finish();
}
END_TEST

/* A thousand calls wait; one start was at 0 s. */
static const struct {
	const char *what;
	double before, after; /* changed at 10 s */
	size_t by_10s, at_once, by_20s;
} rate_reloads[] = {
	{"higher", 1, 10, 10, 11, 111},
	{"lower", 10, 1, 100, 101, 111},
	{"from hours", 1.0 / 3600, 5, 1, 1, 51},
	{"to hours", 5, 1.0 / 3600, 50, 51, 51},
	{"off", 1, 0, 10, 1000, 1000},
	{"the same", 2, 2, 20, 21, 41},
};

START_TEST(a_reload_of_the_rate_counts_for_those_that_wait)
{
	size_t late = _i == 2 ? 0 : 1; /* the token that is due at 10 s itself */

	begin(rate_reloads[_i].before, 0);
	here->limit = 1000;
	world_submit_many(&world, &anns, HERE, 600, MS);
	world_submit_many(&world, &bobs, HERE, 400, MS);
	world_run_until(&world, world.now_us + 10 * SECOND - 1);
	ck_assert_uint_eq(world.start_count, rate_reloads[_i].by_10s);
	world_run_until(&world, world.now_us + 2);
	reload_rate(rate_reloads[_i].after);
	world_pump(&world);
	ck_assert_uint_ge(world.start_count + late, rate_reloads[_i].at_once);
	ck_assert_uint_le(world.start_count, rate_reloads[_i].at_once);
	world_run_until(&world, world.now_us + 10 * SECOND - 50 * MS);
	ck_assert_uint_ge(world.start_count + 1, rate_reloads[_i].by_20s);
	ck_assert_uint_le(world.start_count, rate_reloads[_i].by_20s);
	reload_rate(0);
	finish();
}
END_TEST

START_TEST(a_reload_that_brings_a_rate_bounds_what_waits_for_a_slot)
{
	begin(0, 0);
	here->limit = 2;
	world_submit_many(&world, &anns, HERE, 10, 100 * MS);
	world_run_until(&world, world.now_us + 150 * MS);
	ck_assert_uint_eq(world.start_count, 4);
	reload_rate(1);
	world_run_until(&world, world.now_us + 100 * MS);
	ck_assert_uint_eq(world.start_count, 5); /* it begins with one token */
	world_run_until(&world, 1001 * SECOND);
	ck_assert_uint_eq(world.start_count, 5);
	world_run_until(&world, world.now_us + 200 * MS + 10);
	ck_assert_uint_eq(world.start_count, 6);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_rate");
	TCase *tcase = tcase_create("rate");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, its_rate_holds_over_the_batches_of_two_callers);
	tcase_add_test(tcase, a_burst_is_what_a_second_of_rest_has_saved);
	tcase_add_test(tcase, another_upstream_is_not_bounded_by_it);
	tcase_add_test(tcase, retries_and_redirects_take_tokens_too);
	tcase_add_test(tcase, at_the_batchs_clock_what_waits_for_a_token_ends_as_rate_limited);
	tcase_add_test(
		tcase, at_its_own_clock_a_retry_that_waits_for_a_token_ends_as_one_that_waited);
	tcase_add_test(tcase, leaving_it_alone_does_not_bring_the_next_token_early);
	tcase_add_loop_test(
		tcase, a_token_kept_for_a_batch_that_is_cancelled_goes_to_another, 0, 2);
	tcase_add_test(tcase, a_token_is_not_taken_by_what_its_endpoint_lets_not_start);
	tcase_add_test(tcase, those_that_wait_for_a_token_wait_for_one_timer);
	tcase_add_loop_test(tcase, a_reload_of_the_rate_counts_for_those_that_wait, 0,
		sizeof rate_reloads / sizeof *rate_reloads);
	tcase_add_test(tcase, a_reload_that_brings_a_rate_bounds_what_waits_for_a_slot);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
