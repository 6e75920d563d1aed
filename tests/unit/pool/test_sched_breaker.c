/* test_sched_breaker.c - what an upstream's breaker means for the calls that wait for it: when it
 * opens they all end at once, those that come later too, and nothing else does. */
#include "tests/unit/pool/breaker_world.h"

/* ---- it opens ---- */

enum { IDLE_GROUPS = 6 };

static struct pool_group_options wait_options(size_t how)
{
	struct pool_group_options options = world_options(how % 2 ? bob : ann);

	options.concurrency = how == 2 ? 1 : options.concurrency;
	options.rate_per_s = how == 3 ? 0.001 : 0;
	options.endpoint = how == 4 ? "chat" : NULL;
	return options;
}

/* Of every way to wait there is one batch: for the upstream (0, 1), for its batch's concurrency
 * (2), its batch's rate (3), its endpoint (4), its window (5). Each has one call in flight to an
 * upstream that is well, and others that wait for that. */
START_TEST(when_it_opens_whatever_is_queued_for_it_ends_and_nothing_else)
{
	struct fake_group groups[IDLE_GROUPS];
	struct fake_call *bad[IDLE_GROUPS][10], *good[IDLE_GROUPS], *more[IDLE_GROUPS];

	begin(1000);
	dead->limit = 5;
	world_bound(&world, world_endpoint(&world, "chat"), 1, 0);
	submit_failing(&killers, 5, 10 * MS);
	for (size_t i = 0; i < IDLE_GROUPS; i++) {
		world_group(&world, &groups[i], wait_options(i));
		good[i] = submit(&groups[i], WELL, SECOND, ITEM_OK);
	}
	world_pump(&world);
	for (size_t i = 0; i < IDLE_GROUPS; i++) {
		if (i == 5)
			world_window(&world, &groups[i], 1);
		for (size_t j = 0; j < 10; j++)
			bad[i][j] = submit(&groups[i], DEAD, MS, ITEM_OK);
		more[i] = submit(&groups[i], WELL, MS, ITEM_OK);
	}
	world_run_until(&world, world.now_us + 10 * MS - 1);
	for (size_t i = 0; i < IDLE_GROUPS; i++)
		ck_assert_uint_eq(bad[i][9]->returns + good[i]->returns, 0);
	ck_assert_uint_eq(world_info(&world, DEAD).queued, 10 * IDLE_GROUPS);
	world_run_until(&world, world.now_us + 1);
	ck_state(BREAKER_OPEN);
	ck_assert_uint_eq(world_info(&world, DEAD).queued, 0);
	ck_assert_uint_eq(world_info(&world, DEAD).open_us, 30 * SECOND);
	for (size_t i = 0; i < IDLE_GROUPS; i++) {
		ck_all_refused(bad[i], 10);
		ck_assert_uint_eq(good[i]->returns, 0);
		ck_assert_uint_eq(bad[i][0]->returned_us, world.now_us);
	}
	world_window(&world, &groups[5], UINT64_MAX);
	world_run(&world);
	for (size_t i = 0; i < IDLE_GROUPS; i++) {
		ck_assert_int_eq(good[i]->call.outcome.code, ITEM_OK);
		ck_assert_int_eq(more[i]->call.outcome.code, ITEM_OK);
		ck_assert_uint_eq(more[i]->starts, 1);
		world_close(&world, &groups[i]);
	}
	ck_assert_uint_eq(world_info(&world, DEAD).counts.refused, 10 * IDLE_GROUPS);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.opened, 1);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.attempts, 5);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.failures, 5);
	finish();
}
END_TEST

START_TEST(what_was_ready_and_waited_for_the_pool_alone_ends_too)
{
	struct fake_group anns, bobs;
	struct fake_call **bad, *good;

	begin(5);
	world_group(&world, &anns, world_options(ann));
	world_group(&world, &bobs, world_options(bob));
	submit_failing(&killers, 5, 10 * MS);
	world_pump(&world);
	bad = world_submit_many(&world, &bobs, DEAD, 10, MS);
	good = submit(&anns, WELL, MS, ITEM_OK);
	world_run_until(&world, world.now_us + 10 * MS);
	ck_all_refused(bad, 10);
	world_run(&world);
	ck_assert_int_eq(good->call.outcome.code, ITEM_OK);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(what_is_in_flight_when_it_opens_comes_back_as_it_does)
{
	struct fake_call *good, *bad;

	begin(1000);
	submit_failing(&killers, 5, 10 * MS);
	good = submit(&killers, DEAD, 20 * MS, ITEM_OK);
	bad = submit(&killers, DEAD, 20 * MS, ITEM_CONNECT_FAILED);
	world_run(&world);
	ck_assert_int_eq(good->call.outcome.code, ITEM_OK);
	ck_assert_int_eq(bad->call.outcome.code, ITEM_CONNECT_FAILED);
	ck_state(BREAKER_OPEN);
	ck_assert_uint_eq(
		world_info(&world, DEAD).open_us, 30 * SECOND - 10 * MS); /* neither moved it */
	finish();
}
END_TEST

START_TEST(successes_between_failures_keep_it_closed)
{
	begin(1);
	for (int i = 0; i < 20; i++) {
		submit_failing(&killers, 4, MS);
		submit(&killers, DEAD, MS, i % 2 ? ITEM_OK : ITEM_UPSTREAM_STATUS);
	}
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.attempts, 100);
	submit_failing(&killers, 2, MS);
	submit(&killers, DEAD, MS, ITEM_TIMEOUT); /* says nothing */
	submit(&killers, DEAD, MS, ITEM_CANCELLED);
	submit_failing(&killers, 2, MS);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(world_info(&world, DEAD).failures, 4);
	submit_failing(&killers, 1, MS);
	world_run(&world);
	ck_state(BREAKER_OPEN);
	finish();
}
END_TEST

