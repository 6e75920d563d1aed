/* test_stream.c - a batch read as a text that grows: every byte of each shape, when progress is
 * said, what a terminal shows, and that nothing incomplete looks complete. */
#include "batch/stream.h"

#include <stdlib.h>

#include "batch/scan.h"
#include "tests/unit/batch/check_main.h"
#include "tests/unit/batch/fakeclock.h"
#include "tests/unit/batch/kit.h"

#define E "\"url\":\"http://e.com/\""
#define MS 1000ull
#define S (1000 * MS)

static struct kit kit;
static struct stream *stream;
static struct buf said; /* since the last expect */
static size_t step = 65536;
static uint64_t again_us;
static uint64_t epoch_us;

static void parse(enum stream_shape shape, const char *text)
{
	fakepool_reset();
	kit.completed = kit.reported = kit.reported_failed = 0;
	kit.streamed = true;
	kit.outline = shape == STREAM_TEXT;
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s: %s", text, kit.problem.detail);
}

static void start(enum stream_shape shape, const char *text)
{
	parse(shape, text);
	epoch_us = fakeclock_us;
	stream = stream_new(kit.batch, shape);
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	buf_init(&said, SIZE_MAX / 2);
}

static struct call *take(size_t i)
{
	struct call *call = fakepool.calls[i];

	REQUIRE(call);
	fakepool.calls[i] = NULL;
	return call;
}

/* The stream goes, the batch runs to its end; nothing is left. */
static void stop(void)
{
	stream_destroy(stream);
	stream = NULL;
	for (size_t i = 0; i < fakepool.count; i++)
		if (fakepool.calls[i])
			fakepool_fail(take(i), ITEM_CANCELLED, REASON_CLIENT_GONE);
	buf_free(&said);
	kit_drop_batch(&kit);
	ck_assert_uint_eq(mem_used(&kit.budget), 0);
}

/* All there is to say now. 0: more will come; else END or CUT. */
static size_t listen_now(void)
{
	char room[65536];

	for (;;) {
		size_t got = stream_read(stream, room, step, &again_us);

		if (got == 0 || got > step)
			return got;
		for (size_t n = 0; n < got;) { /* a sweep's failure is not meant for us */
			if (buf_add(&said, room + n, got - n) == ERR_OK)
				n = got;
			said.failed = false;
		}
	}
}

static void expect_text(const char *text)
{
	ck_assert_msg(strcmp(said.ptr ? said.ptr : "", text) == 0, "said\n%s\ninstead of\n%s",
		said.ptr ? said.ptr : "", text);
	buf_clear(&said);
}

static void expect(const char *text)
{
	ck_assert_uint_eq(listen_now(), 0);
	ck_assert(!stream_over(stream));
	expect_text(text);
}

static void expect_last(const char *text)
{
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert(stream_over(stream));
	expect_text(text);
	ck_assert_uint_eq(listen_now(), STREAM_END);
	expect_text("");
	stop();
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		count++;
	return count;
}

static void answer(size_t i, const char *type, const char *body)
{
	fakepool_answer(take(i), (struct fakepool_answer){200, type, body, 0, NULL});
}

static void fail_item(size_t i)
{
	fakepool_fail(take(i), ITEM_TIMEOUT, REASON_RESPONSE);
}

static void fail_saying(size_t i, const char *message)
{
	struct call *call = take(i);

	call_fail(call, ITEM_CONNECT_FAILED, REASON_CONNECT, true, "%s", message);
	fakepool_end(call);
}

#define RESULT_0                                                                                  \
	"{\"index\":0,\"id\":\"a\",\"success\":true,\"status\":200,\"body\":{ \"x\" :1 },\"body_" \
	"encoding\":\"json\",\"error\":null,\"attempts\":1,\"duration_ms\":12.4}"
#define RESULT_1                                                                                \
	"{\"index\":1,\"id\":null,\"success\":false,\"status\":null,\"body\":null,\"body_"      \
	"encoding\":"                                                                           \
	"null,\"error\":{\"code\":\"timeout\",\"message\":\"e.com: it failed\","                \
	"\"reason\":\"response\",\"retryable\":true,\"sent\":false},\"attempts\":0,\"duration_" \
	"ms\":0.0}"
