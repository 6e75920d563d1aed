/* test_ready.c - of a streamed batch: which results wait to be read, and how far the batch may run
 * ahead of its reader. */
#include "batch/ready.h"

#include <pthread.h>

#include "tests/unit/batch/check_main.h"
#include "tests/unit/batch/kit.h"

#define E "{\"url\":\"http://e.com/\"}"

enum { LARGE_BYTES = 1 << 20, MANY = 2000, THREADS = 4 };

static struct kit kit;

/* `count` items that can be called, behind `refused` ones whose results are `id_bytes` long and
 * more. */
static char *request_of(size_t refused, size_t id_bytes, size_t count, const char *options)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_addf(&text, "{\"options\":{%s},\"items\":[", options);
	for (size_t i = 0; i < refused; i++)
		buf_addf(&text, "%s{\"id\":\"%0*zu\",\"url\":\"ftp://e.com/\"}", i ? "," : "",
			(int)id_bytes, i);
	for (size_t i = 0; i < count; i++)
		buf_addf(&text, "%s" E, i + refused ? "," : "");
	buf_adds(&text, "]}");
	REQUIRE(!text.failed);
	return text.ptr;
}

static struct call *take(size_t i)
{
	struct call *call = fakepool.calls[i];

	REQUIRE(call);
	fakepool.calls[i] = NULL;
	return call;
}

/* What a test left unfinished comes to its end. */
static void finish(void)
{
	for (size_t i = 0; i < fakepool.count; i++)
		if (fakepool.calls[i])
			fakepool_fail(take(i), ITEM_CANCELLED, REASON_CLIENT_GONE);
	kit_drop_batch(&kit);
	REQUIRE(mem_used(&kit.budget) == 0);
}

static void parse(size_t refused, size_t id_bytes, size_t count, const char *options)
{
	char *text = request_of(refused, id_bytes, count, options);

	finish();
	fakepool_reset();
	kit.completed = kit.reported = 0;
	kit.streamed = true;
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s", kit.problem.detail);
	mem_free(text);
}

static void start(size_t count, const char *options)
{
	parse(0, 0, count, options);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.count, count);
}

static void end_small(size_t i)
{
	fakepool_answer(take(i), (struct fakepool_answer){200, "text/plain", "x", 0, NULL});
}

static void end_large(size_t i)
{
	char *body = mem_new(LARGE_BYTES + 1);

	memset(body, 'x', LARGE_BYTES);
	fakepool_answer(take(i), (struct fakepool_answer){200, "text/plain", body, 0, NULL});
	mem_free(body);
}

static void expect_result(size_t expected)
{
	size_t index = SIZE_MAX;

	ck_assert_int_eq(ready_take(kit.batch, &index), READY_RESULT);
	ck_assert_uint_eq(index, expected);
	ready_done(kit.batch, index, false);
}

static void expect_state(enum ready_state state)
{
	size_t index;

	ck_assert_int_eq(ready_take(kit.batch, &index), state);
}

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

/* Four results of 1 MiB and what stands around them are more than READY_BYTES_MAX; it opens again
 * where not more than half of it waits. */
START_TEST(the_window_closes_when_much_waits_and_opens_at_half_of_it)
{
	start(10, "");
	ck_assert_uint_eq(fakepool.windows, 0);
	for (size_t i = 0; i < 3; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.windows, 0);
	end_large(3);
	ck_assert_uint_eq(fakepool.window, 0);
	end_large(4); /* was in flight */
	expect_result(0);
	expect_result(1);
	expect_result(2);
	ck_assert_uint_eq(fakepool.window, 0);
	ck_assert_uint_eq(fakepool.windows, 1);
	expect_result(3);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	ck_assert_uint_eq(fakepool.windows, 2);
	for (size_t i = 5; i < 7; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.windows, 2); /* above half, but it was open */
	end_large(7);
	ck_assert_uint_eq(fakepool.window, 0);
}
END_TEST

