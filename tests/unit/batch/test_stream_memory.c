/* test_stream_memory.c - what a stream holds and when it lets go of it, and that no stream which
 * ran out of memory looks complete. */
#include "tests/unit/batch/stream_kit.h"

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

/* Ids as long as they may be, so that a line of TEXT needs more than was reserved. */
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
	const TTest *const tests[] = {a_result_is_dropped_once_its_last_byte_was_read,
		who_stops_in_the_middle_of_a_result_leaves_nothing,
		what_waits_for_a_reader_that_leaves_is_freed_at_once_and_the_window_opens,
		results_without_memory_are_said_as_overloaded_in_each_shape,
		a_stream_without_memory_is_cut_and_never_looks_complete,
		whatever_allocation_fails_nothing_leaks_and_no_result_is_missing,
		a_budget_without_room_makes_no_stream};

	return kit_main(&kit, "stream_memory", tests, sizeof tests / sizeof *tests);
}
