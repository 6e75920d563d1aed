/* test_sched_pause_room.c - who must wait for an upstream holds no room that others could use: no
 * slot, no token, no place of an endpoint or of its batch. */
#include "tests/unit/pool/pause_world.h"

START_TEST(a_slot_kept_for_who_must_wait_goes_to_another)
{
	struct fake_call *anns_own, *bobs_own;

	begin();
	here->limit = 2;
	world_submit_one(&world, &anns, HERE, MS);
	submit_throttled(&anns, MS, 5 * SECOND);
	world_pump(&world);
	anns_own = submit_one(&anns, HERE);
	world_pump(&world);
	bobs_own = world_submit_many(&world, &bobs, HERE, 2, SECOND)[1];
	world_pump(&world);
	world_land(&world, world.calls[0]); /* ann is promised its slot */
	world_land(&world, world.calls[1]); /* and must wait */
	world_pump(&world);
	ck_assert_uint_eq(anns_own->starts, 0);
	ck_assert_uint_eq(bobs_own->starts, 1);
	world_run(&world);
	ck_assert_uint_eq(anns_own->starts, 1);
	finish();
}
END_TEST

START_TEST(who_must_wait_holds_nothing_of_an_endpoint_nor_a_token)
{
	struct pool_group_options options = {0};
	struct fake_group chats[2];
	struct fake_call *anns_own, *bobs_own;

	begin();
	here->bucket.rate = 1;
	world_bound(&world, world_endpoint(&world, "chat"), 1, 0);
	for (size_t i = 0; i < 2; i++) {
		options = world_options(i ? bob : ann);
		options.endpoint = "chat";
		world_group(&world, &chats[i], options);
	}
	pause_ann(5 * SECOND);
	anns_own = submit_one(&chats[0], HERE);
	world_pump(&world);
	bobs_own = submit_one(&chats[1], HERE);
	world_run_until(&world, START + SECOND + 10);
	ck_assert_uint_eq(bobs_own->starts, 1);
	ck_assert_uint_eq(anns_own->starts, 0);
	for (size_t i = 0; i < 2; i++)
		world_close(&world, &chats[i]);
	finish();
}
END_TEST

START_TEST(what_waits_for_its_endpoint_waits_on_where_it_is_paused_meanwhile)
{
	struct pool_group_options options;
	struct fake_group chats;
	struct fake_call *held, *call, *next;

	begin();
	world_bound(&world, world_endpoint(&world, "chat"), 1, 0);
	options = world_options(ann);
	options.endpoint = "chat";
	world_group(&world, &chats, options);
	held = world_submit_one(&world, &chats, THERE, SECOND);
	world_pump(&world);
	call = submit_one(&chats, HERE);
	next = submit_one(&chats, THERE);
	world_pump(&world);
	pause_ann(5 * SECOND);
	world_run_until(&world, START + 2 * SECOND);
	ck_assert_uint_eq(held->returns, 1);
	ck_assert_uint_eq(next->returns, 1); /* the endpoint's slot went past it */
	ck_assert_uint_eq(call->starts, 0);
	world_run(&world);
	ck_assert_uint_eq(call->begun_us, START + MS + 5 * SECOND);
	world_close(&world, &chats);
	finish();
}
END_TEST

START_TEST(a_batchs_other_calls_go_on_also_one_after_the_other)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call *paused, *others[3];

	begin();
	pause_ann(5 * SECOND);
	options = world_options(ann);
	options.concurrency = 1;
	world_group(&world, &group, options);
	others[0] = submit_one(&group, THERE);
	paused = submit_one(&group, HERE);
	others[1] = submit_one(&group, THERE);
	others[2] = submit_one(&group, THERE);
	world_run_until(&world, START + 10 * MS);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(others[i]->returns, 1);
	ck_assert_uint_eq(paused->starts, 0);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(after_it_the_caller_has_its_turn_soon)
{
	struct fake_call *calls[3];

	begin();
	here->limit = 1;
	pause_ann(5 * SECOND);
	for (size_t i = 0; i < 3; i++)
		calls[i] = world_submit_one(&world, &anns, HERE, 10 * MS);
	world_submit_many(&world, &bobs, HERE, 1000, 10 * MS);
	world_run_until(&world, START + 5 * SECOND + 100 * MS);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_le(calls[i]->begun_us, START + 5 * SECOND + 20 * MS + i * 20 * MS);
	ck_assert_uint_ge(bobs.returned, 500);
	finish();
}
END_TEST

START_TEST(budgeted_retries_are_kept_too)
{
	struct fake_call *calls[5];

	begin();
	here->retry_percent = 20;
	for (size_t i = 0; i < 5; i++) {
		calls[i] = make_throttled(MS + i, i ? 0 : 5 * SECOND);
		calls[i]->steps[0].again = true;
		calls[i]->steps[1] = (struct fake_step){.takes_us = MS};
		calls[i]->step_count = 2;
	}
	MUST(world_submit(&world, &anns, calls, 5) == ERR_OK);
	world_run_until(&world, START + 5 * SECOND + MS - 1);
	ck_assert_uint_eq(world.start_count, 5);
	ck_assert_uint_eq(world_info(&world, HERE).queued, 5);
	world_run_until(&world, START + 5 * SECOND + MS);
	ck_assert_uint_eq(here->retries_flying, 3);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_pause_room");
	TCase *tcase = tcase_create("pause_room");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_slot_kept_for_who_must_wait_goes_to_another);
	tcase_add_test(tcase, who_must_wait_holds_nothing_of_an_endpoint_nor_a_token);
	tcase_add_test(tcase, what_waits_for_its_endpoint_waits_on_where_it_is_paused_meanwhile);
	tcase_add_test(tcase, a_batchs_other_calls_go_on_also_one_after_the_other);
	tcase_add_test(tcase, after_it_the_caller_has_its_turn_soon);
	tcase_add_test(tcase, budgeted_retries_are_kept_too);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
