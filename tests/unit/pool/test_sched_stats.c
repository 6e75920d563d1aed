/* test_sched_stats.c - which upstreams the scheduler tells of, in which order, and what of each. */
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

enum { ROOM = 64 };

static struct fake_world world;
static struct caller *ann;
static struct fake_group group;
static struct upstream_info infos[ROOM];

static void begin(void)
{
	world_init(&world, 1000, 100000);
	ann = world_caller("ann");
	world_group(&world, &group, world_options(ann));
}

static void finish(void)
{
	world_run(&world);
	world_close(&world, &group);
	world_free(&world);
	caller_unref(ann);
}

static size_t ask(size_t room)
{
	memset(infos, 0, sizeof infos);
	return sched_upstreams(world.sched, world.now_us, infos, room);
}

/* `origins` has blanks between them; what is beyond the room of the answer is empty. */
static void assert_order(size_t count, const char *origins)
{
	char found[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		len += (size_t)snprintf(found + len, sizeof found - len, "%s%.64s",
			i > 0 ? " " : "", infos[i].origin);
		ck_assert_uint_lt(len, sizeof found);
	}
	ck_assert_str_eq(found, origins);
	ck_assert_str_eq(infos[count].origin, "");
}

static void run_failing(const char *origin, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct fake_call *call = world_call(&world, origin);

		call->steps[0].code = ITEM_CONNECT_FAILED;
		ck_assert_int_eq(world_submit(&world, &group, &call, 1), ERR_OK);
	}
}

START_TEST(what_is_not_closed_comes_first_then_most_work_then_the_alphabet)
{
	begin();
	world_origin(&world, "http://dead:80")->rule =
		(struct breaker_rule){2, 30 * SECOND, 300 * SECOND};
	world_origin(&world, "http://busy:80")->limit = 3;
	run_failing("http://dead:80", 2);
	world_submit_many(&world, &group, "http://b:80", 1, 10 * MS);
	world_submit_many(&world, &group, "http://a:80", 1, 10 * MS);
	world_run(&world); /* from here on all three are idle */
	world_submit_many(&world, &group, "http://busy:80", 9, 10 * MS);
	world_submit_many(&world, &group, "http://wide:80", 8, 10 * MS);
	world_pump(&world);
	ck_assert_uint_eq(ask(ROOM - 1), 5);
	assert_order(5, "http://dead:80 http://busy:80 http://wide:80 http://a:80 http://b:80");
	ck_assert_int_eq(infos[0].state, BREAKER_OPEN);
	ck_assert_uint_eq(infos[1].in_flight, 3);
	ck_assert_uint_eq(infos[1].queued, 6);
	ck_assert_uint_eq(infos[2].in_flight, 8);
	finish();
}
END_TEST

START_TEST(with_less_room_the_foremost_are_told)
{
	begin();
	world_origin(&world, "http://dead:80")->rule =
		(struct breaker_rule){1, 30 * SECOND, 300 * SECOND};
	run_failing("http://dead:80", 1);
	world_run(&world);
	for (unsigned i = 1; i <= 30; i++) { /* n calls for n */
		char origin[24];

		snprintf(origin, sizeof origin, "http://n%02u:80", (i * 7) % 31);
		world_submit_many(&world, &group, origin, (i * 7) % 31, 10 * MS);
	}
	world_pump(&world);
	ck_assert_uint_eq(ask(4), 31);
	assert_order(4, "http://dead:80 http://n30:80 http://n29:80 http://n28:80");
	ck_assert_uint_eq(ask(1), 31);
	assert_order(1, "http://dead:80");
	ck_assert_uint_eq(ask(0), 31);
	ck_assert_str_eq(infos[0].origin, "");
	ck_assert_uint_eq(ask(31), 31);
	ck_assert_str_eq(infos[30].origin, "http://n01:80");
	ck_assert_uint_eq(ask(32), 31);
	ck_assert_str_eq(infos[31].origin, "");
	finish();
}
END_TEST

START_TEST(nothing_was_called_nothing_is_told)
{
	begin();
	ck_assert_uint_eq(ask(5), 0);
	assert_order(0, "");
	finish();
}
END_TEST

START_TEST(an_upstream_tells_its_limits_its_counts_and_how_long_it_has_been_idle)
{
	struct fake_origin *origin;

	begin();
	origin = world_origin(&world, "http://a:80");
	origin->limit = 7;
	origin->retry_percent = 20;
	origin->rule = (struct breaker_rule){3, 30 * SECOND, 300 * SECOND};
	run_failing("http://a:80", 3);
	world_run(&world);
	world.now_us += 10 * SECOND;
	run_failing("http://a:80", 1); /* refused */
	ck_assert_uint_eq(ask(5), 1);
	ck_assert_int_eq(infos[0].state, BREAKER_OPEN);
	ck_assert_uint_eq(infos[0].open_us, 20 * SECOND);
	ck_assert_uint_eq(infos[0].idle_us, 10 * SECOND);
	ck_assert_uint_eq(infos[0].rule, FAKE_RULE);
	ck_assert_uint_eq(infos[0].concurrency, 7);
	ck_assert_uint_eq(infos[0].retry_percent, 20);
	ck_assert(infos[0].has_breaker);
	ck_assert_uint_eq(infos[0].counts.attempts, 3);
	ck_assert_uint_eq(infos[0].counts.failures, 3);
	ck_assert_uint_eq(infos[0].counts.refused, 1);
	ck_assert_uint_eq(infos[0].counts.opened, 1);
	ck_assert(infos[0].attempts_per_s > 0.05 && infos[0].attempts_per_s < 0.3);
	world.now_us += 20 * SECOND; /* nobody has asked since: it would let a probe through */
	ck_assert_uint_eq(ask(5), 1);
	ck_assert_int_eq(infos[0].state, BREAKER_HALF_OPEN);
	ck_assert_uint_eq(infos[0].open_us, 0);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_stats");
	TCase *tests = tcase_create("sched_stats");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, what_is_not_closed_comes_first_then_most_work_then_the_alphabet);
	tcase_add_test(tests, with_less_room_the_foremost_are_told);
	tcase_add_test(tests, nothing_was_called_nothing_is_told);
	tcase_add_test(
		tests, an_upstream_tells_its_limits_its_counts_and_how_long_it_has_been_idle);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
