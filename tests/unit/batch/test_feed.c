/* test_feed.c - an open batch: room, order, refusals, lost items, full memory. */
#include "batch/feed.h"
#include "batch/glance.h"
#include "tests/harness/check_main.h"
#include "tests/unit/batch/kit.h"

#define GOOD "{\"id\":%u,\"url\":\"http://e.com/%u\"}"

static struct kit kit;
static struct feed *feed;
static char *head;
static size_t ready, started[8], started_count;
static struct feed_options options;

static void on_ready(void *self)
{
	ck_assert_ptr_eq(self, &kit);
	ready++;
}

static bool on_starting(void *self, size_t index)
{
	(void)self;
	started[started_count++] = index;
	return index != 3;
}

static void hint(const char *host, uint16_t port, char *ret_hint, size_t size)
{
	snprintf(ret_hint, size, "; ask for %s %u", host, port);
}

static void prepare(const char *text)
{
	const struct envelope_trace trace = {NULL, NULL};
	static struct envelope envelope;

	kit_init(&kit);
	ready = started_count = 0;
	head = mem_copy(text, strlen(text));
	ck_assert_int_eq(envelope_read((struct span){head, strlen(head)}, kit.config, NULL, &trace,
				 &envelope, &kit.problem),
		ERR_OK);
	options = (struct feed_options){.env = {kit.config, kit.guard, NULL, &kit.budget},
		.caller = kit.caller,
		.envelope = &envelope,
		.deadline_us = CLOCK_NEVER,
		.cancelled = "it was stopped",
		.lost = "nobody knows",
		.blocked_hint = hint,
		.self = &kit,
		.ready = on_ready,
		.starting = on_starting};
}

static void open_with(const char *text)
{
	prepare(text);
	ck_assert_int_eq(feed_new(&options, &feed), ERR_OK);
}

static void open_plain(void)
{
	open_with("{\"items\":[],\"options\":{\"concurrency\":2}}");
}

static void close_feed(void)
{
	feed_destroy(feed);
	mem_free(head);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	kit_free(&kit);
}

static enum err_code add_text(size_t index, const char *text, bool lost)
{
	const struct feed_item item = {index, span_of(text), index + 1, lost};

	return feed_add(feed, &item);
}

static void add_good(unsigned index)
{
	char text[128];

	snprintf(text, sizeof text, GOOD, index, index);
	ck_assert_int_eq(add_text(index, text, false), ERR_OK);
}

static void answer(size_t n, unsigned status)
{
	fakepool_answer(fakepool.calls[n], (struct fakepool_answer){.status = status, .body = "x"});
}

/* The next result, which must be this item's. */
static struct feed_result take(size_t index)
{
	struct feed_result result;
	struct glance glance;

	ck_assert(feed_take(feed, &result));
	ck_assert_uint_eq(result.index, index);
	ck_assert(scan_check(result.bytes, 70, NULL));
	ck_assert(glance_read(result.bytes, &glance));
	ck_assert_uint_eq(glance.index, index);
	ck_assert(glance.success == (result.code == ITEM_OK));
	return result;
}

static bool says(struct feed_result result, const char *text)
{
	return memmem(result.bytes.ptr, result.bytes.len, text, strlen(text)) != NULL;
}

static bool none(void)
{
	struct feed_result result;

	return !feed_take(feed, &result);
}

START_TEST(results_come_out_as_they_complete_each_once)
{
	open_plain();
	for (unsigned i = 0; i < 3; i++)
		add_good(i);
	ck_assert_uint_eq(fakepool.count, 0); /* handed over together */
	feed_flush(feed);
	ck_assert_uint_eq(fakepool.count, 3);
	ck_assert(none());
	answer(2, 200);
	answer(0, 503);
	ck_assert_uint_eq(ready, 1); /* the second found one that waited */
	ck_assert_int_eq(take(2).code, ITEM_OK);
	ck_assert_int_eq(take(0).code, ITEM_UPSTREAM_STATUS);
	ck_assert(none());
	answer(1, 200);
	ck_assert_uint_eq(ready, 2);
	ck_assert_uint_eq(feed_outstanding(feed), 1);
	take(1);
	ck_assert(none());
	ck_assert_uint_eq(feed_outstanding(feed), 0);
	close_feed();
}
END_TEST

