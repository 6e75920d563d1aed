/* test_http_server_stream.c - answers that grow while they are read: what is woken arrives, nobody
 * sleeps over a wake, and clients that leave or stall cost nothing. */
#include "flows.h"

#define ASK(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { WAKES = 10000, STREAMS = 200, PIECES = 50, WAKERS = 4 };

static struct toys toys;

static void set_up(void)
{
	toys_init(&toys);
	toys.routes = flow_routes;
}

static void tear_down(void)
{
	toys_stop(&toys);
	flows_free();
}

static void expect_head(struct wire *wire, bool chunked)
{
	struct answer answer = wire_answer_to(wire, true);

	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_null(answer_field(&answer, "Content-Length"));
	ck_assert_int_eq(answer_field(&answer, "Transfer-Encoding") != NULL, chunked);
	answer_free(&answer);
}

static struct wire ask(uint16_t port, const char *request)
{
	struct wire wire = wire_open(port);

	wire_say(&wire, request);
	return wire;
}

static struct wire ask_flow(uint16_t port, const char *request)
{
	struct wire wire = ask(port, request);

	expect_head(&wire, true);
	return wire;
}

/* The next chunk's text (to be freed); NULL: the connection ended before. */
static char *next_chunk(struct wire *wire)
{
	const char *end = NULL;
	size_t head, len;
	bool late = false;
	char *text;

	while (!(end = wire->in_len ? strstr(wire->in, "\r\n") : NULL))
		if (!wire_read(wire, WIRE_PATIENCE_MS, &late))
			break;
	ck_assert_msg(!late, "no chunk in time");
	if (!end)
		return NULL;
	head = (size_t)(end - wire->in) + 2;
	len = strtoul(wire->in, NULL, 16);
	while (wire->in_len < head + len + 2)
		if (!wire_read(wire, WIRE_PATIENCE_MS, &late))
			break;
	ck_assert_msg(!late, "no whole chunk in time");
	if (wire->in_len < head + len + 2)
		return NULL;
	ck_assert_int_eq(memcmp(wire->in + head + len, "\r\n", 2), 0);
	text = strndup(wire->in + head, len);
	wire_drop(wire, head + len + 2);
	return text;
}

/* "": the last one */
static void expect_chunk(struct wire *wire, const char *text)
{
	char *chunk = next_chunk(wire);

	ck_assert_ptr_nonnull(chunk);
	ck_assert_str_eq(chunk, text);
	free(chunk);
}

/* Bytes of all chunks up to the last one. */
static size_t read_rest(struct wire *wire)
{
	size_t total = 0, len;

	do {
		char *chunk = next_chunk(wire);

		ck_assert_ptr_nonnull(chunk);
		len = strlen(chunk);
		total += len;
		free(chunk);
	} while (len > 0);
	return total;
}

static void expect_ok(struct wire *wire)
{
	struct answer answer;

	wire_say(wire, ASK("/ok"));
	answer = wire_answer(wire);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "hello");
	answer_free(&answer);
}

START_TEST(chunks_arrive_as_they_are_woken_and_the_connection_goes_on)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow"));
	struct flow *flow = flow_at(0);

	flow_say(flow, "one");
	expect_chunk(&wire, "one");
	flow_say(flow, "two\n");
	expect_chunk(&wire, "two\n");
	flow_end(flow);
	expect_chunk(&wire, "");
	expect_ok(&wire);
	wire_say(&wire, ASK("/flow"));
	expect_head(&wire, true);
	flow = flow_at(1);
	flow_say(flow, "again");
	expect_chunk(&wire, "again");
	flow_end(flow);
	expect_chunk(&wire, "");
	expect_ok(&wire);
	wire_close(&wire);
	ck_assert_uint_eq(flow_now(flow, &flow->gone), 0);
}
END_TEST

