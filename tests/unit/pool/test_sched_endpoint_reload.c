/* test_sched_endpoint_reload.c - a reload that raises, lowers or removes a named endpoint's bounds
 * while calls run and wait. */
#include "tests/unit/pool/endpoint_world.h"

START_TEST(a_reload_raises_it_and_those_that_wait_start)
{
	struct fake_group anns, bobs;

	begin(1, 0);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &anns, "http://a:80", 10, SECOND);
	world_submit_many(&world, &bobs, "http://a:80", 10, SECOND);
	world_pump(&world);
	ck_assert_uint_eq(world.flying, 1);
	reload(7, 0);
	world_pump(&world);
	ck_assert_uint_eq(world.flying, 7);
	ck_assert_uint_ge(bobs.flying, 3);
	reload(2, 0); /* what is in flight stays */
	world_pump(&world);
	ck_assert_uint_eq(world.flying, 7);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(world.flying, 2);
	reload(UINT_MAX, 0); /* it is not bounded any more */
	world_pump(&world);
	ck_assert_uint_eq(world.flying + world.returned, 20);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	finish();
}
END_TEST

START_TEST(a_reload_changes_its_rate_and_those_that_wait_go_by_the_new_one)
{
	struct fake_group group;

	begin(UINT_MAX, 0.001);
	world_origin(&world, "http://a:80")->limit = 1000;
	open_group(&group, ann, "chat");
	world_submit_many(&world, &group, "http://a:80", 200, MS);
	world_run_until(&world, world.now_us + 10 * SECOND);
	ck_assert_uint_eq(world.start_count, 1);
	reload(UINT_MAX, 10);
	world_run_until(&world, world.now_us + SECOND + 200);
	ck_assert_uint_eq(world.start_count, 11);
	reload(UINT_MAX, 0);
	world_pump(&world);
	ck_assert_uint_eq(world.start_count, 200);
	world_close(&world, &group);
	finish();
}
END_TEST

START_TEST(an_endpoint_without_bounds_gets_them_by_a_reload)
{
	struct fake_group group;

	begin(UINT_MAX, 0);
	open_group(&group, ann, "chat");
	world_submit_many(&world, &group, "http://a:80", 5, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(world.flying, 5);
	reload(2, 0);
	world_submit_many(&world, &group, "http://a:80", 5, 10 * MS);
	world_run_until(&world, world.now_us + 15 * MS);
	ck_assert_uint_eq(world.flying, 2);
	world_close(&world, &group);
	world_run(&world);
	reload(UINT_MAX, 0); /* nobody uses it and it bounds nothing: it is forgotten */
	finish();
}
END_TEST

START_TEST(what_runs_when_a_reload_removes_it_keeps_to_its_bounds)
{
	struct fake_group anns, bobs;

	begin(2, 100);
	open_group(&anns, ann, "chat");
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &anns, "http://a:80", 20, 50 * MS);
	world_submit_many(&world, &bobs, "http://a:80", 20, 50 * MS);
	world_run_until(&world, world.now_us + 30 * MS);
	chat->removed = true;
	reload(2, 100);
	world_run_until(&world, world.now_us + 100 * MS); /* the world minds its books */
	ck_assert_uint_eq(world.flying, 2);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	world_run(&world);
	ck_assert_uint_le(world.most_flying, 2);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_endpoint_reload");
	TCase *tcase = tcase_create("endpoint_reload");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_reload_raises_it_and_those_that_wait_start);
	tcase_add_test(tcase, a_reload_changes_its_rate_and_those_that_wait_go_by_the_new_one);
	tcase_add_test(tcase, an_endpoint_without_bounds_gets_them_by_a_reload);
	tcase_add_test(tcase, what_runs_when_a_reload_removes_it_keeps_to_its_bounds);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