START_TEST(input_order_is_the_order_of_adding_whatever_the_indices)
{
	open_with("{\"items\":[],\"options\":{\"order\":\"input\",\"concurrency\":2}}");
	ck_assert_uint_eq(feed_room(feed), 1024);
	add_good(5);
	add_good(900);
	add_good(17);
	feed_flush(feed);
	answer(2, 200);
	answer(1, 200);
	ck_assert(none());
	answer(0, 200);
	take(5);
	take(900);
	take(17);
	ck_assert(none());
	close_feed();
}
END_TEST

START_TEST(no_more_go_in_than_there_is_room_for)
{
	size_t room;

	open_plain();
	room = feed_room(feed);
	ck_assert_uint_eq(room, 2 * 2 + 64);
	for (unsigned i = 0; i < room; i++)
		add_good(i);
	ck_assert_uint_eq(feed_room(feed), 0);
	feed_flush(feed);
	for (size_t i = 0; i < room; i++)
		answer(i, 200);
	ck_assert_uint_eq(feed_room(feed), 0); /* what waits to be taken counts */
	take(0);
	ck_assert_uint_eq(feed_room(feed), 1);
	for (size_t i = 1; i < room; i++)
		take(i);
	close_feed();
}
END_TEST

START_TEST(what_cannot_be_a_call_fails_alone_and_names_its_line)
{
	struct feed_result result;

	open_plain();
	ck_assert_int_eq(add_text(0, "{\"id\":\"a\",\"foo\":1}", false), ERR_OK);
	ck_assert_int_eq(add_text(1, "7", false), ERR_OK);
	ck_assert_int_eq(feed_refuse(feed, 2, "line 3 is no JSON"), ERR_OK);
	ck_assert_int_eq(add_text(3, "{\"url\":\"http://127.0.0.1:8/\"}", false), ERR_OK);
	feed_flush(feed);
	ck_assert_uint_eq(fakepool.count, 0);
	result = take(0);
	ck_assert(says(result, "\"id\":\"a\"") && says(result, "line 1: unknown field `foo`"));
	ck_assert_int_eq(result.code, ITEM_INVALID_ITEM);
	ck_assert(says(take(1), "line 2: an item must be an object"));
	ck_assert(says(take(2), "\"line 3 is no JSON\""));
	result = take(3);
	ck_assert_int_eq(result.code, ITEM_BLOCKED_TARGET);
	ck_assert(says(result, "; ask for 127.0.0.1 8\",\"reason\""));
	ck_assert(!result.unrun);
	close_feed();
}
END_TEST

static void block_call(size_t n, enum item_reason reason)
{
	fakepool_fail(fakepool.calls[n], ITEM_BLOCKED_TARGET, reason);
}

START_TEST(a_target_that_is_blocked_when_it_is_called_has_its_hint_too)
{
	open_plain();
	for (unsigned i = 0; i < 4; i++)
		add_good(i);
	feed_flush(feed);
	block_call(0, REASON_ADDRESS_DENIED);
	block_call(1, REASON_SCHEME_DENIED); /* which no flag opens */
	call_fail(fakepool.calls[2], ITEM_BLOCKED_TARGET, REASON_ADDRESS_DENIED, false,
		"other.com: a redirect led there");
	fakepool_end(fakepool.calls[2]);
	ck_assert(says(take(0), "e.com: it failed; ask for e.com 80\",\"reason\""));
	ck_assert(says(take(1), "e.com: it failed\",\"reason\""));
	ck_assert(says(take(2), "a redirect led there\",\"reason\""));
	answer(3, 200);
	take(3);
	close_feed();
}
END_TEST

