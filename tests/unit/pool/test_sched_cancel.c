/* test_sched_cancel.c - calls that are not to go on: stopped on an error, cancelled, their client
 * gone. */
#include "tests/unit/pool/one_group.h"

START_TEST(stop_on_error_stops_those_that_never_started_and_no_others)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call **fakes, *retried;

	options.stop_on_error = true;
	options.concurrency = 3;
	begin_with(10, options);
	retried = world_submit_one(&world, &group, "http://a:80", 5 * MS);
	retry_after(retried, 100 * MS);
	fakes = world_submit_many(&world, &group, "http://a:80", 10, 20 * MS);
	fakes[0]->steps[0].code = ITEM_CONNECT_FAILED;
	fakes[0]->steps[0].takes_us = 10 * MS;
	world_run(&world);
	check_end(retried, ITEM_OK, REASON_NONE); /* had begun: its next attempt is made */
	ck_assert_uint_eq(retried->starts, 2);
	check_end(fakes[0], ITEM_CONNECT_FAILED, REASON_NONE);
	check_end(fakes[1], ITEM_OK, REASON_NONE); /* was in flight */
	check_end(fakes[2], ITEM_OK, REASON_NONE);
	for (size_t i = 3; i < 10; i++)
		check_end(fakes[i], ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	finish();
}
END_TEST

START_TEST(stop_on_error_lets_a_retry_go_on_that_is_back_in_the_queue)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call *retried, *failing, *fresh;

	options.stop_on_error = true;
	begin_with(1, options);
	retried = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	retry_after(retried, 10 * MS);
	failing = world_submit_one(&world, &group, "http://b:80", 50 * MS);
	failing->steps[0].code = ITEM_CONNECT_FAILED;
	fresh = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	world_run(&world);
	check_end(retried, ITEM_OK, REASON_NONE);
	ck_assert_uint_eq(retried->starts, 2);
	check_end(fresh, ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	finish();
}
END_TEST

START_TEST(a_call_that_fails_while_it_waits_for_its_retry_stops_the_others_too)
{
	struct pool_group_options options = world_options(NULL);
	struct fake_call *failing, *after;

	options.stop_on_error = true;
	begin_with(1, options);
	failing = world_submit_one(&world, &group, "http://a:80", 10 * MS);
	failing->call.request.timeout_us = 50 * MS;
	retry_after(failing, 20 * MS);
	world_submit_one(&world, &group, "http://b:80", SECOND);
	after = world_submit_one(&world, &group, "http://b:80", SECOND);
	world_run(&world);
	check_end(failing, ITEM_TIMEOUT, REASON_RETRY_WAIT);
	check_end(after, ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	finish();
}
END_TEST

START_TEST(cancelling_ends_the_queued_and_those_that_wait_for_a_retry)
{
	struct fake_call **fakes, *late;

	begin_with(2, world_options(NULL));
	fakes = world_submit_many(&world, &group, "http://a:80", 5, 10 * MS);
	retry_after(fakes[0], SECOND);
	fakes[1]->steps[0].takes_us = 100 * MS;
	fakes[2]->steps[0].takes_us = 100 * MS;
	retry_after(fakes[2], 0);
	world_run_until(&world, world.now_us + 50 * MS);
	world_cancel(&world, &group, POOL_CLIENT_GONE);
	world_cancel(&world, &group, POOL_DRAIN); /* the first reason counts */
	ck_assert_int_eq(sched_group_abort(group.handle), CALL_END_CLIENT_GONE);
	world_collect(&world);
	check_end(fakes[0], ITEM_CANCELLED, REASON_CLIENT_GONE);
	check_end(fakes[3], ITEM_CANCELLED, REASON_CLIENT_GONE);
	check_end(fakes[4], ITEM_CANCELLED, REASON_CLIENT_GONE);
	ck_assert_uint_eq(fakes[1]->returns, 0);
	world_run(&world);
	check_end(fakes[1], ITEM_OK, REASON_NONE);
	check_end(fakes[2], ITEM_CANCELLED, REASON_CLIENT_GONE); /* asked for another attempt */
	late = world_submit_one(&world, &group, "http://a:80", MS);
	world_run(&world);
	check_end(late, ITEM_CANCELLED, REASON_CLIENT_GONE);
	finish();
}
END_TEST

START_TEST(a_client_that_leaves_after_stop_on_error_stops_the_rest_too)
{
	struct fake_call *retried;

	begin_with(2, world_options(NULL));
	retried = world_submit_one(&world, &group, "http://a:80", 5 * MS);
	retry_after(retried, SECOND);
	world_run_until(&world, world.now_us + 10 * MS);
	world_cancel(&world, &group, POOL_STOP_ON_ERROR);
	ck_assert_int_eq(sched_group_abort(group.handle), CALL_END_NONE);
	world_cancel(&world, &group, POOL_CLIENT_GONE);
	world_collect(&world);
	check_end(retried, ITEM_CANCELLED, REASON_CLIENT_GONE);
	finish();
}
END_TEST

START_TEST(cancel_all_reaches_every_group_and_those_made_later)
{
	struct fake_group other, later;
	struct fake_call *queued, *born_late;

	begin_with(1, world_options(NULL));
	world_group(&world, &other, world_options(ann));
	world_submit_one(&world, &group, "http://a:80", 10 * MS);
	world_pump(&world);
	world_close(&world, &group);
	queued = world_submit_one(&world, &other, "http://a:80", 10 * MS);
	world_close(&world, &other);
	sched_cancel_all(world.sched, POOL_DRAIN);
	sched_check(world.sched);
	world_group(&world, &later, world_options(ann));
	born_late = world_submit_one(&world, &later, "http://a:80", 10 * MS);
	world_collect(&world);
	check_end(queued, ITEM_CANCELLED, REASON_DRAIN);
	check_end(born_late, ITEM_CANCELLED, REASON_DRAIN);
	world_close(&world, &later);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_cancel");
	TCase *tcase = tcase_create("cancel");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, stop_on_error_stops_those_that_never_started_and_no_others);
	tcase_add_test(tcase, stop_on_error_lets_a_retry_go_on_that_is_back_in_the_queue);
	tcase_add_test(tcase, a_call_that_fails_while_it_waits_for_its_retry_stops_the_others_too);
	tcase_add_test(tcase, cancelling_ends_the_queued_and_those_that_wait_for_a_retry);
	tcase_add_test(tcase, a_client_that_leaves_after_stop_on_error_stops_the_rest_too);
	tcase_add_test(tcase, cancel_all_reaches_every_group_and_those_made_later);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
