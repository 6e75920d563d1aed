/* ready_kit.h - a streamed batch whose results are taken one by one, small ones and large ones. */
#ifndef TESTS_UNIT_BATCH_READY_KIT_H
#define TESTS_UNIT_BATCH_READY_KIT_H
#include "batch/ready.h"
#include "tests/harness/check_main.h"
#include "tests/unit/batch/kit.h"

#define E "{\"url\":\"http://e.com/\"}"

enum { LARGE_BYTES = 1 << 20, MANY = 2000 };

static struct kit kit;

/* `count` items that can be called, behind `refused` ones whose results are `id_bytes` long and
 * more. */
static inline char *request_of(size_t refused, size_t id_bytes, size_t count, const char *options)
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

static inline struct call *take(size_t i)
{
	struct call *call = fakepool.calls[i];

	REQUIRE(call);
	fakepool.calls[i] = NULL;
	return call;
}

/* What a test left unfinished comes to its end. */
static inline void finish(void)
{
	for (size_t i = 0; i < fakepool.count; i++)
		if (fakepool.calls[i])
			fakepool_fail(take(i), ITEM_CANCELLED, REASON_CLIENT_GONE);
	kit_drop_batch(&kit);
	REQUIRE(mem_used(&kit.budget) == 0);
}

static inline void parse(size_t refused, size_t id_bytes, size_t count, const char *options)
{
	char *text = request_of(refused, id_bytes, count, options);

	finish();
	fakepool_reset();
	kit.completed = kit.reported = 0;
	kit.streamed = true;
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s", kit.problem.detail);
	mem_free(text);
}

static inline void start(size_t count, const char *options)
{
	parse(0, 0, count, options);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.count, count);
}

static inline void end_small(size_t i)
{
	fakepool_answer(take(i), (struct fakepool_answer){200, "text/plain", "x", 0, NULL});
}

static inline void end_large(size_t i)
{
	char *body = mem_new(LARGE_BYTES + 1);

	memset(body, 'x', LARGE_BYTES);
	fakepool_answer(take(i), (struct fakepool_answer){200, "text/plain", body, 0, NULL});
	mem_free(body);
}

static inline void expect_result(size_t expected)
{
	size_t index = SIZE_MAX;

	ck_assert_int_eq(ready_take(kit.batch, &index), READY_RESULT);
	ck_assert_uint_eq(index, expected);
	ready_done(kit.batch, index, false);
}

static inline void expect_state(enum ready_state state)
{
	size_t index;

	ck_assert_int_eq(ready_take(kit.batch, &index), state);
}

static inline int ready_main(const char *name, const TTest *const *tests, size_t count)
{
	int failed;

	kit_init(&kit);
	failed = check_main(name, tests, count);
	finish();
	kit_free(&kit);
	return failed;
}
#endif
