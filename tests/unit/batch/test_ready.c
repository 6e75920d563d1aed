/* test_ready.c - which results of a streamed batch wait to be read, and what becomes of those that
 * nobody reads. */
#include <pthread.h>

#include "tests/unit/batch/ready_kit.h"

START_TEST(results_come_in_the_order_in_which_they_complete)
{
	start(4, "");
	expect_state(READY_LATER);
	end_small(2);
	end_small(0);
	expect_result(2);
	expect_result(0);
	expect_state(READY_LATER);
	end_small(3);
	expect_result(3);
	end_small(1);
	ck_assert_uint_eq(kit.completed, 1);
	expect_result(1);
	expect_state(READY_OVER);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(results_come_in_the_order_of_items_where_that_is_asked)
{
	start(4, "\"order\":\"input\"");
	end_small(3);
	end_small(1);
	expect_state(READY_LATER);
	end_small(0);
	expect_result(0);
	expect_result(1);
	expect_state(READY_LATER);
	end_small(2);
	expect_result(2);
	expect_result(3);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(refused_items_are_ready_before_anything_runs)
{
	parse(2, 4, 1, "");
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	expect_result(0);
	expect_result(1);
	expect_state(READY_LATER);
	end_small(0);
	expect_result(2);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(a_batch_without_items_is_over_at_once)
{
	start(0, "");
	ck_assert_uint_eq(kit.completed, 1);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(a_batch_that_was_only_refused_is_over_after_its_refusals)
{
	parse(2, 4, 0, "\"order\":\"input\"");
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	expect_result(0);
	expect_result(1);
	expect_state(READY_OVER);
	ck_assert_uint_eq(fakepool.windows, 0);
}
END_TEST

START_TEST(a_result_that_was_read_gives_its_memory_back)
{
	size_t before;

	start(2, "");
	end_small(0); /* what the batch itself holds from now on */
	expect_result(0);
	before = mem_used(&kit.budget);
	end_large(1);
	ck_assert_uint_ge(mem_used(&kit.budget) + 4096, before + LARGE_BYTES);
	expect_result(1);
	ck_assert_uint_le(mem_used(&kit.budget), before);
}
END_TEST

START_TEST(who_abandons_lets_the_rest_run_and_keeps_nothing)
{
	size_t before;

	start(8, "");
	before = mem_used(&kit.budget);
	for (size_t i = 0; i < 5; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.window, 0);
	ready_abandon(kit.batch);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	ck_assert_uint_le(mem_used(&kit.budget), before);
	for (size_t i = 5; i < 8; i++)
		end_large(i);
	ck_assert_uint_le(mem_used(&kit.budget), before);
	ck_assert_uint_eq(kit.completed, 1);
	finish();
}
END_TEST

START_TEST(a_batch_that_was_not_started_can_be_abandoned)
{
	parse(3, 100, 2, "\"order\":\"input\"");
	ready_abandon(kit.batch);
	kit_drop_batch(&kit);
	ck_assert_uint_eq(mem_used(&kit.budget), 0);
	ck_assert_uint_eq(fakepool.windows, 0);
}
END_TEST

enum { THREADS = 4 };

/* Threads: a report says that there is something to take. */

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	size_t rings;
	bool complete;
};

static struct bell bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};

static void ring(bool complete)
{
	pthread_mutex_lock(&bell.lock);
	bell.rings++;
	bell.complete |= complete;
	pthread_cond_signal(&bell.rung);
	pthread_mutex_unlock(&bell.lock);
}

static void ring_for_item(void *self, const struct batch_item_report *report)
{
	(void)self;
	(void)report;
	ring(false);
}

static void ring_at_the_end(void *self, struct batch *batch)
{
	(void)self;
	(void)batch;
	ring(true);
}

static void wait_past(size_t *heard)
{
	pthread_mutex_lock(&bell.lock);
	while (bell.rings == *heard)
		pthread_cond_wait(&bell.rung, &bell.lock);
	*heard = bell.rings;
	pthread_mutex_unlock(&bell.lock);
}

static void *end_share(void *arg)
{
	for (size_t i = (size_t)(uintptr_t)arg; i < MANY; i += THREADS)
		i % 64 == 5 ? end_large(i) : end_small(i);
	return NULL;
}

static void start_threads(const char *options, pthread_t threads[THREADS])
{
	const struct batch_observer observer = {NULL, ring_for_item, ring_at_the_end};

	parse(0, 0, MANY, options);
	bell.rings = 0;
	bell.complete = false;
	ck_assert_int_eq(batch_start(kit.batch, &observer, &kit.problem), ERR_OK);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, end_share, (void *)(uintptr_t)i), 0);
}

static void join(pthread_t threads[THREADS])
{
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void read_beside_workers(const char *options, bool ordered)
{
	bool *seen = mem_new(MANY);
	pthread_t threads[THREADS];
	size_t taken = 0, heard = 0, index;
	struct batch_summary summary;
	enum ready_state state;

	start_threads(options, threads);
	while ((state = ready_take(kit.batch, &index)) != READY_OVER) {
		batch_summary(kit.batch, &summary);
		ck_assert_uint_ge(summary.succeeded, taken);
		if (state == READY_LATER) {
			wait_past(&heard);
			continue;
		}
		ck_assert(!seen[index]);
		ck_assert(!ordered || index == taken);
		seen[index] = true;
		taken++;
		ready_done(kit.batch, index, false);
	}
	ck_assert_uint_eq(taken, MANY);
	join(threads);
	ck_assert(bell.complete);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	mem_free(seen);
}

START_TEST(a_reader_beside_workers_misses_none_and_takes_none_twice)
{
	read_beside_workers("", false);
	read_beside_workers("\"order\":\"input\"", true);
}
END_TEST

START_TEST(a_reader_that_leaves_workers_alone_leaves_nothing_behind)
{
	pthread_t threads[THREADS];
	size_t index, heard = 0;

	for (size_t round = 0; round < 5; round++) {
		start_threads("", threads);
		heard = 0;
		for (size_t taken = 0; taken < 100 * round;) {
			if (ready_take(kit.batch, &index) != READY_RESULT) {
				wait_past(&heard);
				continue;
			}
			ready_done(kit.batch, index, false);
			taken++;
		}
		ready_abandon(kit.batch);
		join(threads);
		ck_assert(bell.complete);
		ck_assert_uint_eq(fakepool.window, UINT64_MAX);
		finish();
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {results_come_in_the_order_in_which_they_complete,
		results_come_in_the_order_of_items_where_that_is_asked,
		refused_items_are_ready_before_anything_runs, a_batch_without_items_is_over_at_once,
		a_batch_that_was_only_refused_is_over_after_its_refusals,
		a_result_that_was_read_gives_its_memory_back,
		who_abandons_lets_the_rest_run_and_keeps_nothing,
		a_batch_that_was_not_started_can_be_abandoned,
		a_reader_beside_workers_misses_none_and_takes_none_twice,
		a_reader_that_leaves_workers_alone_leaves_nothing_behind};

	return ready_main("ready", tests, sizeof tests / sizeof *tests);
}