#define SUMMARY(ms)                                                                              \
	"{\"total\":2,\"succeeded\":1,\"failed\":1,\"by_code\":{\"timeout\":1},\"concurrency\":" \
	"32,"                                                                                    \
	"\"duration_ms\":" ms ",\"request_id\":\"req-1\"}"
#define TWO "{\"items\":[{\"id\":\"a\"," E "},{" E "}]}"

START_TEST(ndjson_is_a_line_a_result_and_the_summary_at_the_end)
{
	start(STREAM_NDJSON, TWO);
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 15 * S);
	fail_item(1);
	expect(RESULT_1 "\n");
	answer(0, "application/json", "{ \"x\"\n:1\r}");
	expect_last(RESULT_0 "\n{\"summary\":" SUMMARY("0.0") "}\n");
}
END_TEST

START_TEST(sse_numbers_its_results_and_ends_with_the_summary)
{
	start(STREAM_SSE, TWO);
	expect("");
	fakeclock_us += 500 * MS;
	fail_item(1);
	expect("event: result\nid: 1\ndata: " RESULT_1 "\n\n"
	       "event: progress\ndata: {\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":500.0,\"eta_ms\":500.0,\"items_per_second\":2.00}\n\n");
	fakeclock_us += 50 * MS;
	answer(0, "application/json", "{ \"x\"\n:1\r}");
	expect_last("event: result\nid: 2\ndata: " RESULT_0 "\n\n"
		    "event: summary\ndata: " SUMMARY("550.0") "\n\n");
}
END_TEST

START_TEST(text_draws_a_bar_and_says_each_item_of_a_small_batch)
{
	start(STREAM_TEXT, TWO);
	expect("\rProcessing:   0%|          | 0/2 [00:00<?, ? items/s]");
	fakeclock_us += 500 * MS;
	fail_item(1);
	expect("\r[FAILED] #1: e.com: it failed                        \n"
	       "\rProcessing:  50%|█████     | 1/2 [00:00<00:00, 2.00 items/s, 1 failed]");
	fakeclock_us += 500 * MS;
	answer(0, "text/plain", "x");
	expect_last("\r[OK] a (0.01 s)                                                       \n"
		    "\rProcessing: 100%|██████████| 2/2 [00:01<00:00, 2.00 items/s, 1 failed]"
		    "\rProcessing: 100%|██████████| 2/2 [00:01<00:00, 2.00 items/s, 1 failed]\n"
		    "2 items: 1 succeeded, 1 failed (1 timeout) in 1.00 s\n"
		    "[FAILED] #1: e.com: it failed\n");
}
END_TEST

START_TEST(a_batch_without_items_is_a_summary_in_each_shape)
{
	static const char summary[] = "{\"total\":0,\"succeeded\":0,\"failed\":0,\"by_code\":{},"
				      "\"concurrency\":32,\"duration_ms\":0.0,\"request_id\":"
				      "\"req-1\"}";
	char text[512];

	start(STREAM_NDJSON, "{\"items\":[]}");
	snprintf(text, sizeof text, "{\"summary\":%s}\n", summary);
	expect_last(text);
	start(STREAM_SSE, "{\"items\":[]}");
	snprintf(text, sizeof text, "event: summary\ndata: %s\n\n", summary);
	expect_last(text);
	start(STREAM_TEXT, "{\"items\":[]}");
	expect_last("\rProcessing: 100%|██████████| 0/0 [00:00<00:00, ? items/s]\n"
		    "0 items: 0 succeeded, 0 failed in 0.00 s\n");
}
END_TEST

START_TEST(the_order_of_items_is_kept_where_that_is_asked)
{
	start(STREAM_NDJSON,
		"{\"options\":{\"order\":\"input\"},\"items\":[{" E "},{" E "},{" E "}]}");
	fail_item(2);
	fail_item(1);
	expect("");
	fail_item(0);
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert(strstr(said.ptr, "\"index\":0") < strstr(said.ptr, "\"index\":1"));
	ck_assert(strstr(said.ptr, "\"index\":1") < strstr(said.ptr, "\"index\":2"));
	ck_assert_uint_eq(count_of(said.ptr, "\"index\":"), 3);
	stop();
}
END_TEST