START_TEST(without_a_hint_a_blocked_target_says_what_it_says)
{
	struct feed_result result;

	prepare("{\"items\":[]}");
	options.blocked_hint = NULL;
	ck_assert_int_eq(feed_new(&options, &feed), ERR_OK);
	ck_assert_int_eq(add_text(0, "{\"url\":\"http://127.0.0.1:8/\"}", false), ERR_OK);
	add_good(1);
	feed_flush(feed);
	block_call(0, REASON_ADDRESS_DENIED);
	result = take(0);
	ck_assert(says(result, "127.0.0.1") && !says(result, "; ask for"));
	ck_assert(says(take(1), "e.com: it failed\",\"reason\""));
	close_feed();
}
END_TEST

START_TEST(only_calls_that_may_not_be_repeated_are_told_before_they_start)
{
	open_plain();
	add_good(0);
	ck_assert_int_eq(add_text(1, "{\"url\":\"http://e.com/\",\"body\":1}", false), ERR_OK);
	ck_assert_int_eq(add_text(2,
				 "{\"url\":\"http://e.com/\",\"body\":1,\"headers\":"
				 "{\"Idempotency-Key\":\"k\"}}",
				 false),
		ERR_OK);
	feed_flush(feed);
	ck_assert_int_eq(add_text(3, "{\"url\":\"http://e.com/\",\"body\":1}", false), ERR_OK);
	feed_flush(feed);
	for (size_t i = 0; i < 4; i++)
		ck_assert(fakepool.calls[i]->ops->starting(fakepool.calls[i]) == (i != 3));
	ck_assert_uint_eq(started_count, 2);
	ck_assert_uint_eq(started[0], 1);
	for (size_t i = 0; i < 4; i++)
		answer(i, 200);
	for (size_t i = 0; i < 4; i++)
		take(i);
	close_feed();
}
END_TEST

START_TEST(a_lost_item_ends_where_it_may_not_be_repeated_and_runs_where_it_may)
{
	struct feed_result result;

	open_plain();
	ck_assert_int_eq(
		add_text(0, "{\"id\":1,\"url\":\"http://e.com/\",\"body\":1}", true), ERR_OK);
	ck_assert_int_eq(add_text(1, "{\"url\":\"http://e.com/\"}", true), ERR_OK);
	feed_flush(feed);
	ck_assert_uint_eq(fakepool.count, 1);
	result = take(0);
	ck_assert_int_eq(result.code, ITEM_CANCELLED);
	ck_assert(!result.unrun);
	ck_assert(says(result, "\"message\":\"nobody knows (e.com)\",\"reason\":\"client_gone\","
			       "\"retryable\":true,\"sent\":true},\"attempts\":1,"));
	answer(0, 200);
	ck_assert_int_eq(take(1).code, ITEM_OK);
	close_feed();
}
END_TEST

static void cancel_call(size_t n, bool sent)
{
	fakepool.calls[n]->outcome.sent = sent;
	fakepool_fail(fakepool.calls[n], ITEM_CANCELLED, REASON_DRAIN);
}

START_TEST(a_cancelled_item_is_unrun_where_running_it_again_does_no_harm)
{
	struct feed_result result;

	open_plain();
	add_good(0);
	ck_assert_int_eq(add_text(1, "{\"url\":\"http://e.com/\",\"body\":1}", false), ERR_OK);
	ck_assert_int_eq(add_text(2, "{\"url\":\"http://e.com/\",\"body\":1}", false), ERR_OK);
	feed_flush(feed);
	feed_cancel(feed, POOL_DRAIN);
	ck_assert_int_eq(fakepool.cancelled, POOL_DRAIN);
	cancel_call(0, true);
	cancel_call(1, false);
	cancel_call(2, true);
	ck_assert(take(0).unrun);
	ck_assert(take(1).unrun);
	result = take(2);
	ck_assert(!result.unrun && says(result, "it was stopped (e.com)"));
	close_feed();
}
END_TEST