START_TEST(where_the_budget_runs_low_the_window_closes_earlier)
{
	start(10, "");
	kit.budget.limit = mem_used(&kit.budget) + 8 * LARGE_BYTES; /* a share is half of one */
	end_large(0);
	ck_assert_uint_eq(fakepool.window, 0);
	expect_result(0);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	kit.budget.limit = 0;
}
END_TEST

START_TEST(in_the_order_of_items_the_window_goes_along_in_steps)
{
	start(MANY, "\"order\":\"input\"");
	ck_assert_uint_eq(fakepool.window, READY_WINDOW);
	ck_assert_uint_eq(fakepool.windows, 1);
	for (size_t i = 1; i < READY_WINDOW; i++)
		end_small(i);
	ck_assert_uint_eq(fakepool.windows, 1); /* whatever completes: item 0 holds it */
	end_small(0);
	for (size_t i = 0; i < READY_WINDOW; i++) {
		expect_result(i);
		ck_assert_uint_gt(fakepool.window, i + 1);
		ck_assert_uint_le(fakepool.window, i + 1 + READY_WINDOW);
		ck_assert_uint_gt(fakepool.window, i + 1 + READY_WINDOW / 2);
	}
	ck_assert_uint_le(fakepool.windows, 6);
}
END_TEST

START_TEST(in_the_order_of_items_a_closed_window_leaves_the_next_one_in)
{
	start(10, "\"order\":\"input\"");
	for (size_t i = 1; i < 6; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.window, 1); /* item 0, on which all others wait */
	expect_state(READY_LATER);
	end_large(0);
	ck_assert_uint_eq(fakepool.window, 1);
	for (size_t i = 0; i < 4; i++) {
		expect_result(i);
		ck_assert_uint_eq(fakepool.window, i + 2);
	}
	expect_result(4); /* one waits */
	ck_assert_uint_eq(fakepool.window, 5 + READY_WINDOW);
}
END_TEST

START_TEST(refusals_that_fill_the_window_before_there_is_a_group_close_it)
{
	parse(9990, 250, 1, "");
	ck_assert_uint_eq(fakepool.windows, 0);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.window, 0);
	for (size_t i = 0; i < 9990; i++)
		expect_result(i);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	end_small(0);
	expect_result(9990);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(refusals_before_the_group_leave_the_next_item_in)
{
	parse(9990, 250, 1, "\"order\":\"input\"");
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.window, 1);
	for (size_t i = 0; i < 9990; i++) {
		expect_result(i);
		ck_assert_uint_gt(fakepool.window, i + 1);
	}
	end_small(0);
	expect_result(9990);
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

START_TEST(a_batch_that_the_pool_refused_moves_no_window_any_more)
{
	parse(3, 100, 2, "\"order\":\"input\"");
	fakepool.submit_code = ERR_BUSY; /* the calls stay the batch's */
	ck_assert_int_eq(kit_start(&kit), ERR_BUSY);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	fakepool.windows = 0;
	expect_result(0);
	ready_abandon(kit.batch);
	ck_assert_uint_eq(fakepool.windows, 0);
}
END_TEST

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
		the_window_closes_when_much_waits_and_opens_at_half_of_it,
		in_the_order_of_items_the_window_goes_along_in_steps,
		where_the_budget_runs_low_the_window_closes_earlier,
		in_the_order_of_items_a_closed_window_leaves_the_next_one_in,
		refusals_that_fill_the_window_before_there_is_a_group_close_it,
		refusals_before_the_group_leave_the_next_item_in,
		who_abandons_lets_the_rest_run_and_keeps_nothing,
		a_batch_that_was_not_started_can_be_abandoned,
		a_batch_that_the_pool_refused_moves_no_window_any_more,
		a_reader_beside_workers_misses_none_and_takes_none_twice,
		a_reader_that_leaves_workers_alone_leaves_nothing_behind};
	int failed;

	kit_init(&kit);
	failed = check_main("ready", tests, sizeof tests / sizeof *tests);
	finish();
	kit_free(&kit);
	return failed;
}