START_TEST(a_result_is_one_line_whatever_its_body_looks_like)
{
	static const char body[] = "[\r\n1,\n\"a\\nb\",\r\"\xE2\x80\xA8\"\n]";

	start(STREAM_SSE, "{\"items\":[{" E ",\"id\":\"x\\r\\ny\"},{" E "}]}");
	answer(0, "application/json", body);
	answer(1, "text/plain", "one\r\ntwo\rthree\n\ndata: {}\n\n");
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert_ptr_null(strchr(said.ptr, '\r'));
	ck_assert_uint_eq(count_of(said.ptr, "\n\n"), count_of(said.ptr, "event: "));
	ck_assert_uint_eq(count_of(said.ptr, "\ndata: "), count_of(said.ptr, "event: "));
	ck_assert_uint_eq(count_of(said.ptr, "\n"),
		3 * count_of(said.ptr, "event: ") + count_of(said.ptr, "\nid: "));
	stop();
}
END_TEST

/* Progress */

START_TEST(sse_says_progress_at_most_ten_times_a_second)
{
	start(STREAM_SSE, "{\"items\":[{" E "},{" E "},{" E "},{" E "}]}");
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 15 * S);
	fakeclock_us += 1 * S;
	fail_item(0);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "event: progress\n"), 1);
	ck_assert_uint_eq(again_us, epoch_us + 16 * S);
	buf_clear(&said);
	fakeclock_us += 30 * MS;
	fail_item(1);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "event: result\n"), 1);
	ck_assert_uint_eq(count_of(said.ptr, "event: progress\n"), 0);
	ck_assert_uint_eq(again_us, epoch_us + 1 * S + 100 * MS);
	buf_clear(&said);
	fakeclock_us = again_us - 1;
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 1 * S + 100 * MS);
	fakeclock_us = again_us;
	expect("event: progress\ndata: {\"total\":4,\"completed\":2,\"succeeded\":0,\"failed\":2,"
	       "\"elapsed_ms\":1100.0,\"eta_ms\":941.176,\"items_per_second\":2.12}\n\n");
	ck_assert_uint_eq(again_us, fakeclock_us + 15 * S);
	stop();
}
END_TEST

START_TEST(sse_says_a_comment_after_fifteen_seconds_of_silence)
{
	start(STREAM_SSE, TWO);
	for (int i = 0; i < 3; i++) {
		expect("");
		ck_assert_uint_eq(again_us, fakeclock_us + 15 * S);
		fakeclock_us = again_us - 1;
		expect("");
		fakeclock_us = again_us;
		expect(": still running\n\n");
	}
	stop();
}
END_TEST

START_TEST(ndjson_says_progress_after_fifteen_seconds_of_silence_only)
{
	start(STREAM_NDJSON, "{\"items\":[{" E "},{" E "}]}");
	expect("");
	fakeclock_us += 10 * S;
	fail_item(0);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "progress"), 0);
	ck_assert_uint_eq(again_us, epoch_us + 25 * S);
	buf_clear(&said);
	fakeclock_us = again_us - 1;
	expect("");
	fakeclock_us++;
	expect("{\"progress\":{\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":25000.0,\"eta_ms\":25000.0,\"items_per_second\":0.04}}\n");
	ck_assert_uint_eq(again_us, epoch_us + 40 * S);
	stop();
}
END_TEST

START_TEST(ordered_results_that_wait_for_an_earlier_one_show_in_the_progress)
{
	start(STREAM_SSE, "{\"options\":{\"order\":\"input\"},\"items\":[{" E "},{" E "}]}");
	fakeclock_us += 1 * S;
	fail_item(1);
	expect("event: progress\ndata: {\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":1000.0,\"eta_ms\":1000.0,\"items_per_second\":1.00}\n\n");
	stop();
}
END_TEST

START_TEST(the_bar_is_redrawn_each_second_and_with_results_ten_times_a_second)
{
	start(STREAM_TEXT, TWO);
	expect("\rProcessing:   0%|          | 0/2 [00:00<?, ? items/s]");
	ck_assert_uint_eq(again_us, epoch_us + 1 * S);
	fakeclock_us += 500 * MS;
	expect("");
	fakeclock_us = again_us;
	expect("\rProcessing:   0%|          | 0/2 [00:01<?, ? items/s]");
	stop();
}
END_TEST

