/* test_sched_turns.c - whose turn it is: callers, then their batches, then a batch's upstreams; no
 * one starves. */
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

static struct fake_world world;
static struct caller *ann, *bob;

static void begin(size_t max_in_flight)
{
	world_init(&world, max_in_flight, 100000);
	ann = world_caller("ann");
	bob = world_caller("bob");
}

static void finish(void)
{
	world_run(&world);
	world_free(&world);
	caller_unref(ann);
	caller_unref(bob);
}

/* How many starts the world has seen before the last of these calls began. */
static size_t starts_before(struct fake_call *const *fakes, size_t count)
{
	size_t last = 0;

	for (size_t i = 0; i < world.start_count; i++) {
		for (size_t j = 0; j < count; j++) {
			if (world.starts[i] == fakes[j])
				last = i;
		}
	}
	return last;
}

START_TEST(calls_to_one_upstream_start_in_the_order_of_submission)
{
	struct fake_group group;

	begin(3);
	world_group(&world, &group, world_options(ann));
	world_submit_many(&world, &group, "http://a:80", 40, 10 * MS);
	world_submit_many(&world, &group, "http://a:80", 40, 7 * MS);
	world_close(&world, &group);
	world_run(&world);
	for (size_t i = 0; i < 80; i++)
		ck_assert_uint_eq(world.starts[i]->number, i);
	finish();
}
END_TEST

START_TEST(callers_take_turns_whatever_number_of_batches_each_has)
{
	struct fake_group many[20], one;

	begin(1);
	for (size_t i = 0; i < 20; i++) {
		world_group(&world, &many[i], world_options(ann));
		world_submit_many(&world, &many[i], "http://a:80", 5, MS);
		world_close(&world, &many[i]);
	}
	world_group(&world, &one, world_options(bob));
	world_submit_many(&world, &one, "http://b:80", 10, MS);
	world_close(&world, &one);
	world_run(&world);
	for (size_t i = 0; i < 20; i++)
		ck_assert_int_eq(world.starts[i]->group == &one, i % 2);
	finish();
}
END_TEST

START_TEST(two_keys_of_one_name_are_one_caller)
{
	struct caller *again;
	struct fake_group first, second, other;

	begin(1);
	again = world_caller("ann");
	world_group(&world, &first, world_options(ann));
	world_group(&world, &second, world_options(again));
	world_group(&world, &other, world_options(bob));
	world_submit_many(&world, &first, "http://a:80", 6, MS);
	world_submit_many(&world, &second, "http://a:80", 6, MS);
	world_submit_many(&world, &other, "http://a:80", 6, MS);
	ck_assert_uint_eq(world_stats(&world).callers, 2);
	world_run_until(&world, world.now_us + 11 * MS);
	ck_assert_uint_eq(other.returned, 5);
	world_close(&world, &first);
	world_close(&world, &second);
	world_close(&world, &other);
	caller_unref(again);
	finish();
}
END_TEST

START_TEST(a_batch_takes_turns_between_its_upstreams)
{
	struct fake_group group;

	begin(1);
	world_group(&world, &group, world_options(ann));
	world_submit_many(&world, &group, "http://a:80", 50, MS);
	world_submit_many(&world, &group, "http://b:80", 3, MS);
	world_close(&world, &group);
	world_run(&world);
	for (size_t i = 0; i < 6; i++)
		ck_assert_str_eq(
			world.starts[i]->home->name, i % 2 ? "http://b:80" : "http://a:80");
	finish();
}
END_TEST

START_TEST(one_after_the_other_means_the_order_of_the_items_whatever_their_upstreams)
{
	static const char *const origins[] = {"http://a:80", "http://a:80", "http://b:80",
		"http://a:80", "http://c:80", "http://b:80", "http://a:80"};
	const size_t count = sizeof origins / sizeof *origins;
	struct fake_group group;
	struct pool_group_options options;

	begin(100);
	options = world_options(ann);
	options.concurrency = 1;
	world_group(&world, &group, options);
	for (size_t i = 0; i < count; i++)
		world_submit_many(&world, &group, origins[i], 1, MS);
	world_close(&world, &group);
	world_run(&world);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(world.starts[i]->number, i);
	finish();
}
END_TEST