START_TEST(a_wake_before_the_reply_is_not_lost)
{
	uint16_t port = toys_start(&toys);
	struct wire wire = ask_flow(port, ASK("/flow?early")),
		    later = ask(port, ASK("/flow?later"));
	struct flow *flow = flow_at(1);

	expect_chunk(&wire, "early");
	flow_end(flow_at(0));
	expect_chunk(&wire, "");
	flow_say(flow, "before");
	flow_reply(flow);
	expect_head(&later, true);
	expect_chunk(&later, "before");
	flow_end(flow);
	expect_chunk(&later, "");
	wire_close(&wire);
	wire_close(&later);
}
END_TEST

START_TEST(a_stream_may_have_ended_before_its_reply)
{
	struct wire wire = ask(toys_start(&toys), ASK("/flow?later"));
	struct flow *flow = flow_at(0);

	flow_say(flow, "all");
	flow_end(flow);
	flow_reply(flow);
	expect_head(&wire, true);
	expect_chunk(&wire, "all");
	expect_chunk(&wire, "");
	expect_ok(&wire);
	http_stream_wake(flow->stream); /* long after */
	expect_ok(&wire);
	wire_close(&wire);
}
END_TEST

START_TEST(a_wake_in_a_read_that_found_nothing_is_not_lost)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow?late"));

	expect_chunk(&wire, "late");
	flow_end(flow_at(0));
	expect_chunk(&wire, "");
	wire_close(&wire);
}
END_TEST

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

/* Also: who has nothing to say is not cut by write_timeout. */
START_TEST(an_alarm_rings_without_a_wake_and_silence_is_not_cut)
{
	uint64_t start = clock_us();
	struct wire wire;

	toys.config.server.write_timeout_ms = 500;
	toys.config.server.idle_timeout_ms = 500;
	toys.config.server.body_timeout_ms = 500;
	wire = ask_flow(toys_start(&toys), ASK("/flow?alarm"));
	flow_say(flow_at(0), "first");
	expect_chunk(&wire, "first"); /* and the alarm stands */
	expect_chunk(&wire, "alarm");
	ck_assert_uint_ge(clock_us() - start, FLOW_ALARM_US);
	ck_assert_uint_le(clock_us() - start, 10000000);
	flow_end(flow_at(0));
	expect_chunk(&wire, "");
	wire_close(&wire);
}
END_TEST

START_TEST(a_stream_that_cannot_go_on_has_no_last_chunk)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow"));
	struct flow *flow = flow_at(0);

	flow_say(flow, "part");
	expect_chunk(&wire, "part");
	flow_set(flow, &flow->cut);
	ck_assert_ptr_null(next_chunk(&wire));
	ck_assert(wire.ended);
	ck_assert_uint_eq(wire.in_len, 0);
	wire_close(&wire);
}
END_TEST

static void check_old(uint16_t port, const char *request, size_t n)
{
	struct wire wire = ask(port, request);
	struct flow *flow = flow_at(n);

	flow_say(flow, "one,");
	expect_head(&wire, false);
	while (wire.in_len < 4 && wire_read(&wire, WIRE_PATIENCE_MS, NULL))
		;
	flow_say(flow, "two");
	flow_end(flow);
	while (wire_read(&wire, WIRE_PATIENCE_MS, NULL))
		;
	ck_assert(wire.ended);
	ck_assert_str_eq(wire.in, "one,two");
	wire_close(&wire);
}

START_TEST(for_http_1_0_the_connection_ends_the_answer)
{
	uint16_t port = toys_start(&toys);

	check_old(port, "GET /flow HTTP/1.0\r\nHost: x\r\n\r\n", 0);
	check_old(port, "GET /flow HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", 1);
}
END_TEST

START_TEST(head_reads_nothing_and_leaves_nothing_to_be_taken_for_an_answer)
{
	struct wire wire = ask(toys_start(&toys), "HEAD /flow?early HTTP/1.1\r\nHost: x\r\n\r\n");
	struct answer answer = wire_answer_to(&wire, true);
	struct flow *flow = flow_at(0);

	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer_field(&answer, "Connection"), "close");
	answer_free(&answer);
	flow_wait(flow, &flow->left, 1);
	flow_say(flow, "to nobody");
	while (wire_read(&wire, WIRE_PATIENCE_MS, NULL))
		;
	ck_assert(wire.ended);
	ck_assert(!wire.in || !strstr(wire.in, "early"));
	ck_assert_uint_eq(flow_now(flow, &flow->reads), 0);
	wire_close(&wire);
}
END_TEST