/* What a person sees */

static size_t columns_of(const char *text, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xC0) != 0x80;
	return columns;
}

/* Each text covers the one that it overwrites. Gives how many bars needed blanks to do so. */
static size_t check_covered(const char *text)
{
	size_t standing = 0, padded = 0;

	while (*text) {
		size_t len, shown;

		if (*text == '\r' || *text == '\n') {
			standing = *text == '\n' ? 0 : standing;
			text++;
			continue;
		}
		len = shown = strcspn(text, "\r\n");
		ck_assert_msg(
			columns_of(text, len) >= standing, "does not cover: %.*s", (int)len, text);
		while (shown > 0 && text[shown - 1] == ' ')
			shown--;
		ck_assert_msg(len == shown || columns_of(text, len) == standing,
			"more blanks than it takes: %.*s", (int)len, text);
		padded += len > shown && memchr(text, '|', len);
		standing = columns_of(text, shown);
		text += len;
	}
	return padded;
}

static char *items_of(size_t count, const char *options)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_addf(&text, "{\"options\":{%s},\"items\":[", options);
	for (size_t i = 0; i < count; i++)
		buf_addf(&text, "%s{\"id\":%zu," E "}", i ? "," : "", i);
	buf_adds(&text, "]}");
	REQUIRE(!text.failed);
	return text.ptr;
}

static void run_items(size_t count)
{
	char *text = items_of(count, "");

	start(STREAM_TEXT, text);
	mem_free(text);
	for (size_t i = 0; i < count; i++) {
		i % 10 == 3 ? fail_item(i) : answer(i, "text/plain", "x");
		listen_now();
	}
	ck_assert_uint_eq(listen_now(), STREAM_END);
	check_covered(said.ptr);
}

START_TEST(a_bar_that_gets_shorter_covers_the_one_before)
{
	char *text = items_of(30, "");

	start(STREAM_TEXT, text);
	mem_free(text);
	listen_now();
	fakeclock_us += 20000 * S;
	for (size_t i = 0; i < 30; i++) {
		answer(i, "text/plain", "x");
		listen_now();
		fakeclock_us += 1 * S;
		listen_now();
	}
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert_uint_ge(check_covered(said.ptr), 2);
	stop();
}
END_TEST

START_TEST(items_have_their_line_in_batches_of_at_most_twenty)
{
	run_items(20);
	ck_assert_uint_eq(count_of(said.ptr, "[OK] "), 18);
	ck_assert_uint_eq(count_of(said.ptr, "[FAILED] "), 2 + 2);
	stop();
	run_items(21);
	ck_assert_uint_eq(count_of(said.ptr, "[OK] "), 0);
	ck_assert_uint_eq(count_of(said.ptr, "[FAILED] "), 2);
	ck_assert_ptr_nonnull(
		strstr(said.ptr, "21 items: 19 succeeded, 2 failed (2 timeout) in 0.00 s\n"
				 "[FAILED] 3: e.com: it failed\n[FAILED] 13: e.com: it failed\n"));
	ck_assert_str_eq(said.ptr + said.len - 30, "[FAILED] 13: e.com: it failed\n");
	stop();
}
END_TEST

/* No byte that steers a terminal, but for the \r and \n that are ours. */
static void check_harmless(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		ck_assert_msg(*at >= 0x20 || *at == '\r' || *at == '\n', "control %02X", *at);
		ck_assert_uint_ne(*at, 0x7F);
		ck_assert(!(at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0));
	}
}