START_TEST(a_batch_of_3_beside_one_of_10000_takes_twice_its_time_at_most)
{
	struct fake_group large, small;
	struct fake_call **three;
	uint64_t submitted;

	begin(1);
	world.checks = false;
	world_group(&world, &large, world_options(ann));
	world_submit_many(&world, &large, "http://a:80", 10000, 10 * MS);
	world_run_until(&world, world.now_us + 995 * MS);
	submitted = world.now_us;
	world_group(&world, &small, world_options(ann));
	three = world_submit_many(&world, &small, "http://a:80", 3, 10 * MS);
	world_run_until(&world, world.now_us + SECOND);
	ck_assert_uint_eq(small.returned, 3);
	ck_assert_uint_le(three[2]->returned_us - submitted, 2 * 30 * MS + 10 * MS);
	world_close(&world, &small);
	world_close(&world, &large);
	finish();
}
END_TEST

/* 100 batches of one caller and one of another, where what is scarce is the pool (`limit` large) or
 * the upstream. */
static void check_one_beside_a_hundred(size_t max_in_flight, unsigned limit)
{
	struct fake_group hundred[100], one;
	struct fake_call **three;
	size_t before, between;

	begin(max_in_flight);
	world_origin(&world, "http://a:80")->limit = limit;
	for (size_t i = 0; i < 100; i++) {
		world_group(&world, &hundred[i], world_options(ann));
		world_submit_many(&world, &hundred[i], "http://a:80", 20, (5 + i % 7) * MS);
		world_close(&world, &hundred[i]);
	}
	world_run_until(&world, world.now_us + 200 * MS);
	before = world.start_count;
	world_group(&world, &one, world_options(bob));
	three = world_submit_many(&world, &one, "http://a:80", 3, 10 * MS);
	world_close(&world, &one);
	world_run(&world);
	between = starts_before(three, 3) - before;
	ck_assert_msg(between <= 7, "%zu calls of the others went first", between - 2);
	finish();
}

START_TEST(a_caller_with_one_batch_does_not_wait_for_a_hundred_of_another_in_a_full_pool)
{
	check_one_beside_a_hundred(4, 128);
}
END_TEST

START_TEST(a_caller_with_one_batch_does_not_wait_for_a_hundred_of_another_at_a_full_upstream)
{
	check_one_beside_a_hundred(256, 4);
}
END_TEST

/* While calls of others come and take the room first, those that wait must not lose their places:
 * each batch advances. */
START_TEST(every_batch_that_waits_for_a_full_upstream_gets_its_share_beside_newcomers)
{
	struct fake_group waiting[10], newcomers[400];
	size_t least = SIZE_MAX, most = 0;

	begin(256);
	world_origin(&world, "http://a:80")->limit = 1;
	for (size_t i = 0; i < 10; i++) {
		world_group(&world, &waiting[i], world_options(ann));
		world_submit_many(&world, &waiting[i], "http://a:80", 100, 10 * MS);
	}
	for (size_t i = 0; i < 400; i++) { /* just before each landing somebody new comes */
		world_run_until(&world, world.now_us + 9 * MS);
		world_group(&world, &newcomers[i], world_options(bob));
		world_submit_one(&world, &newcomers[i], "http://a:80", 10 * MS);
		world_close(&world, &newcomers[i]);
		world_run_until(&world, world.now_us + MS);
	}
	for (size_t i = 0; i < 10; i++) {
		least = waiting[i].returned < least ? waiting[i].returned : least;
		most = waiting[i].returned > most ? waiting[i].returned : most;
	}
	ck_assert_msg(least > 0 && most <= least + 2, "between %zu and %zu calls", least, most);
	for (size_t i = 0; i < 10; i++)
		world_close(&world, &waiting[i]);
	finish();
}
END_TEST

/* Room at the upstream comes together with newcomers whose turn is first: it still goes to the one
 * who waited longest. */
