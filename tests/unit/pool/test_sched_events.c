/* test_sched_events.c - what is told of breakers that open and close: each of them, however many do
 * so at once. */
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

#include "common/mem.h"

enum { HOSTS = 60 };

static const struct breaker_rule easily = {1, 30 * SECOND, 30 * SECOND};

static struct fake_world world;
static struct fake_group group;
static struct caller *ann;

static void begin(void)
{
	char name[24];

	world_init(&world, 1000, 1000);
	ann = world_caller("ann");
	for (unsigned i = 0; i < HOSTS; i++) {
		snprintf(name, sizeof name, "http://h%02u:80", i);
		world_origin(&world, name)->rule = easily;
	}
	world_group(&world, &group, world_options(ann));
}

static void finish(void)
{
	world_close(&world, &group);
	world_end(&world);
	caller_unref(ann);
}

/* One call to each host; they come back together, 1 ms from now. */
static void call_all(enum item_code code)
{
	for (size_t i = 0; i < HOSTS; i++) {
		struct fake_call *fake = world_call(&world, world.origins[i].name);

		fake->steps[0] = (struct fake_step){.takes_us = MS, .code = code};
		ck_assert_int_eq(world_submit(&world, &group, &fake, 1), ERR_OK);
	}
	world_pump(&world);
}

static void ck_told(size_t count, bool opened, size_t lost)
{
	struct sched_events events;
	bool told[HOSTS] = {false};

	sched_take_events(world.sched, &events);
	ck_assert_uint_eq(events.count, count);
	ck_assert_uint_eq(events.lost, lost);
	for (size_t i = 0; i < count; i++) {
		size_t host = strtoul(events.items[i].origin + strlen("http://h"), NULL, 10);

		ck_assert_uint_lt(host, HOSTS);
		ck_assert_str_eq(events.items[i].origin, world.origins[host].name);
		ck_assert(!told[host]);
		told[host] = true;
		ck_assert(events.items[i].opened == opened);
		ck_assert_uint_eq(events.items[i].open_us, opened ? 30 * SECOND : 0);
	}
	mem_free(events.items);
}

START_TEST(each_host_that_is_given_up_and_each_that_recovers_is_told_of_once)
{
	begin();
	ck_told(0, true, 0);
	call_all(ITEM_CONNECT_FAILED);
	world_run_until(&world, world.now_us + MS);
	ck_told(HOSTS, true, 0);
	ck_told(0, true, 0);
	world_run_until(&world, world.now_us + 30 * SECOND);
	call_all(ITEM_OK);
	world_run_until(&world, world.now_us + MS);
	ck_told(HOSTS, false, 0);
	ck_told(0, false, 0);
	finish();
}
END_TEST

START_TEST(those_that_there_is_no_memory_for_are_counted_and_the_next_ones_told)
{
	begin();
	call_all(ITEM_CONNECT_FAILED);
	mem_fail_at(2); /* after the first few */
	world_run_until(&world, world.now_us + MS);
	ck_assert(mem_failed());
	mem_fail_at(0);
	ck_told(8, true, HOSTS - 8);
	world_run_until(&world, world.now_us + 30 * SECOND);
	call_all(ITEM_OK);
	world_run_until(&world, world.now_us + MS);
	ck_told(HOSTS, false, 0);
	finish();
}
END_TEST

START_TEST(what_nobody_took_goes_with_the_scheduler)
{
	begin();
	call_all(ITEM_CONNECT_FAILED);
	world_run_until(&world, world.now_us + MS);
	finish(); /* valgrind and ASan look at this */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/sched, events");
	TCase *tcase = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, each_host_that_is_given_up_and_each_that_recovers_is_told_of_once);
	tcase_add_test(tcase, those_that_there_is_no_memory_for_are_counted_and_the_next_ones_told);
	tcase_add_test(tcase, what_nobody_took_goes_with_the_scheduler);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
