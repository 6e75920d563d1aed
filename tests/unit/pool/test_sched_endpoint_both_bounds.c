/* test_sched_endpoint_both_bounds.c - a named endpoint and the upstream behind it are full at once:
 * what waits for one bound holds none of the other, and nobody starves. */
#include "tests/unit/pool/endpoint_world.h"

START_TEST(others_calls_to_its_upstream_are_not_held_up_by_a_full_endpoint)
{
	struct fake_group chats, bobs;

	begin(1, 0);
	world_origin(&world, "http://a:80")->limit = 2;
	open_group(&chats, ann, "chat");
	open_group(&bobs, bob, NULL);
	world_submit_many(&world, &chats, "http://a:80", 50, SECOND);
	world_pump(&world);
	world_submit_many(&world, &bobs, "http://a:80", 50, 10 * MS);
	world_run_until(&world, world.now_us + 500 * MS);
	ck_assert_uint_eq(bobs.returned, 50);
	ck_assert_uint_eq(chats.flying, 1);
	world_close(&world, &chats);
	world_close(&world, &bobs);
	finish();
}
END_TEST

static const struct {
	unsigned endpoint, upstream; /* slots */
	size_t at_least;             /* calls of each caller within a second */
} both_bounds[] = {
	{1, 1, 33},
	{1, 2, 34},
	{1, 3, 36},
	{2, 2, 66},
	{2, 3, 66},
	{2, 5, 80},
	{3, 2, 66},
	{5, 7, 200},
};

START_TEST(nobody_starves_where_both_bounds_are_full)
{
	static const uint64_t takes[] = {10 * MS, 11 * MS, 7 * MS};
	unsigned slots = both_bounds[_i].upstream;
	struct fake_group groups[3];

	begin(both_bounds[_i].endpoint, 0);
	world_origin(&world, "http://a:80")->limit = slots;
	open_group(&groups[0], ann, "chat");
	open_group(&groups[1], cy, "chat");
	open_group(&groups[2], bob, NULL);
	for (size_t i = 0; i < 3; i++)
		world_submit_many(&world, &groups[i], "http://a:80", 1000, takes[i]);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_ge(world.returned, 88 * slots); /* the upstream is never idle */
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_ge(groups[i].returned, both_bounds[_i].at_least);
	for (size_t i = 0; i < 3; i++) {
		world_cancel(&world, &groups[i], POOL_CLIENT_GONE);
		world_close(&world, &groups[i]);
	}
	finish();
}
END_TEST

START_TEST(many_groups_of_one_caller_do_not_starve_another_where_both_bounds_are_full)
{
	struct fake_group anns[20], cys, bobs;

	begin(1, 0);
	world_origin(&world, "http://a:80")->limit = 1;
	open_group(&bobs, bob, NULL);
	world_submit_many(&world, &bobs, "http://a:80", 100, 10 * MS);
	for (size_t i = 0; i < 20; i++) {
		open_group(&anns[i], ann, "chat");
		world_submit_many(&world, &anns[i], "http://a:80", 10, 10 * MS);
		world_pump(&world);
	}
	open_group(&cys, cy, "chat");
	world_submit_many(&world, &cys, "http://a:80", 100, 10 * MS);
	world_run_until(&world, world.now_us + 600 * MS);
	ck_assert_uint_ge(cys.returned, 12);
	ck_assert_uint_ge(bobs.returned, 12);
	world_close(&world, &bobs);
	for (size_t i = 0; i < 20; i++)
		world_close(&world, &anns[i]);
	world_close(&world, &cys);
	finish();
}
END_TEST

START_TEST(a_full_upstream_does_not_strand_its_slots)
{
	struct fake_group anns, bobs, others;

	begin(1, 0);
	world_origin(&world, "http://a:80")->limit = 1;
	open_group(&others, cy, NULL);
	world_submit_one(&world, &others, "http://a:80", 10 * SECOND);
	world_pump(&world);
	open_group(&anns, ann, "chat");
	world_submit_many(&world, &anns, "http://a:80", 5, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(anns.flying, 0);
	open_group(&bobs, bob, "chat");
	world_submit_many(&world, &bobs, "http://b:80", 20, 10 * MS);
	world_run_until(&world, world.now_us + 250 * MS);
	ck_assert_uint_eq(bobs.returned, 20);
	world_run_until(&world, 1010 * SECOND + 100 * MS);
	ck_assert_uint_eq(anns.returned, 5);
	world_close(&world, &anns);
	world_close(&world, &bobs);
	world_close(&world, &others);
	finish();
}
END_TEST

/* What is done where both bounds are full does not grow with those that wait: the world would take
 * hours otherwise. */
START_TEST(thousands_of_groups_may_wait_for_two_full_bounds)
{
	enum { GROUPS = 20000 };
	struct fake_group *groups = mem_new((GROUPS + 1) * sizeof *groups);

	begin(2, 0);
	world.checks = false;
	world_origin(&world, "http://a:80")->limit = 3;
	open_group(&groups[GROUPS], bob, NULL);
	world_submit_many(&world, &groups[GROUPS], "http://a:80", GROUPS, 9 * MS);
	for (size_t i = 0; i < GROUPS; i++) {
		open_group(&groups[i], ann, "chat");
		world_submit_one(&world, &groups[i], "http://a:80", 10 * MS);
		world_close(&world, &groups[i]);
	}
	world_close(&world, &groups[GROUPS]);
	finish();
	mem_free(groups);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_endpoint_both_bounds");
	TCase *tcase = tcase_create("endpoint_both_bounds");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, others_calls_to_its_upstream_are_not_held_up_by_a_full_endpoint);
	tcase_add_loop_test(tcase, nobody_starves_where_both_bounds_are_full, 0,
		sizeof both_bounds / sizeof *both_bounds);
	tcase_add_test(
		tcase, many_groups_of_one_caller_do_not_starve_another_where_both_bounds_are_full);
	tcase_add_test(tcase, a_full_upstream_does_not_strand_its_slots);
	tcase_add_test(tcase, thousands_of_groups_may_wait_for_two_full_bounds);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
