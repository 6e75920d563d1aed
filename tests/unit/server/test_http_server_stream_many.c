/* test_http_server_stream_many.c - thousands of wakes and hundreds of streams: no wake is lost, and
 * a stop reaches all. */
#include "chunks.h"

enum { WAKES = 10000, STREAMS = 200, PIECES = 50, WAKERS = 4 };

/* Says the next byte as soon as the one before was read: the wake meets the reader on its way to
 * pausing, each time at another place. */
static void *say_in_step(void *arg)
{
	struct flow *flow = arg;

	for (unsigned i = 0; i < WAKES; i++) {
		pthread_mutex_lock(&flow->lock);
		while (flow->at < flow->len)
			pthread_cond_wait(&flow->changed, &flow->lock);
		flow_append(flow, "x");
		pthread_mutex_unlock(&flow->lock);
		http_stream_wake(flow->stream);
	}
	flow_end(flow);
	return NULL;
}

START_TEST(ten_thousand_wakes_between_reading_and_pausing_lose_nothing)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow"));
	pthread_t waker;

	ck_assert_int_eq(pthread_create(&waker, NULL, say_in_step, flow_at(0)), 0);
	ck_assert_uint_eq(read_rest(&wire), WAKES);
	pthread_join(waker, NULL);
	expect_ok(&wire);
	wire_close(&wire);
}
END_TEST

static void *say_at_once(void *arg)
{
	for (unsigned i = 0; i < WAKES / WAKERS; i++)
		flow_say(arg, "x");
	return NULL;
}

START_TEST(ten_thousand_wakes_by_many_threads_lose_nothing)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow"));
	pthread_t wakers[WAKERS];
	struct flow *flow = flow_at(0);
	size_t got = 0;

	for (size_t i = 0; i < WAKERS; i++)
		ck_assert_int_eq(pthread_create(&wakers[i], NULL, say_at_once, flow), 0);
	while (got < WAKES) {
		char *chunk = next_chunk(&wire);

		ck_assert_ptr_nonnull(chunk);
		got += strlen(chunk);
		free(chunk);
	}
	for (size_t i = 0; i < WAKERS; i++)
		pthread_join(wakers[i], NULL);
	flow_end(flow);
	expect_chunk(&wire, "");
	ck_assert_uint_eq(got, WAKES);
	wire_close(&wire);
}
END_TEST

static void *say_share(void *arg)
{
	for (size_t piece = 0; piece < PIECES; piece++)
		for (size_t i = (size_t)(uintptr_t)arg; i < STREAMS; i += WAKERS)
			flow_say(flow_at(i), "piece");
	for (size_t i = (size_t)(uintptr_t)arg; i < STREAMS; i += WAKERS)
		flow_end(flow_at(i));
	return NULL;
}

static void start_wakers(pthread_t wakers[WAKERS], void *(*run)(void *))
{
	for (size_t i = 0; i < WAKERS; i++)
		ck_assert_int_eq(pthread_create(&wakers[i], NULL, run, (void *)(uintptr_t)i), 0);
}

static void join_wakers(pthread_t wakers[WAKERS])
{
	for (size_t i = 0; i < WAKERS; i++)
		pthread_join(wakers[i], NULL);
}

START_TEST(two_hundred_streams_woken_by_four_threads_all_end)
{
	static struct wire wires[STREAMS];
	pthread_t wakers[WAKERS];
	uint16_t port = toys_start(&toys);

	for (size_t i = 0; i < STREAMS; i++)
		wires[i] = ask(port, ASK("/flow"));
	flow_at(STREAMS - 1);
	start_wakers(wakers, say_share);
	for (size_t i = 0; i < STREAMS; i++) {
		expect_head(&wires[i], true);
		ck_assert_uint_eq(read_rest(&wires[i]), PIECES * strlen("piece"));
	}
	join_wakers(wakers);
	for (size_t i = 0; i < STREAMS; i++) {
		expect_ok(&wires[i]);
		wire_close(&wires[i]);
	}
}
END_TEST

static void *end_share(void *arg)
{
	for (size_t i = (size_t)(uintptr_t)arg; i < STREAMS; i += WAKERS)
		flow_end(flow_at(i));
	return NULL;
}

static void open_paused(struct wire wires[STREAMS], uint16_t port)
{
	for (size_t i = 0; i < STREAMS; i++)
		wires[i] = ask(port, ASK("/flow"));
	for (size_t i = 0; i < STREAMS; i++)
		flow_wait(flow_at(i), &flow_at(i)->empty, 1);
}

static void *stop_soon(void *arg)
{
	(void)arg;
	http_server_stop(toys.server, 20000);
	return NULL;
}

START_TEST(a_stop_waits_for_streams_that_are_ending)
{
	static struct wire wires[STREAMS];
	pthread_t wakers[WAKERS], stopper;

	open_paused(wires, toys_start(&toys));
	ck_assert_int_eq(pthread_create(&stopper, NULL, stop_soon, NULL), 0);
	start_wakers(wakers, end_share);
	for (size_t i = 0; i < STREAMS; i++) {
		expect_head(&wires[i], true);
		expect_chunk(&wires[i], "");
		wire_close(&wires[i]);
	}
	join_wakers(wakers);
	pthread_join(stopper, NULL);
}
END_TEST

/* The connection ends, long before any time-out would end it: ahead of the last chunk, behind it,
 * or within it. */
static void expect_end(struct wire *wire)
{
	static const char last[] = "0\r\n\r\n";
	bool late = false;

	while (wire_read(wire, 5000, &late))
		;
	ck_assert_msg(!late, "the connection goes on");
	ck_assert(wire->ended);
	ck_assert_uint_lt(wire->in_len, sizeof last);
	ck_assert_mem_eq(wire->in, last, wire->in_len);
}

START_TEST(a_stop_without_grace_cuts_streams_that_have_just_been_woken)
{
	static struct wire wires[STREAMS];
	pthread_t wakers[WAKERS];

	open_paused(wires, toys_start(&toys));
	for (size_t i = 0; i < STREAMS; i++)
		expect_head(&wires[i], true);
	start_wakers(wakers, end_share);
	join_wakers(wakers);
	http_server_stop(toys.server, 0);
	for (size_t i = 0; i < STREAMS; i++) {
		expect_end(&wires[i]);
		wire_close(&wires[i]);
	}
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, ten_thousand_wakes_between_reading_and_pausing_lose_nothing);
	tcase_add_test(tests, ten_thousand_wakes_by_many_threads_lose_nothing);
	tcase_add_test(tests, two_hundred_streams_woken_by_four_threads_all_end);
	tcase_add_test(tests, a_stop_waits_for_streams_that_are_ending);
	tcase_add_test(tests, a_stop_without_grace_cuts_streams_that_have_just_been_woken);
	return check_run("http_server_stream_many", tests);
}