START_TEST(newcomers_do_not_take_the_room_that_somebody_waited_for)
{
	struct pool_group_options one_at_a_time = world_options(NULL);
	struct fake_group waiting, newcomers[20];

	begin(256);
	one_at_a_time.caller = bob;
	one_at_a_time.concurrency = 1;
	world_origin(&world, "http://a:80")->limit = 1;
	world_group(&world, &waiting, world_options(ann));
	world_submit_many(&world, &waiting, "http://a:80", 20, 10 * MS);
	for (size_t i = 0; i < 20; i++) { /* unblocked a moment before the upstream gets room */
		world_group(&world, &newcomers[i], one_at_a_time);
		world_submit_one(&world, &newcomers[i], "http://b:80", 5 * MS);
		world_pump(&world);
		world_submit_one(&world, &newcomers[i], "http://a:80", 10 * MS);
		world_close(&world, &newcomers[i]);
		world_run_until(&world, world.now_us + 10 * MS - 1);
		world_run_until(&world, world.now_us + 1);
	}
	ck_assert_uint_ge(waiting.returned, 9);
	world_close(&world, &waiting);
	finish();
}
END_TEST

/* The pool is full of others when the upstream gets room: those who come before there is a place do
 * not get it. */
START_TEST(room_is_kept_for_the_one_it_was_promised_to_until_the_pool_has_a_place)
{
	struct fake_group waiting, other, newcomer;
	struct fake_call *first, *waited, *came;

	begin(2);
	world_origin(&world, "http://a:80")->limit = 1;
	world_group(&world, &waiting, world_options(ann));
	first = world_submit_one(&world, &waiting, "http://a:80", 10 * MS);
	waited = world_submit_one(&world, &waiting, "http://a:80", 10 * MS);
	world_pump(&world);
	ck_assert_ptr_nonnull(first->flies_to);
	world_group(&world, &other, world_options(bob));
	world_submit_one(&world, &other, "http://b:80", 20 * MS);
	world_pump(&world);
	world_group(&world, &newcomer, world_options(bob));
	came = world_submit_one(&world, &newcomer, "http://a:80", 10 * MS);
	world_land(&world, first); /* and nobody looks before the newcomer stands in the queue */
	world_pump(&world);
	ck_assert_ptr_nonnull(waited->flies_to);
	ck_assert_ptr_null(came->flies_to);
	world_close(&world, &waiting);
	world_close(&world, &other);
	world_close(&world, &newcomer);
	finish();
}
END_TEST

START_TEST(an_upstream_that_never_answers_holds_its_bound_while_others_flow)
{
	struct fake_group group;
	struct fake_call **dead;
	uint64_t from;

	begin(20);
	world.checks = false;
	world_origin(&world, "http://dead:80")->limit = 5;
	world_group(&world, &group, world_options(ann));
	world_submit_many(&world, &group, "http://dead:80", 1000, CLOCK_NEVER);
	world_submit_many(&world, &group, "http://well:80", 1500, 10 * MS);
	dead = world.calls;
	from = world.now_us;
	world_run_until(&world, from + SECOND);
	ck_assert_uint_eq(world_origin(&world, "http://dead:80")->flying, 5);
	ck_assert_uint_eq(group.returned, 1500); /* 15 at once, 10 ms each */
	world_cancel(&world, &group, POOL_CLIENT_GONE);
	world_close(&world, &group);
	for (size_t i = 0; i < 5; i++)
		world_land(&world, dead[i]);
	finish();
}
END_TEST

/* How long the healthy half of a batch takes whose other half goes to an upstream that takes that
 * long; their items alternate. */
static uint64_t healthy_half_takes(uint64_t dead_takes_us)
{
	struct pool_group_options options;
	struct fake_group group;
	struct fake_call *healthy[100];
	uint64_t begun, last = 0;

	begin(256);
	begun = world.now_us;
	options = world_options(ann);
	options.concurrency = 32;
	world_group(&world, &group, options);
	for (size_t i = 0; i < 100; i++) {
		world_submit_one(&world, &group, "http://dead:80", dead_takes_us);
		healthy[i] = world_submit_one(&world, &group, "http://well:80", 50 * MS);
	}
	world_close(&world, &group);
	world_run(&world);
	for (size_t i = 0; i < 100; i++)
		if (healthy[i]->returned_us > last)
			last = healthy[i]->returned_us;
	finish();
	return last - begun;
}

START_TEST(a_dead_upstream_takes_no_more_than_its_share_of_a_batchs_slots)
{
	/* 100 of 50 ms at 32: 4 rounds alone, 7 at 16 */
	ck_assert_uint_eq(healthy_half_takes(30 * SECOND), 350 * MS);
}
END_TEST

