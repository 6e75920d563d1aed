/* test_sched_breaker_reload.c - a reload that switches a breaker off or on, or gives it other
 * numbers, and what is open or in flight then. */
#include "tests/unit/pool/breaker_world.h"

START_TEST(a_reload_that_switches_it_off_lets_calls_through_at_once)
{
	struct fake_call *call;

	begin(1000);
	kill_upstream();
	reload(&(struct breaker_rule){0});
	ck_state(BREAKER_CLOSED);
	call = submit(&killers, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_assert_uint_eq(call->starts, 1);
	submit_failing(&killers, 20, MS);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	finish();
}
END_TEST

START_TEST(a_reload_that_switches_it_off_half_open_lets_go_who_waits)
{
	struct fake_group anns, bobs;
	struct fake_call *calls[10];

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	submit_to_half_open(&anns, &bobs, calls);
	calls[0]->steps[0].code = ITEM_CONNECT_FAILED;
	reload(&(struct breaker_rule){0});
	world_pump(&world);
	ck_assert_uint_eq(dead->flying, 10);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(a_reload_that_switches_it_on_counts_from_then_on)
{
	begin(1000);
	reload(&(struct breaker_rule){0});
	submit_failing(&killers, 20, MS);
	world_run(&world);
	reload(&usual);
	ck_state(BREAKER_CLOSED);
	submit_failing(&killers, 4, MS);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	submit_failing(&killers, 1, MS);
	world_run(&world);
	ck_state(BREAKER_OPEN);
	finish();
}
END_TEST

START_TEST(a_reload_with_other_numbers_leaves_it_open_and_counts_with_them)
{
	struct fake_call *call;

	begin(1000);
	kill_upstream();
	reload(&(struct breaker_rule){1, 5 * SECOND, 5 * SECOND});
	ck_state(BREAKER_OPEN);
	ck_assert_uint_eq(world_info(&world, DEAD).open_us, 30 * SECOND);
	call = submit(&killers, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_refused(call, 0);
	wait_until_half_open();
	submit_failing(&killers, 1, MS);
	world_run(&world);
	ck_assert_uint_eq(world_info(&world, DEAD).open_us, 5 * SECOND);
	finish();
}
END_TEST

START_TEST(a_reload_that_switches_it_off_and_on_makes_the_one_in_flight_a_call_like_others)
{
	static const enum item_code codes[] = {ITEM_TIMEOUT, ITEM_OK, ITEM_CONNECT_FAILED};
	struct fake_call *old, *probe, *waits;

	begin(1000);
	kill_upstream();
	wait_until_half_open();
	old = submit(&killers, DEAD, 40 * SECOND, codes[_i]);
	world_pump(&world);
	reload(&(struct breaker_rule){0});
	reload(&usual);
	kill_upstream();
	wait_until_half_open();
	probe = submit(&killers, DEAD, 20 * SECOND, ITEM_OK);
	waits = submit(&killers, DEAD, MS, ITEM_OK);
	world_pump(&world);
	ck_assert_uint_eq(probe->starts, 1);
	world_run_until(&world, old->begun_us + 40 * SECOND);
	ck_assert_uint_eq(old->returns, 1);
	ck_state(BREAKER_HALF_OPEN); /* it was begun before the breaker opened */
	ck_assert_uint_eq(waits->starts, 0);
	world_run(&world);
	ck_state(BREAKER_CLOSED);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_breaker_reload");
	TCase *tcase = tcase_create("breaker_reload");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_reload_that_switches_it_off_lets_calls_through_at_once);
	tcase_add_test(tcase, a_reload_that_switches_it_off_half_open_lets_go_who_waits);
	tcase_add_test(tcase, a_reload_that_switches_it_on_counts_from_then_on);
	tcase_add_test(tcase, a_reload_with_other_numbers_leaves_it_open_and_counts_with_them);
	tcase_add_loop_test(tcase,
		a_reload_that_switches_it_off_and_on_makes_the_one_in_flight_a_call_like_others, 0,
		3);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
