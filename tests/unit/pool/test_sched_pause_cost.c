/* test_sched_pause_cost.c - what pauses cost: with thousands who wait, and over thousands of
 * upstreams. */
#include "tests/unit/pool/pause_world.h"

/* Answers come one by one, each of which asks for a later end. What each costs must not depend on
 * how many wait there, the caller's own or anothers: the world would take minutes otherwise. */
START_TEST(thousands_may_be_asked_to_wait_while_thousands_wait)
{
	enum { THROTTLED = 20000, WAITING = 50000 };
	struct fake_group *waiting = _i ? &bobs : &anns, many;

	begin();
	world.checks = false;
	here->limit = THROTTLED;
	sched_set_bounds(world.sched, THROTTLED, THROTTLED + WAITING, world.now_us);
	world.max_in_flight = THROTTLED;
	world_group(&world, &many, world_options(ann));
	for (size_t i = 0; i < THROTTLED; i++)
		submit_throttled(&many, MS + i, 5 * SECOND);
	world_pump(&world);
	world_window(&world, waiting, 0);
	world_submit_many(&world, waiting, HERE, WAITING, MS);
	world_run_until(&world, START + SECOND);
	ck_assert_uint_eq(many.returned, THROTTLED);
	ck_assert_uint_eq(waiting->returned, 0);
	world_cancel(&world, waiting, POOL_CLIENT_GONE);
	world_close(&world, &many);
	finish();
}
END_TEST

static void any_rule(void *self, const struct url *url, struct upstream_rule *ret_rule)
{
	static struct upstream_counts sum;

	(void)self;
	(void)url;
	*ret_rule = (struct upstream_rule){.concurrency = 10, .sum = &sum};
}

static void be_throttled(struct sched *sched, struct pool_group *group, char *origin)
{
	static const struct retry_policy policy = {.max_attempts = 1};
	struct call call = {.request.url = {.text = origin, .host = origin, .origin = origin},
		.request.timeout_us = SECOND,
		.request.retry = &policy};
	struct call *calls[] = {&call};

	MUST(sched_submit(sched, group, calls, 1, START) == ERR_OK);
	MUST(sched_pick(sched, START) == &call);
	call.verdict = VERDICT_GOOD;
	call.throttled = true;
	call.pause_us = UINT64_MAX;
	sched_give_back(sched, &call, START);
}

/* One caller's items name as many hosts as there are, and each asks for a day. */
START_TEST(upstreams_that_nobody_uses_are_bounded_also_where_each_asked_for_a_day)
{
	struct sched_options options = {
		.max_in_flight = 10, .queue_limit = 10, .upstream_rule = any_rule};
	struct pool_group_options of_group;
	struct pool_group *group;
	struct sched *sched;
	char origin[32];

	ann = world_caller("ann");
	of_group = world_options(ann);
	MUST(sched_new(&options, &sched) == ERR_OK);
	MUST(sched_group_new(sched, &of_group, START, &group) == ERR_OK);
	for (size_t i = 0; i < 3 * UPSTREAM_IDLE_MAX; i++) {
		snprintf(origin, sizeof origin, "http://host-%zu:80", i);
		be_throttled(sched, group, origin);
	}
	sched_check(sched);
	ck_assert_uint_le(sched_upstreams(sched, START, NULL, 0), 2 * UPSTREAM_IDLE_MAX);
	sched_group_close(sched, group);
	sched_destroy(sched);
	caller_unref(ann);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_pause_cost");
	TCase *tcase = tcase_create("pause_cost");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, thousands_may_be_asked_to_wait_while_thousands_wait, 0, 2);
	tcase_add_test(
		tcase, upstreams_that_nobody_uses_are_bounded_also_where_each_asked_for_a_day);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
