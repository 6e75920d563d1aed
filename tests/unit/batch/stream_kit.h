/* stream_kit.h - a streamed batch under a clock that stands, and a reader that compares what is
 * said. */
#ifndef TESTS_UNIT_BATCH_STREAM_KIT_H
#define TESTS_UNIT_BATCH_STREAM_KIT_H
#include "batch/stream.h"
#include "tests/unit/batch/fakeclock.h"
#include "tests/unit/batch/kit.h"
#include "tests/unit/batch/kit_main.h"

#define E "\"url\":\"http://e.com/\""
#define MS 1000ull
#define S (1000 * MS)
#define TWO "{\"items\":[{\"id\":\"a\"," E "},{" E "}]}"

static struct kit kit;
static struct stream *stream;
static struct buf said; /* since the last expect */
static size_t step = 65536;
static uint64_t again_us;
static uint64_t epoch_us;

static inline void parse(enum stream_shape shape, const char *text)
{
	fakepool_reset();
	kit.completed = kit.reported = kit.reported_failed = 0;
	kit.streamed = true;
	kit.outline = shape == STREAM_TEXT;
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s: %s", text, kit.problem.detail);
}

static inline void start(enum stream_shape shape, const char *text)
{
	parse(shape, text);
	epoch_us = fakeclock_us;
	stream = stream_new(kit.batch, shape);
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	buf_init(&said, SIZE_MAX / 2);
}

static inline struct call *take(size_t i)
{
	struct call *call = fakepool.calls[i];

	REQUIRE(call);
	fakepool.calls[i] = NULL;
	return call;
}

/* The stream goes, the batch runs to its end; nothing is left. */
static inline void stop(void)
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
static inline size_t listen_now(void)
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

static inline void expect_text(const char *text)
{
	ck_assert_msg(strcmp(said.ptr ? said.ptr : "", text) == 0, "said\n%s\ninstead of\n%s",
		said.ptr ? said.ptr : "", text);
	buf_clear(&said);
}

static inline void expect(const char *text)
{
	ck_assert_uint_eq(listen_now(), 0);
	ck_assert(!stream_over(stream));
	expect_text(text);
}

static inline void expect_last(const char *text)
{
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert(stream_over(stream));
	expect_text(text);
	ck_assert_uint_eq(listen_now(), STREAM_END);
	expect_text("");
	stop();
}

static inline size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		count++;
	return count;
}

static inline void answer(size_t i, const char *type, const char *body)
{
	fakepool_answer(take(i), (struct fakepool_answer){200, type, body, 0, NULL});
}

static inline void fail_item(size_t i)
{
	fakepool_fail(take(i), ITEM_TIMEOUT, REASON_RESPONSE);
}

static inline void fail_saying(size_t i, const char *message)
{
	struct call *call = take(i);

	call_fail(call, ITEM_CONNECT_FAILED, REASON_CONNECT, true, "%s", message);
	fakepool_end(call);
}
#endif