START_TEST(the_first_failure_stops_the_rest_where_that_was_asked_for)
{
	open_with("{\"items\":[],\"options\":{\"stop_on_error\":true}}");
	ck_assert(fakepool.options.stop_on_error);
	add_good(0);
	feed_flush(feed);
	answer(0, 200);
	ck_assert(!feed_stopped(feed));
	ck_assert_int_eq(feed_refuse(feed, 1, "no"), ERR_OK);
	ck_assert(feed_stopped(feed));
	ck_assert_int_eq(fakepool.cancelled, POOL_STOP_ON_ERROR);
	take(0);
	take(1);
	close_feed();
}
END_TEST

START_TEST(calls_the_pool_does_not_take_end_as_overloaded)
{
	open_plain();
	fakepool.submit_code = ERR_NOMEM;
	add_good(0);
	feed_flush(feed);
	ck_assert_int_eq(take(0).code, ITEM_OVERLOADED);
	close_feed();
}
END_TEST

#define LARGE "{\"url\":\"http://e.com/\",\"body_text\":\""

START_TEST(full_memory_holds_back_and_only_what_never_fits_fails)
{
	char large[4096] = LARGE;
	struct feed_result result;

	open_plain();
	add_good(0);
	feed_flush(feed);
	kit.budget.limit = mem_used(&kit.budget) + 1500;
	ck_assert_uint_eq(feed_room(feed), 0);
	memset(large + sizeof LARGE - 1, 'x', 3000);
	memcpy(large + sizeof LARGE - 1 + 3000, "\"}", 3);
	ck_assert_int_eq(add_text(1, large, false), ERR_LIMIT);
	ck_assert_uint_eq(feed_outstanding(feed), 1);
	answer(0, 200);
	result = take(0);
	ck_assert_int_eq(result.code, ITEM_OK);
	ck_assert(none());
	kit.budget.limit = 64;
	ck_assert_int_eq(add_text(1, "{\"id\":\"b\",\"url\":\"http://e.com/\"}", false), ERR_OK);
	result = take(1);
	ck_assert_int_eq(result.code, ITEM_OVERLOADED);
	ck_assert(says(result, "\"id\":\"b\""));
	close_feed();
}
END_TEST

START_TEST(a_result_without_room_is_told_briefly)
{
	struct feed_result result;

	open_plain();
	ck_assert_int_eq(add_text(0, "{\"id\":\"q\",\"url\":\"http://e.com/\"}", false), ERR_OK);
	feed_flush(feed);
	kit.budget.limit = mem_used(&kit.budget);
	answer(0, 200);
	result = take(0);
	ck_assert_int_eq(result.code, ITEM_OVERLOADED);
	ck_assert(says(result, "\"id\":\"q\"") && says(result, "\"sent\":true"));
	close_feed();
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	for (unsigned long n = 1;; n++) {
		bool failed;
		size_t added = 0;

		open_plain();
		mem_fail_at(n);
		added += add_text(0,
				 "{\"id\":1,\"url\":\"http://e.com/?a\",\"headers\":"
				 "{\"A\":\"b\"},\"body\":1}",
				 false) == ERR_OK;
		feed_flush(feed);
		if (fakepool.count)
			answer(0, 200);
		if (added)
			take(0);
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert_uint_eq(feed_outstanding(feed), 0);
		close_feed();
		if (!failed)
			break;
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {results_come_out_as_they_complete_each_once,
		input_order_is_the_order_of_adding_whatever_the_indices,
		no_more_go_in_than_there_is_room_for,
		what_cannot_be_a_call_fails_alone_and_names_its_line,
		a_target_that_is_blocked_when_it_is_called_has_its_hint_too,
		without_a_hint_a_blocked_target_says_what_it_says,
		only_calls_that_may_not_be_repeated_are_told_before_they_start,
		a_lost_item_ends_where_it_may_not_be_repeated_and_runs_where_it_may,
		a_cancelled_item_is_unrun_where_running_it_again_does_no_harm,
		the_first_failure_stops_the_rest_where_that_was_asked_for,
		calls_the_pool_does_not_take_end_as_overloaded,
		full_memory_holds_back_and_only_what_never_fits_fails,
		a_result_without_room_is_told_briefly, every_allocation_may_fail};

	return check_main("feed", tests, sizeof tests / sizeof *tests);
}
