/* test_batch.c - a batch as a whole: the order of its results, its options, what ends it early, and
 * workers beside each other. */
#include <pthread.h>

#include "tests/unit/batch/batch_kit.h"

START_TEST(results_keep_the_input_order_when_answers_arrive_reversed)
{
	char *document;

	start("{\"items\":[{" E ",\"id\":\"a\"},{\"id\":9},{" E "},{" E "}]}");
	ck_assert_uint_eq(fakepool.count, 3);
	ck_assert_uint_eq(kit.reported, 1);
	for (size_t i = 3; i-- > 0;) {
		ck_assert_uint_eq(kit.completed, 0);
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){i == 1 ? 404 : 200, "text/plain", "x", 0, NULL});
	}
	ck_assert_uint_eq(kit.completed, 1);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	document = kit_document(&kit, 1u << 20);
	ck_assert(strstr(document,
			  "{\"results\":[{\"index\":0,\"id\":\"a\",\"success\":true,\"status\":200,"
			  "\"body\":\"x\",\"body_encoding\":\"text\",\"error\":null,\"attempts\":1,"
			  "\"duration_ms\":12.4},{\"index\":1,\"id\":9,\"success\":false,") ==
		  document);
	ck_assert(strstr(document, "},{\"index\":2,") < strstr(document, "},{\"index\":3,"));
	ck_assert(strstr(document, "}],\"summary\":{\"total\":4,\"succeeded\":2,\"failed\":2,\"by_"
				   "code\":{\"invalid_item\":1,\"upstream_status\":1},"
				   "\"concurrency\":32,\"duration_ms\":") != NULL);
	ck_assert(strstr(document, ",\"request_id\":\"req-1\"}}\n") != NULL);
	for (size_t step = 1; step < 70; step++) {
		char *again = kit_document(&kit, step);

		ck_assert_str_eq(document, again);
		mem_free(again);
	}
	mem_free(document);
}
END_TEST

START_TEST(a_batch_without_items_completes_at_once)
{
	start("{\"items\":[]}");
	ck_assert_uint_eq(kit.completed, 1);
	assert_document_has("{\"results\":[],\"summary\":{\"total\":0,\"succeeded\":0,\"failed\":0,"
			    "\"by_code\":{},\"concurrency\":32,");
	start("{\"items\":[{}]}");
	ck_assert_uint_eq(kit.completed, 1);
	ck_assert_uint_eq(kit.reported, 1);
}
END_TEST

START_TEST(options_reach_the_pool_clamped)
{
	start("{\"items\":[{" E
	      "}],\"options\":{\"concurrency\":100000000000000000000000,\"batch_timeout_ms\":1000,"
	      "\"rate_limit\":\"120/min\",\"stop_on_error\":true}}");
	ck_assert_uint_eq(fakepool.options.concurrency, 256);
	ck_assert(fakepool.options.rate_per_s > 1.99 && fakepool.options.rate_per_s < 2.01);
	ck_assert(fakepool.options.stop_on_error);
	ck_assert_uint_lt(fakepool.options.deadline_us, clock_us() + 1000001);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	assert_document_has("\"concurrency\":256,");
	kit.config->limits.max_concurrency = 8;
	kit.config->limits.max_batch_timeout_ms = 5;
	start("{\"items\":[{" E "}]}");
	ck_assert_uint_eq(fakepool.options.concurrency, 8);
	ck_assert_uint_lt(fakepool.options.deadline_us, clock_us() + 5001);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	kit.config->limits.max_concurrency = 256;
	kit.config->limits.max_batch_timeout_ms = 600000;
}
END_TEST

START_TEST(a_refused_item_stops_the_others_where_that_is_asked)
{
	start("{\"options\":{\"stop_on_error\":true},\"items\":[{" E "},{}]}");
	ck_assert_int_eq(fakepool.cancelled, POOL_STOP_ON_ERROR);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	assert_document_has("\"by_code\":{\"invalid_item\":1,\"cancelled\":1}");
	start("{\"items\":[{" E "},{}]}");
	ck_assert_int_eq(fakepool.cancelled, POOL_RUNNING);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(cancelling_reaches_the_pool_once_and_never_after_the_end)
{
	fakepool_reset();
	ck_assert_int_eq(kit_parse(&kit, "{\"items\":[{" E "}]}"), ERR_OK);
	batch_cancel(kit.batch, POOL_CLIENT_GONE); /* before the start: seen by it */
	ck_assert_uint_eq(fakepool.cancels, 0);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_int_eq(fakepool.cancelled, POOL_CLIENT_GONE);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_CLIENT_GONE);
	start("{\"items\":[{" E "}]}");
	batch_cancel(kit.batch, POOL_DRAIN);
	batch_cancel(kit.batch, POOL_CLIENT_GONE);
	ck_assert_uint_eq(fakepool.cancels, 1);
	ck_assert_int_eq(fakepool.cancelled, POOL_DRAIN);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_DRAIN);
	start("{\"items\":[{" E "}]}");
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	batch_cancel(kit.batch, POOL_DRAIN);
	ck_assert_uint_eq(fakepool.cancels, 0);
}
END_TEST

enum { THREADS = 4, THREAD_ITEMS = 2000 };

static atomic_size_t thread_reports, thread_completes;

static void count_report(void *self, const struct batch_item_report *report)
{
	(void)self;
	(void)report;
	atomic_fetch_add(&thread_reports, 1);
}

static void count_complete(void *self, struct batch *batch)
{
	(void)self;
	(void)batch;
	atomic_fetch_add(&thread_completes, 1);
}

static void *end_share(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = first; i < THREAD_ITEMS; i += THREADS)
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){200, "application/json", "{\"a\":1}", 0, NULL});
	return NULL;
}

START_TEST(workers_may_end_items_at_the_same_time)
{
	const struct batch_observer observer = {NULL, count_report, count_complete};
	pthread_t threads[THREADS];
	struct buf text;

	fakepool_reset();
	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"items\":[{" E "}");
	for (size_t i = 1; i < THREAD_ITEMS; i++)
		buf_adds(&text, ",{" E "}");
	buf_adds(&text, "]}");
	ck_assert_int_eq(kit_parse(&kit, text.ptr), ERR_OK);
	ck_assert_int_eq(batch_start(kit.batch, &observer, &kit.problem), ERR_OK);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, end_share, (void *)(uintptr_t)i), 0);
	batch_cancel(kit.batch, POOL_CLIENT_GONE);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&thread_reports), THREAD_ITEMS);
	ck_assert_uint_eq(atomic_load(&thread_completes), 1);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	assert_document_has("\"succeeded\":2000,");
	buf_free(&text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {results_keep_the_input_order_when_answers_arrive_reversed,
		a_batch_without_items_completes_at_once, options_reach_the_pool_clamped,
		a_refused_item_stops_the_others_where_that_is_asked,
		cancelling_reaches_the_pool_once_and_never_after_the_end,
		workers_may_end_items_at_the_same_time};

	return kit_main(&kit, "batch", tests, sizeof tests / sizeof *tests);
}