START_TEST(hostile_ids_labels_and_messages_steer_no_terminal)
{
	start(STREAM_TEXT,
		"{\"options\":{\"label\":\"\\u001b]0;owned\\u0007\\r\\n\\u009b2J\"},\"items\":["
		"{\"id\":\"\\u001b[2J\\u0000\\r\\n[OK] b\"," E "},{\"id\":\"\\u009b31m\\u0085é\"," E
		"},"
		"{\"id\":\"\\u007f\\t\\b\"," E "}]}");
	listen_now();
	fail_saying(0, "\x1b[1A\x1b[2K\r\n[OK] all is well\xC2\x9B");
	listen_now();
	answer(1, "text/plain", "x");
	listen_now();
	fail_saying(2, "\xff\xfe\x80");
	ck_assert_uint_eq(listen_now(), STREAM_END);
	check_harmless(said.ptr);
	check_covered(said.ptr);
	ck_assert_uint_eq(count_of(said.ptr, "\n"), 3 + 1 + 1 + 2);
	ck_assert_uint_eq(count_of(said.ptr, "\n[OK] "), 0);
	ck_assert_uint_eq(count_of(said.ptr, "\r[OK] "), 1);
	ck_assert_ptr_nonnull(strstr(said.ptr, "\r?]0;owned???\?2J:   0%|"));
	ck_assert_ptr_nonnull(
		strstr(said.ptr, "\r[FAILED] ?[2J???[OK] b: ?[1A?[2K??[OK] all is well?"));
	ck_assert_ptr_nonnull(strstr(said.ptr, "\r[OK] ?31m?é (0.01 s)"));
	stop();
}
END_TEST

START_TEST(an_empty_label_is_the_usual_one_and_a_long_one_is_whole)
{
	char text[512], bar[512], label[257] = {0};

	start(STREAM_TEXT, "{\"options\":{\"label\":\"\"},\"items\":[{" E "}]}");
	expect("\rProcessing:   0%|          | 0/1 [00:00<?, ? items/s]");
	stop();
	memset(label, 'l', sizeof label - 1);
	snprintf(text, sizeof text, "{\"options\":{\"label\":\"%s\"},\"items\":[{" E "}]}", label);
	snprintf(bar, sizeof bar, "\r%s:   0%%|          | 0/1 [00:00<?, ? items/s]", label);
	start(STREAM_TEXT, text);
	expect(bar);
	stop();
}
END_TEST

/* Sizes */

static void scenario(enum stream_shape shape)
{
	start(shape, "{\"items\":[{\"id\":\"é1\"," E "},{" E
		     "},{\"id\":3,\"url\":\"ftp://e.com/\"},{" E "}]}");
	listen_now();
	fakeclock_us += 300 * MS;
	answer(0, "application/json", "{\"a\":[1,2,\"äöü\"]}");
	listen_now();
	fakeclock_us += 16 * S;
	listen_now();
	fail_item(1);
	answer(2, "text/plain", "last");
	ck_assert_uint_eq(listen_now(), STREAM_END);
}

START_TEST(small_reads_give_the_same_bytes_as_large_ones)
{
	static const size_t steps[] = {1, 7, 128, 4096};
	const uint64_t began_us = fakeclock_us;
	char *whole;

	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++) {
		fakeclock_us = began_us;
		step = 65536;
		scenario((enum stream_shape)shape);
		whole = buf_steal(&said, &(size_t){0});
		stop();
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			fakeclock_us = began_us;
			step = steps[i];
			scenario((enum stream_shape)shape);
			ck_assert_str_eq(said.ptr, whole);
			stop();
		}
		step = 65536;
		mem_free(whole);
	}
}
END_TEST

START_TEST(a_result_is_dropped_once_its_last_byte_was_read)
{
	char room[64];
	size_t before, larger = 200000;
	char *body = mem_new(larger + 1);

	memset(body, 'x', larger);
	start(STREAM_NDJSON, "{\"items\":[{" E "},{" E "}]}");
	fail_item(0);
	listen_now();
	before = mem_used(&kit.budget);
	answer(1, "text/plain", body);
	ck_assert_uint_gt(mem_used(&kit.budget) + 8192, before + larger);
	ck_assert_uint_eq(stream_read(stream, room, sizeof room, &again_us), sizeof room);
	ck_assert_uint_gt(mem_used(&kit.budget) + 8192, before + larger);
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert_uint_le(mem_used(&kit.budget), before);
	mem_free(body);
	stop();
}
END_TEST

START_TEST(who_stops_in_the_middle_of_a_result_leaves_nothing)
{
	char room[64];

	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++) {
		start((enum stream_shape)shape, "{\"items\":[{" E "},{" E "},{" E "}]}");
		answer(0, "text/plain", "a body that is longer than the room");
		fail_item(1);
		ck_assert_uint_eq(stream_read(stream, room, sizeof room, &again_us), sizeof room);
		stream_destroy(stream);
		stream = NULL;
		answer(2, "text/plain", "later");
		ck_assert_uint_eq(kit.completed, 1);
		stop();
	}
}
END_TEST