START_TEST(an_upstream_whose_batch_has_nothing_else_ready_takes_all_its_slots)
{
	struct pool_group_options options;
	struct fake_group group;
	uint64_t begun;

	begin(256);
	begun = world.now_us;
	options = world_options(ann);
	options.concurrency = 32;
	world_group(&world, &group, options);
	world_submit_one(&world, &group, "http://slow:80", 70 * MS);
	world_submit_many(&world, &group, "http://fast:80", 62, 50 * MS);
	world_close(&world, &group);
	world_run(&world);
	ck_assert_uint_eq(world.now_us - begun, 100 * MS); /* 31 at a time */
	finish();
}
END_TEST

START_TEST(a_slow_host_leaves_the_pool_to_other_callers)
{
	struct fake_group slow, fast;

	begin(8);
	world_origin(&world, "http://slow:80")->limit = 4;
	world_group(&world, &slow, world_options(ann));
	world_group(&world, &fast, world_options(bob));
	world_submit_many(&world, &slow, "http://slow:80", 100, 10 * SECOND);
	world_submit_many(&world, &fast, "http://fast:80", 400, 10 * MS);
	world_run_until(&world, world.now_us + SECOND + 10 * MS);
	ck_assert_uint_eq(fast.returned, 400);
	ck_assert_uint_eq(slow.flying, 4);
	world_close(&world, &slow);
	world_close(&world, &fast);
	finish();
}
END_TEST

START_TEST(a_retried_call_goes_before_the_others_of_its_run)
{
	struct fake_group group;
	struct fake_call **fakes;

	begin(1);
	world_group(&world, &group, world_options(ann));
	fakes = world_submit_many(&world, &group, "http://a:80", 5, 10 * MS);
	fakes[0]->steps[0] = (struct fake_step){.takes_us = 10 * MS,
		.code = ITEM_UPSTREAM_STATUS,
		.again = true,
		.wait_us = 15 * MS};
	fakes[0]->steps[1] = (struct fake_step){.takes_us = 10 * MS};
	fakes[0]->step_count = 2;
	world_close(&world, &group);
	world_run(&world);
	ck_assert_uint_eq(world.starts[0]->number, 0);
	ck_assert_uint_eq(world.starts[1]->number, 1);
	ck_assert_uint_eq(
		world.starts[2]->number, 2); /* it began at 20 ms, before the wait was over */
	ck_assert_uint_eq(world.starts[3]->number, 0);
	ck_assert_uint_eq(world.starts[4]->number, 3);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sched_turns");
	TCase *tcase = tcase_create("turns");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, calls_to_one_upstream_start_in_the_order_of_submission);
	tcase_add_test(tcase, callers_take_turns_whatever_number_of_batches_each_has);
	tcase_add_test(tcase, two_keys_of_one_name_are_one_caller);
	tcase_add_test(tcase, a_batch_takes_turns_between_its_upstreams);
	tcase_add_test(
		tcase, one_after_the_other_means_the_order_of_the_items_whatever_their_upstreams);
	tcase_add_test(tcase, a_batch_of_3_beside_one_of_10000_takes_twice_its_time_at_most);
	tcase_add_test(tcase,
		a_caller_with_one_batch_does_not_wait_for_a_hundred_of_another_in_a_full_pool);
	tcase_add_test(tcase,
		a_caller_with_one_batch_does_not_wait_for_a_hundred_of_another_at_a_full_upstream);
	tcase_add_test(
		tcase, every_batch_that_waits_for_a_full_upstream_gets_its_share_beside_newcomers);
	tcase_add_test(tcase, newcomers_do_not_take_the_room_that_somebody_waited_for);
	tcase_add_test(
		tcase, room_is_kept_for_the_one_it_was_promised_to_until_the_pool_has_a_place);
	tcase_add_test(tcase, an_upstream_that_never_answers_holds_its_bound_while_others_flow);
	tcase_add_test(tcase, a_dead_upstream_takes_no_more_than_its_share_of_a_batchs_slots);
	tcase_add_test(tcase, an_upstream_whose_batch_has_nothing_else_ready_takes_all_its_slots);
	tcase_add_test(tcase, a_slow_host_leaves_the_pool_to_other_callers);
	tcase_add_test(tcase, a_retried_call_goes_before_the_others_of_its_run);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