START_TEST(a_client_that_leaves_is_told_once_and_its_stream_goes_with_the_next_word)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow"));
	struct flow *flow = flow_at(0);
	struct linger now = {.l_onoff = 1};

	flow_say(flow, "hello");
	expect_chunk(&wire, "hello");
	setsockopt(wire.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	wire_close(&wire);
	flow_wait(flow, &flow->gone, 1);
	ck_assert_uint_eq(flow_now(flow, &flow->dropped), 0); /* it is suspended */
	flow_say(flow, "anybody there?");
	flow_wait(flow, &flow->dropped, 1);
	flow_wait(flow, &flow->left, 1);
	flow_say(flow, "nobody");
	flow_end(flow);
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_of_much_is_let_go)
{
	struct wire wire = ask_flow(toys_start(&toys), ASK("/flow?endless"));
	struct flow *flow = flow_at(0);

	ck_assert(wire_read(&wire, WIRE_PATIENCE_MS, NULL));
	wire_close(&wire);
	flow_wait(flow, &flow->dropped, 1);
	flow_wait(flow, &flow->left, 1);
}
END_TEST

START_TEST(a_half_closed_client_counts_as_gone_and_reads_the_rest)
{
	uint16_t port = toys_start(&toys);
	struct wire others[4], wire;
	struct flow *flow;

	for (size_t i = 0; i < 4; i++) /* a lone connection is treated more kindly */
		others[i] = ask_flow(port, ASK("/flow"));
	wire = ask_flow(port, ASK("/flow"));
	flow = flow_at(4);
	flow_say(flow, "one");
	expect_chunk(&wire, "one");
	ck_assert_int_eq(shutdown(wire.fd, SHUT_WR), 0);
	flow_wait(flow, &flow->gone, 1);
	for (int i = 0; i < 20; i++) {
		flow_say(flow, "rest");
		expect_chunk(&wire, "rest");
	}
	flow_end(flow);
	expect_chunk(&wire, "");
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
	for (size_t i = 0; i < 4; i++) {
		flow_end(flow_at(i));
		expect_chunk(&others[i], "");
		ck_assert_uint_eq(flow_now(flow_at(i), &flow_at(i)->gone), 0);
		wire_close(&others[i]);
	}
}
END_TEST

START_TEST(a_client_that_half_closes_with_its_request_gets_its_stream)
{
	uint16_t port = toys_start(&toys);

	for (size_t i = 0; i < 50; i++) {
		struct wire wire = wire_open(port);

		wire_say(&wire, ASK("/flow"));
		ck_assert_int_eq(shutdown(wire.fd, SHUT_WR), 0);
		flow_say(flow_at(i), "text");
		flow_wait(flow_at(i), &flow_at(i)->gone, 1);
		flow_end(flow_at(i));
		expect_head(&wire, true);
		ck_assert_uint_eq(read_rest(&wire), 4);
		wire_close(&wire);
	}
}
END_TEST

START_TEST(a_client_that_stalls_is_reset_and_others_are_served_meanwhile)
{
	struct wire stalled, other;
	struct answer answer;
	struct flow *flow;
	uint64_t start, took;
	uint16_t port;

	toys.config.server.write_timeout_ms = 300;
	port = toys_start(&toys);
	stalled = wire_open_narrow(port, 4096);
	start = clock_us();
	wire_say(&stalled, ASK("/flow?endless"));
	flow = flow_at(0);
	other = ask_flow(port, ASK("/flow"));
	for (int i = 0; i < 10; i++) {
		flow_say(flow_at(1), "served");
		expect_chunk(&other, "served");
		answer = wire_ask(port, ASK("/ok"));
		ck_assert_int_eq(answer.status, 200);
		answer_free(&answer);
	}
	flow_wait(flow, &flow->dropped, 1);
	took = clock_us() - start;
	ck_assert_uint_ge(took, 300000);
	ck_assert_uint_le(took, 10000000);
	flow_end(flow_at(1));
	expect_chunk(&other, "");
	while (wire_read(&stalled, WIRE_PATIENCE_MS, NULL))
		;
	ck_assert(stalled.ended);
	ck_assert_ptr_null(strstr(stalled.in, "\r\n0\r\n\r\n"));
	wire_close(&stalled);
	wire_close(&other);
}
END_TEST

