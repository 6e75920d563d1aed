/* test_sched_endpoint.c - a named endpoint's bounds hold over all groups that use it, whoever's
 * they are and wherever they call. */
#include "tests/unit/pool/endpoint_world.h"

START_TEST(its_concurrency_holds_over_the_groups_of_two_callers)
{
	struct fake_group anns, bobs;
	size_t most = 0;

	begin(3, 0);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &anns, "http://a:80", 20, 10 * MS);
	world_submit_many(&world, &bobs, "http://b:80", 20, 10 * MS); /* another upstream */
	while (world.returned < world.submitted) {
		ck_assert(world_step(&world)); /* the world fails where the bound is passed */
		world_pump(&world);
		most = world.flying > most ? world.flying : most;
		if (world.submitted - world.returned >= 3)
			ck_assert_uint_eq(world.flying, 3); /* nor is any of it left unused */
	}
	ck_assert_uint_eq(most, 3);
	ck_assert_uint_eq(world.now_us, 1000 * SECOND + 14 * 10 * MS);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(endpoints_of_different_names_do_not_bound_each_other)
{
	struct fake_group chats, others;

	begin(1, 0);
	open_group(&chats, ann, "chat");
	open_group(&others, ann, "other");
	world_submit_many(&world, &chats, "http://a:80", 5, 10 * MS);
	world_submit_many(&world, &others, "http://a:80", 5, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(chats.flying, 1);
	ck_assert_uint_eq(others.flying, 5);
	world_close(&world, &chats);
	world_close(&world, &others);
	finish();
}
END_TEST

START_TEST(callers_take_turns_at_it)
{
	struct fake_group anns[10], bobs;
	struct fake_call **last;

	begin(1, 0);
	for (size_t i = 0; i < 10; i++) {
		open_group(&anns[i], ann, "chat");
		world_submit_many(&world, &anns[i], "http://a:80", 20, 10 * MS);
	}
	world_pump(&world);
	open_group(&bobs, bob, "chat");
	last = world_submit_many(&world, &bobs, "http://a:80", 5, 10 * MS);
	world_run_until(&world, world.now_us + 110 * MS);
	ck_assert_uint_eq(bobs.returned, 5); /* every other slot, not every eleventh */
	ck_assert_uint_ge(last[4]->begun_us, 1000 * SECOND + 90 * MS);
	for (size_t i = 0; i < 10; i++)
		world_close(&world, &anns[i]);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(a_caller_gets_no_more_turns_by_calling_many_upstreams)
{
	struct fake_group anns, bobs;
	char origin[24];

	begin(1, 0);
	open_group(&anns, ann, "chat");
	for (size_t i = 0; i < 20; i++) {
		snprintf(origin, sizeof origin, "http://%zu:80", i);
		world_submit_many(&world, &anns, origin, 5, 10 * MS);
	}
	world_pump(&world);
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &bobs, "http://a:80", 5, 10 * MS);
	world_run_until(&world, world.now_us + 110 * MS);
	ck_assert_uint_eq(bobs.returned, 5);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(its_rate_holds_over_two_groups)
{
	struct fake_group anns, bobs;

	begin(UINT_MAX, 20);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &anns, "http://a:80", 100, MS);
	world_submit_many(&world, &bobs, "http://b:80", 100, MS);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 1);
	world_run_until(&world, world.now_us + SECOND - 1);
	ck_assert_uint_eq(world.start_count, 20);
	world_run_until(&world, world.now_us + 2 * SECOND + 200);
	ck_assert_uint_eq(world.start_count, 61);
	ck_assert_uint_ge(anns.returned, 30);
	ck_assert_uint_ge(bobs.returned, 29);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

/* Each start is one timer, however many wait: nothing is polled. */
START_TEST(those_that_wait_for_its_rate_wait_for_one_timer)
{
	enum { GROUPS = 50 };
	struct fake_group groups[GROUPS];
	size_t steps = 0;

	begin(UINT_MAX, 1);
	for (size_t i = 0; i < GROUPS; i++) {
		open_group(&groups[i], i % 2 ? ann : bob, "chat");
		world_submit_many(&world, &groups[i], "http://a:80", 1, MS);
		world_close(&world, &groups[i]);
	}
	while (world.returned < world.submitted) {
		ck_assert(world_step(&world));
		steps++;
	}
	ck_assert_uint_le(steps, 2 * GROUPS);
	finish();
}
END_TEST

START_TEST(leaving_it_alone_does_not_bring_the_next_token_early)
{
	struct fake_group first, second;
	struct fake_call *call;

	begin(UINT_MAX, 0.1);
	open_group(&first, ann, "chat");
	world_submit_one(&world, &first, "http://a:80", MS);
	world_close(&world, &first);
	world_run(&world);
	ck_assert_uint_eq(world_stats(&world).groups + world_stats(&world).callers, 0);
	open_group(&second, ann, "chat");
	call = world_submit_one(&world, &second, "http://a:80", MS);
	world_close(&world, &second);
	world_run(&world);
	ck_assert_uint_ge(call->begun_us, 1010 * SECOND);
	ck_assert_uint_le(call->begun_us, 1010 * SECOND + 10);
	finish();
}
END_TEST

START_TEST(a_token_kept_for_a_call_that_cannot_start_is_not_worth_two_later)
{
	struct fake_group chats, others;

	begin(UINT_MAX, 1);
	open_group(&chats, ann, "chat");
	open_group(&others, bob, NULL);
	world_submit_many(&world, &chats, "http://a:80", 5, MS);
	world_run_until(&world, world.now_us + 100 * MS);
	sched_set_bounds(world.sched, 1, 100000, world.now_us);
	world_submit_one(&world, &others, "http://b:80", 2500 * MS);
	world_run_until(&world, world.now_us + 2400 * MS); /* the pool is full; a token comes */
	ck_assert_uint_eq(chats.returned, 1);
	world_run_until(&world, world.now_us + 200 * MS);
	ck_assert_uint_eq(chats.returned, 2);
	world_run_until(&world, world.now_us + 800 * MS); /* the world knows when the third may */
	ck_assert_uint_eq(chats.returned, 2);
	world_close(&world, &chats);
	world_close(&world, &others);
	finish();
}
END_TEST

START_TEST(a_cancelled_group_passes_its_slot_on)
{
	struct fake_group anns, bobs;

	begin(1, 0);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &anns, "http://a:80", 5, 10 * MS);
	world_pump(&world);
	world_submit_many(&world, &bobs, "http://a:80", 5, 10 * MS);
	world_pump(&world);
	world_cancel(&world, &anns, POOL_CLIENT_GONE);
	world_run_until(&world, world.now_us + 60 * MS);
	ck_assert_uint_eq(bobs.returned, 5);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

/* The slot is promised while the pool is full, and given up again before it is used. */
START_TEST(a_promise_that_is_not_used_goes_to_the_next_one)
{
	struct fake_group anns, bobs, others;

	begin(1, 0);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	open_group(&others, cy, NULL);
	world_submit_one(&world, &anns, "http://a:80", 10 * MS);
	world_submit_one(&world, &others, "http://b:80", 20 * MS);
	world_pump(&world);
	world_submit_many(&world, &bobs, "http://a:80", 2, 10 * MS);
	world_submit_many(&world, &anns, "http://a:80", 2, 10 * MS);
	world_pump(&world);
	sched_set_bounds(world.sched, 1, 100000, world.now_us);
	world_run_until(&world, world.now_us + 15 * MS); /* the slot is free, the pool is full */
	ck_assert_uint_eq(world.flying, 1);
	world_cancel(&world, &bobs, POOL_CLIENT_GONE);
	world_run_until(&world, world.now_us + 26 * MS);
	ck_assert_uint_eq(anns.returned, 3);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	world_close(&world, &others);
	finish();
}
END_TEST

START_TEST(a_groups_own_bounds_hold_beside_its_endpoints)
{
	struct pool_group_options options;
	struct fake_group narrow, wide;

	begin(10, 0);
	options = world_options(ann);
	options.endpoint = "chat";
	options.concurrency = 2;
	world_group(&world, &narrow, options);
	open_group(&wide, bob, "chat");
	world_submit_many(&world, &narrow, "http://a:80", 20, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(narrow.flying, 2);
	world_submit_many(&world, &wide, "http://a:80", 20, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(wide.flying, 8);
	world_close(&world, &narrow);
	world_close(&world, &wide);
	finish();
}
END_TEST

START_TEST(an_attempt_that_is_repeated_waits_for_its_slot_again)
{
	struct fake_group anns, bobs;
	struct fake_call *call;

	begin(1, 0);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	call = world_submit_one(&world, &anns, "http://a:80", 10 * MS);
	call->steps[0] = (struct fake_step){.takes_us = 10 * MS,
		.code = ITEM_UPSTREAM_STATUS,
		.again = true,
		.wait_us = 5 * MS,
		.hop = world_origin(&world, "http://b:80")};
	call->steps[1] = (struct fake_step){.takes_us = 10 * MS};
	call->step_count = 2;
	world_pump(&world);
	world_submit_one(&world, &bobs, "http://a:80", 100 * MS);
	world_run_until(&world, world.now_us + 105 * MS);
	ck_assert_uint_eq(call->starts, 1); /* it waits, and so does not keep bob from starting */
	world_close(&world, &anns);
	world_close(&world, &bobs);
	world_run(&world);
	ck_assert_uint_eq(call->starts, 2);
	ck_assert_uint_eq(call->returned_us, 1000 * SECOND + 120 * MS);
	finish();
}
END_TEST

START_TEST(without_memory_no_group_of_it_is_made_and_nothing_of_a_submission_is_taken)
{
	struct pool_group_options options;
	struct fake_group group;
	unsigned long n = 0;
	enum err_code code;

	begin(1, 5);
	options = world_options(ann);
	options.endpoint = "chat";
	do {
		mem_fail_at(++n);
		code = world_group_try(&world, &group, options);
		mem_fail_at(0);
		sched_check(world.sched);
		ck_assert(code == ERR_OK || code == ERR_NOMEM);
	} while (code != ERR_OK);
	ck_assert_uint_gt(n, 3);
	n = 0;
	do {
		struct fake_call *fake = world_call(&world, "http://a:80");

		mem_fail_at(++n);
		code = world_submit(&world, &group, &fake, 1);
		mem_fail_at(0);
		ck_assert(code == ERR_OK || code == ERR_NOMEM);
	} while (code != ERR_OK);
	ck_assert_uint_gt(n, 4); /* upstream, queue, its two turns, run */
	world_close(&world, &group);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_endpoint");
	TCase *tcase = tcase_create("endpoint");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, its_concurrency_holds_over_the_groups_of_two_callers);
	tcase_add_test(tcase, endpoints_of_different_names_do_not_bound_each_other);
	tcase_add_test(tcase, callers_take_turns_at_it);
	tcase_add_test(tcase, a_caller_gets_no_more_turns_by_calling_many_upstreams);
	tcase_add_test(tcase, its_rate_holds_over_two_groups);
	tcase_add_test(tcase, those_that_wait_for_its_rate_wait_for_one_timer);
	tcase_add_test(tcase, leaving_it_alone_does_not_bring_the_next_token_early);
	tcase_add_test(tcase, a_token_kept_for_a_call_that_cannot_start_is_not_worth_two_later);
	tcase_add_test(tcase, a_cancelled_group_passes_its_slot_on);
	tcase_add_test(tcase, a_promise_that_is_not_used_goes_to_the_next_one);
	tcase_add_test(tcase, a_groups_own_bounds_hold_beside_its_endpoints);
	tcase_add_test(tcase, an_attempt_that_is_repeated_waits_for_its_slot_again);
	tcase_add_test(
		tcase, without_memory_no_group_of_it_is_made_and_nothing_of_a_submission_is_taken);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