START_TEST(what_waits_for_a_reader_that_leaves_is_freed_at_once_and_the_window_opens)
{
	enum { LARGE = 1 << 20 };
	char room[64], *body = mem_new(LARGE + 1);
	size_t before;

	memset(body, 'x', LARGE);
	start(STREAM_NDJSON, "{\"items\":[{" E "},{" E "},{" E "},{" E "},{" E "},{" E "}]}");
	before = mem_used(&kit.budget);
	for (size_t i = 0; i < 5; i++)
		answer(i, "text/plain", body);
	ck_assert_uint_eq(fakepool.window, 0);
	ck_assert_uint_eq(stream_read(stream, room, sizeof room, &again_us), sizeof room);
	stream_destroy(stream);
	stream = NULL;
	ck_assert_uint_lt(mem_used(&kit.budget), before);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	answer(5, "text/plain", body);
	ck_assert_uint_eq(kit.completed, 1);
	ck_assert_uint_lt(mem_used(&kit.budget), before);
	mem_free(body);
	stop();
}
END_TEST

START_TEST(results_without_memory_are_said_as_overloaded_in_each_shape)
{
	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++) {
		start((enum stream_shape)shape,
			"{\"options\":{\"order\":\"input\"},\"items\":[{\"id\":\"a\"," E "},{" E
			"}]}");
		kit.budget.limit = 1;
		fakepool_answer(take(1), (struct fakepool_answer){503, "text/plain", "x", 0, NULL});
		answer(0, "text/plain", "x");
		kit.budget.limit = 0;
		ck_assert_uint_eq(listen_now(), STREAM_END);
		if (shape == STREAM_TEXT)
			ck_assert_ptr_nonnull(
				strstr(said.ptr, "0 succeeded, 2 failed (2 overloaded)"));
		else
			ck_assert_ptr_nonnull(strstr(said.ptr, "\"by_code\":{\"overloaded\":2}"));
		ck_assert_uint_eq(
			count_of(said.ptr, "the server had no memory left for this result"),
			shape == STREAM_TEXT ? 4 : 2);
		stop();
	}
}
END_TEST

/* Memory. Ids as long as they may be, so that a line of TEXT needs more than was reserved. */
static char *long_ids(size_t count)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++)
		buf_addf(&text, "%s{\"id\":\"%0250zu\"," E "}", i ? "," : "", i);
	buf_adds(&text, "]}");
	REQUIRE(!text.failed);
	return text.ptr;
}

static void end_all(void)
{
	char message[400];

	memset(message, 'm', sizeof message);
	message[sizeof message - 1] = '\0';
	fail_saying(0, message);
	answer(1, "text/plain", "x");
	fail_saying(2, message);
}

/* END with all of the text, or CUT; gives whether an allocation failed. */
static bool read_without(
	enum stream_shape shape, unsigned long n, const char *request, const char *whole)
{
	size_t last;
	bool failed;

	parse(shape, request);
	buf_init(&said, SIZE_MAX / 2);
	ck_assert_int_eq(buf_reserve(&said, 65536), ERR_OK);
	mem_fail_at(n);
	stream = stream_new(kit.batch, shape);
	failed = mem_failed();
	mem_fail_at(0);
	ck_assert(failed == !stream);
	if (failed) {
		stop();
		return true;
	}
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	end_all();
	mem_fail_at(n);
	last = listen_now();
	failed = mem_failed();
	mem_fail_at(0);
	ck_assert(failed || last == STREAM_END);
	ck_assert(last == STREAM_END || last == STREAM_CUT);
	ck_assert(stream_over(stream) == (last == STREAM_END));
	if (last == STREAM_END && whole)
		ck_assert(strcmp(said.ptr, whole) == 0);
	else if (whole)
		ck_assert_uint_eq(listen_now(), STREAM_CUT); /* and stays so */
	return failed;
}