/* The server's end of the connection; both are in this process. */
static int other_end(const struct wire *wire)
{
	struct sockaddr_in mine = {0}, theirs = {0};
	socklen_t len = sizeof mine;

	ck_assert_int_eq(getsockname(wire->fd, (struct sockaddr *)&mine, &len), 0);
	for (int fd = 0; fd < 1024; fd++) {
		len = sizeof theirs;
		if (getpeername(fd, (struct sockaddr *)&theirs, &len) == 0 &&
			theirs.sin_family == AF_INET && theirs.sin_port == mine.sin_port)
			return fd;
	}
	return -1;
}

START_TEST(the_end_of_a_stream_waits_no_longer_than_write_timeout_for_its_reader)
{
	static const char junk[65536];
	struct wire wire;
	struct flow *flow;
	int fd;

	toys.config.server.write_timeout_ms = 300;
	wire = wire_open_narrow(toys_start(&toys), 4096);
	wire_say(&wire, ASK("/flow"));
	expect_head(&wire, true);
	flow = flow_at(0);
	flow_wait(flow, &flow->empty, 1);
	fd = other_end(&wire);
	ck_assert_int_ge(fd, 0);
	for (size_t piece = sizeof junk; piece > 0;
		piece /= 2) /* as if it had been said and not read */
		while (send(fd, junk, piece, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
	flow_end(flow);
	flow_wait(flow, &flow->dropped, 1);
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

START_TEST(a_stop_without_grace_cuts_streams_that_have_just_been_woken)
{
	static struct wire wires[STREAMS];
	pthread_t wakers[WAKERS];

	open_paused(wires, toys_start(&toys));
	start_wakers(wakers, end_share);
	join_wakers(wakers);
	http_server_stop(toys.server, 0);
	for (size_t i = 0; i < STREAMS; i++)
		wire_close(&wires[i]);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("http_server_stream");
	TCase *tcase = tcase_create("stream");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, chunks_arrive_as_they_are_woken_and_the_connection_goes_on);
	tcase_add_test(tcase, a_wake_before_the_reply_is_not_lost);
	tcase_add_test(tcase, a_stream_may_have_ended_before_its_reply);
	tcase_add_test(tcase, a_wake_in_a_read_that_found_nothing_is_not_lost);
	tcase_add_test(tcase, ten_thousand_wakes_between_reading_and_pausing_lose_nothing);
	tcase_add_test(tcase, ten_thousand_wakes_by_many_threads_lose_nothing);
	tcase_add_test(tcase, an_alarm_rings_without_a_wake_and_silence_is_not_cut);
	tcase_add_test(tcase, a_stream_that_cannot_go_on_has_no_last_chunk);
	tcase_add_test(tcase, for_http_1_0_the_connection_ends_the_answer);
	tcase_add_test(tcase, head_reads_nothing_and_leaves_nothing_to_be_taken_for_an_answer);
	tcase_add_test(
		tcase, a_client_that_leaves_is_told_once_and_its_stream_goes_with_the_next_word);
	tcase_add_test(tcase, a_client_that_leaves_in_the_middle_of_much_is_let_go);
	tcase_add_test(tcase, a_half_closed_client_counts_as_gone_and_reads_the_rest);
	tcase_add_test(tcase, a_client_that_half_closes_with_its_request_gets_its_stream);
	tcase_add_test(tcase, a_client_that_stalls_is_reset_and_others_are_served_meanwhile);
	tcase_add_test(
		tcase, the_end_of_a_stream_waits_no_longer_than_write_timeout_for_its_reader);
	tcase_add_test(tcase, two_hundred_streams_woken_by_four_threads_all_end);
	tcase_add_test(tcase, a_stop_waits_for_streams_that_are_ending);
	tcase_add_test(tcase, a_stop_without_grace_cuts_streams_that_have_just_been_woken);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