START_TEST(what_is_submitted_while_it_is_open_ends_at_once_and_starts_when_its_time_is_over)
{
	struct fake_group bobs;
	struct fake_call **refused, *early, *probe;

	begin(1000);
	kill_upstream();
	world_group(&world, &bobs, world_options(bob));
	refused = world_submit_many(&world, &bobs, DEAD, 3, MS);
	world_pump(&world);
	ck_all_refused(refused, 3);
	ck_assert_uint_eq(refused[0]->returned_us, world.now_us);
	world_run_until(&world, dead->breaker.until_us - 1);
	early = submit(&bobs, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_refused(early, 0);
	world_run_until(&world, world.now_us + 1);
	probe = submit(&bobs, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_assert_uint_eq(probe->starts, 1);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.refused, 4);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(leaving_it_alone_does_not_close_it)
{
	struct fake_group later;
	struct fake_call *call;

	begin(1000);
	kill_upstream();
	ck_assert_uint_eq(world_stats(&world).upstreams, 0); /* nothing refers to it */
	world_run_until(&world, world.now_us + 10 * SECOND);
	world_group(&world, &later, world_options(bob));
	call = submit(&later, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_refused(call, 0);
	world_close(&world, &later);
	finish();
}
END_TEST

/* ---- retries and redirects ---- */

static const struct {
	uint64_t wait_us;
	bool refused; /* else its time comes when the breaker lets one through */
} retry_waits[] = {{0, true}, {100 * MS, true}, {30 * SECOND - 1, true}, {30 * SECOND, false}};

START_TEST(a_retry_whose_time_comes_while_it_is_open_ends_as_one_that_began)
{
	struct fake_call *retried, *other;

	begin(1000);
	dead->retry_percent = _i % 2 ? 20 : 0;
	retried = world_call(&world, DEAD);
	retried->call.request.timeout_us = 100 * SECOND;
	retried->steps[0] = (struct fake_step){.takes_us = 10 * MS,
		.code = ITEM_CONNECT_FAILED,
		.again = true,
		.wait_us = retry_waits[_i / 2].wait_us};
	retried->steps[1] = (struct fake_step){.takes_us = MS};
	retried->step_count = 2;
	submit_failing(&killers, 4, MS);
	MUST(world_submit(&world, &killers, &retried, 1) == ERR_OK);
	world_run_until(&world, world.now_us + 10 * MS + retry_waits[_i / 2].wait_us);
	world_pump(&world);
	other = submit(&killers, WELL, MS, ITEM_OK);
	if (retry_waits[_i / 2].refused) {
		ck_state(BREAKER_OPEN);
		ck_refused(retried, 1);
		ck_assert_uint_ne(retried->call.started_us, 0);
		ck_assert_uint_eq(world_info(&world, DEAD).counts.refused, 1);
	} else {
		ck_assert_uint_eq(retried->starts, 2);
		world_run(&world);
		ck_state(BREAKER_CLOSED);
	}
	world_run(&world);
	ck_assert_int_eq(other->call.outcome.code, ITEM_OK);
	finish();
}
END_TEST

START_TEST(a_redirect_to_it_ends_while_it_is_open)
{
	struct fake_call *call;

	begin(1000);
	kill_upstream();
	call = world_call(&world, WELL);
	call->steps[0] = (struct fake_step){
		.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .hop = dead};
	call->step_count = 2;
	MUST(world_submit(&world, &killers, &call, 1) == ERR_OK);
	world_run(&world);
	ck_refused(call, 1);
	finish();
}
END_TEST

START_TEST(a_retry_that_waits_for_a_slot_ends_with_the_rest_when_it_opens)
{
	struct fake_call *retried;

	begin(1000);
	dead->limit = 5;
	retried = world_call(&world, DEAD);
	retried->steps[0] = (struct fake_step){
		.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .wait_us = MS};
	retried->step_count = 2;
	MUST(world_submit(&world, &killers, &retried, 1) == ERR_OK);
	submit_failing(&killers, 4, 10 * MS);
	submit_failing(&killers, 1, 9 * MS); /* takes its slot */
	world_run_until(&world, world.now_us + 5 * MS);
	ck_assert_uint_eq(retried->starts, 1);
	ck_assert_uint_eq(world_info(&world, DEAD).queued, 1);
	world_run(&world);
	ck_refused(retried, 1);
	finish();
}
END_TEST

/* ---- promises ---- */

START_TEST(what_was_kept_for_a_call_that_ends_goes_to_the_next_at_its_endpoint)
{
	struct pool_group_options options;
	struct fake_group groups[3];
	struct fake_call *first, *bad, *next;

	begin(1000);
	world_bound(&world, world_endpoint(&world, "chat"), 1, 0);
	options = world_options(bob);
	options.endpoint = "chat";
	for (size_t i = 0; i < 3; i++)
		world_group(&world, &groups[i], options);
	submit_failing(&killers, 5, SECOND);
	first = submit(&groups[0], WELL, SECOND, ITEM_OK);
	world_pump(&world);
	bad = submit(&groups[1], DEAD, MS, ITEM_OK);
	next = submit(&groups[2], WELL, MS, ITEM_OK);
	world_pump(&world);
	world_land(&world, first); /* `bad` is promised the endpoint's slot */
	for (size_t i = 0; i < 5; i++)
		world_land(&world, world.calls[i]);
	world_pump(&world);
	ck_refused(bad, 0);
	ck_assert_uint_eq(next->starts, 1);
	for (size_t i = 0; i < 3; i++)
		world_close(&world, &groups[i]);
	finish();
}
END_TEST

/* ---- memory and cost ---- */

/* Every allocation that a submission needs fails once; an open breaker must not count what was not
 * taken, nor a half open one lose its turn. */
START_TEST(without_memory_a_submission_leaves_it_as_it_was)
{
	unsigned long n = 0;
	struct fake_group bobs;
	enum err_code code;

	begin(1000);
	kill_upstream();
	world_group(&world, &bobs, world_options(bob));
	for (int half = 0; half < 2; half++, n = 0) {
		if (half)
			wait_until_half_open();
		do {
			struct fake_call *fakes[2] = {
				world_call(&world, DEAD), world_call(&world, WELL)};

			mem_fail_at(++n);
			code = world_submit(&world, &bobs, fakes, 2);
			mem_fail_at(0);
			ck_assert(code == ERR_OK || code == ERR_NOMEM);
			ck_assert(code == ERR_OK || !sched_has_ended(world.sched));
			ck_assert_uint_eq(
				world_info(&world, DEAD).counts.refused, half || code == ERR_OK);
		} while (code != ERR_OK);
		ck_assert_uint_gt(n, 3);
		world_run(&world);
	}
	ck_state(BREAKER_CLOSED);
	world_close(&world, &bobs);
	finish();
}
END_TEST

/* Tens of thousands of others wait elsewhere; each opening costs what it ends, no more: the world
 * would take minutes otherwise. */
START_TEST(opening_and_refusing_do_not_depend_on_what_waits_elsewhere)
{
	enum { WAITING = 50000, ROUNDS = 20000 };
	struct fake_group others;
	struct fake_call *flying;

	begin(1000);
	world.checks = false;
	dead->rule = (struct breaker_rule){1, MS, MS};
	world_origin(&world, WELL)->limit = 1;
	world_group(&world, &others, world_options(bob));
	flying = world_submit_many(&world, &others, WELL, WAITING, CLOCK_NEVER)[0];
	world_pump(&world);
	for (int i = 0; i < ROUNDS; i++) {
		submit_failing(&killers, 1, MS);
		world_run_until(&world, world.now_us + MS); /* opens, or stays open */
		submit(&killers, DEAD, MS, ITEM_OK);
		world_run_until(&world, world.now_us + MS);
	}
	ck_assert_uint_eq(world_info(&world, DEAD).counts.refused, ROUNDS);
	ck_assert_uint_eq(world_info(&world, DEAD).counts.opened, ROUNDS);
	world_cancel(&world, &others, POOL_CLIENT_GONE);
	world_land(&world, flying);
	world_close(&world, &others);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_breaker");
	TCase *tcase = tcase_create("breaker");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, when_it_opens_whatever_is_queued_for_it_ends_and_nothing_else);
	tcase_add_test(tcase, what_was_ready_and_waited_for_the_pool_alone_ends_too);
	tcase_add_test(tcase, what_is_in_flight_when_it_opens_comes_back_as_it_does);
	tcase_add_test(tcase, successes_between_failures_keep_it_closed);
	tcase_add_test(tcase,
		what_is_submitted_while_it_is_open_ends_at_once_and_starts_when_its_time_is_over);
	tcase_add_test(tcase, leaving_it_alone_does_not_close_it);
	tcase_add_loop_test(tcase, a_retry_whose_time_comes_while_it_is_open_ends_as_one_that_began,
		0, 2 * (int)(sizeof retry_waits / sizeof *retry_waits));
	tcase_add_test(tcase, a_redirect_to_it_ends_while_it_is_open);
	tcase_add_test(tcase, a_retry_that_waits_for_a_slot_ends_with_the_rest_when_it_opens);
	tcase_add_test(tcase, what_was_kept_for_a_call_that_ends_goes_to_the_next_at_its_endpoint);
	tcase_add_test(tcase, without_memory_a_submission_leaves_it_as_it_was);
	tcase_add_test(tcase, opening_and_refusing_do_not_depend_on_what_waits_elsewhere);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