START_TEST(a_stream_without_memory_is_cut_and_never_looks_complete)
{
	static const size_t steps[] = {65536, 300, 1};
	char *request = long_ids(3), *whole;

	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++) {
		read_without((enum stream_shape)shape, 0, request, NULL);
		whole = buf_steal(&said, &(size_t){0});
		ck_assert_ptr_nonnull(whole);
		stop();
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			step = steps[i];
			for (unsigned long n = 1;
				read_without((enum stream_shape)shape, n, request, whole); n++)
				if (stream)
					stop();
			stop();
		}
		step = 65536;
		mem_free(whole);
	}
	mem_free(request);
}
END_TEST

/* The whole life of a streamed batch, each allocation failing in turn: refused, cut, or each item
 * has its result. */
static bool live_without(enum stream_shape shape, unsigned long n)
{
	size_t last = STREAM_CUT;
	bool failed;

	fakepool_reset();
	kit.completed = 0;
	kit.streamed = true;
	kit.outline = shape == STREAM_TEXT;
	buf_init(&said, SIZE_MAX / 2);
	ck_assert_int_eq(buf_reserve(&said, 65536), ERR_OK);
	mem_fail_at(n);
	if (kit_parse(&kit, TWO) == ERR_OK) {
		stream = stream_new(kit.batch, shape);
		if (stream && kit_start(&kit) == ERR_OK) {
			fail_item(1);
			answer(0, "application/json", "{\"x\":1}");
			last = listen_now();
			ck_assert_uint_eq(kit.completed, 1);
		}
	}
	failed = mem_failed();
	mem_fail_at(0);
	ck_assert(failed || last == STREAM_END);
	if (last == STREAM_END && shape != STREAM_TEXT) {
		ck_assert_uint_eq(count_of(said.ptr, "\"index\":0"), 1);
		ck_assert_uint_eq(count_of(said.ptr, "\"index\":1"), 1);
		ck_assert_uint_eq(count_of(said.ptr, "\"total\":2,\"succeeded\":"), 1);
	}
	stop();
	return failed;
}

START_TEST(whatever_allocation_fails_nothing_leaks_and_no_result_is_missing)
{
	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++)
		for (unsigned long n = 1; live_without((enum stream_shape)shape, n); n++)
			;
}
END_TEST

START_TEST(a_budget_without_room_makes_no_stream)
{
	parse(STREAM_NDJSON, TWO);
	kit.budget.limit = mem_used(&kit.budget) + 100;
	ck_assert_ptr_null(stream_new(kit.batch, STREAM_NDJSON));
	kit.budget.limit = 0;
	buf_init(&said, SIZE_MAX / 2);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {ndjson_is_a_line_a_result_and_the_summary_at_the_end,
		sse_numbers_its_results_and_ends_with_the_summary,
		text_draws_a_bar_and_says_each_item_of_a_small_batch,
		a_batch_without_items_is_a_summary_in_each_shape,
		the_order_of_items_is_kept_where_that_is_asked,
		a_result_is_one_line_whatever_its_body_looks_like,
		sse_says_progress_at_most_ten_times_a_second,
		sse_says_a_comment_after_fifteen_seconds_of_silence,
		ndjson_says_progress_after_fifteen_seconds_of_silence_only,
		ordered_results_that_wait_for_an_earlier_one_show_in_the_progress,
		the_bar_is_redrawn_each_second_and_with_results_ten_times_a_second,
		a_bar_that_gets_shorter_covers_the_one_before,
		items_have_their_line_in_batches_of_at_most_twenty,
		hostile_ids_labels_and_messages_steer_no_terminal,
		an_empty_label_is_the_usual_one_and_a_long_one_is_whole,
		small_reads_give_the_same_bytes_as_large_ones,
		a_result_is_dropped_once_its_last_byte_was_read,
		who_stops_in_the_middle_of_a_result_leaves_nothing,
		what_waits_for_a_reader_that_leaves_is_freed_at_once_and_the_window_opens,
		results_without_memory_are_said_as_overloaded_in_each_shape,
		a_stream_without_memory_is_cut_and_never_looks_complete,
		whatever_allocation_fails_nothing_leaks_and_no_result_is_missing,
		a_budget_without_room_makes_no_stream};
	int failed;

	kit_init(&kit);
	failed = check_main("stream", tests, sizeof tests / sizeof *tests);
	kit_free(&kit);
	return failed;
}
