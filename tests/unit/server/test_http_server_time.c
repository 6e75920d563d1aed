/* test_http_server_time.c - the HTTP front over time: deadlines, clients that leave, many
 * connections. */
#include "tests/harness/check_main.h"
#include "toys.h"

static struct toys toys;

static void set_up(void)
{
	toys_init(&toys);
}

static void tear_down(void)
{
	toys_stop(&toys);
}

/* Says one byte of `text` whenever the peer has been silent for a while; the time from
 * `start` until the peer hung up. */
static uint64_t drip(struct wire *wire, uint64_t start, const char *text)
{
	struct pollfd in = {.fd = wire->fd, .events = POLLIN};

	for (; *text; text++) {
		if (!wire_write(wire, text, 1))
			break;
		if (poll(&in, 1, 20) != 0)
			break;
	}
	ck_assert(wire_ends(wire, 5000));
	return clock_us() - start;
}

static char *long_field(void)
{
	char *text = malloc(1000);

	memset(text, 'a', 999);
	text[999] = '\0';
	memcpy(text, "GET /ok HTTP/1.1\r\nHost: x\r\nX: ", 30);
	return text;
}

START_TEST(headers_that_drip_are_cut_at_the_deadline_although_bytes_keep_coming)
{
	struct wire wire, good;
	char *slow = long_field();
	uint64_t start, took;

	toys.config.server.header_timeout_ms = 1500;
	toys_start(&toys);
	start = clock_us();
	wire = wire_open(http_server_port(toys.server));
	took = drip(&wire, start, slow);
	ck_assert_uint_ge(took, 1490000);
	ck_assert_uint_le(took, 6000000);
	free(slow);
	wire_close(&wire);
	good = wire_open(http_server_port(toys.server));
	wire_say(&good, GET_OK);
	toys_expect(&good, 200);
	wire_close(&good);
}
END_TEST

START_TEST(a_connection_that_says_nothing_is_cut_at_the_header_deadline)
{
	struct wire wire;

	toys.config.server.header_timeout_ms = 150;
	wire = wire_open(toys_start(&toys));
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}
END_TEST

START_TEST(the_header_deadline_of_a_later_request_begins_with_its_request_line)
{
	struct wire wire;
	char *slow = long_field();

	toys.config.server.header_timeout_ms = 1500;
	wire = wire_open(toys_start(&toys));
	for (int i = 0; i < 3; i++) {
		wire_say(&wire, GET_OK);
		toys_expect(&wire, 200);
	}
	ck_assert_uint_le(drip(&wire, clock_us(), slow), 6000000);
	free(slow);
	wire_close(&wire);
}
END_TEST

START_TEST(a_body_that_drips_is_cut_at_the_deadline_and_gives_its_memory_back)
{
	struct wire wire;
	uint64_t start;

	toys.config.server.body_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	start = clock_us();
	wire_say(&wire, "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 900\r\n\r\n");
	ck_assert_uint_ge(
		drip(&wire, start,
			"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"),
		190000);
	wire_close(&wire);
}
END_TEST

START_TEST(a_refused_body_that_drips_is_cut_too)
{
	struct wire wire;
	uint64_t start;

	toys.config.server.body_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	start = clock_us();
	wire_say(&wire, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
	ck_assert_uint_ge(
		drip(&wire, start,
			"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"),
		190000);
	wire_close(&wire);
}
END_TEST

START_TEST(an_idle_connection_is_cut_after_the_idle_time)
{
	struct wire wire;

	toys.config.server.idle_timeout_ms = 150;
	wire = wire_open(toys_start(&toys));
	wire_say(&wire, GET_OK);
	toys_expect(&wire, 200);
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_reset)
{
	struct wire wire;
	struct pollfd reset = {.events = 0};

	toys.config.server.write_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	for (int i = 0; i < 4; i++) /* more than the buffers of both kernels hold */
		wire_say(&wire, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	reset.fd = wire.fd;
	ck_assert_int_eq(poll(&reset, 1, WIRE_PATIENCE_MS), 1);
	ck_assert(reset.revents &
		  POLLERR); /* not ended: the kernel keeps nothing for such a client */
	wire_close(&wire);
}
END_TEST

/* Time passes until the server cuts a connection that says nothing: header_timeout. */
static void let_time_pass(uint16_t port)
{
	struct wire wire = wire_open(port);

	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}

START_TEST(a_slow_reader_that_goes_on_reading_gets_the_whole_answer)
{
	struct wire wire;
	size_t got = 0, paused = 0;
	ssize_t len;
	static char dump[65536];
	uint16_t port;

	toys.config.server.header_timeout_ms = 1000;
	toys.config.server.write_timeout_ms = 3000;
	port = toys_start(&toys);
	wire = wire_open_narrow(port, 8192);
	wire_say(&wire, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	while ((len = recv(wire.fd, dump, sizeof dump, 0)) > 0) {
		got += (size_t)len;
		if (got / 1000000 > paused) { /* pauses that are longer in all than write_timeout,
						each one shorter */
			let_time_pass(port);
			paused++;
		}
	}
	ck_assert_uint_gt(got, TOY_BIG_BYTES);
	wire_close(&wire);
}
END_TEST

START_TEST(a_client_that_leaves_while_it_waits_is_noticed_at_once)
{
	struct wire wire = wire_open(toys_start(&toys));

	wire_say(&wire, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	toys_held(&toys);
	wire_close(&wire);
	toys_wait_destroyed(&toys, 1);
	ck_assert_uint_eq(atomic_load(&toys.gone), 1);
}
END_TEST

START_TEST(a_reset_while_waiting_is_noticed_too)
{
	struct wire wire = wire_open(toys_start(&toys));
	struct linger now = {.l_onoff = 1};

	wire_say(&wire, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	toys_held(&toys);
	setsockopt(wire.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	wire_close(&wire);
	toys_wait_destroyed(&toys, 1);
	ck_assert_uint_eq(atomic_load(&toys.gone), 1);
}
END_TEST

START_TEST(a_half_closed_client_counts_as_gone_and_still_reads_its_answer)
{
	struct wire wire = wire_open(toys_start(&toys));
	struct answer answer;

	wire_say(&wire, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	toys_held(&toys);
	ck_assert_int_eq(shutdown(wire.fd, SHUT_WR), 0);
	answer = wire_answer(&wire);
	ck_assert_str_eq(answer.body, "you left");
	answer_free(&answer);
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
	ck_assert_uint_eq(atomic_load(&toys.gone), 1);
}
END_TEST

START_TEST(a_client_that_half_closes_with_its_request_is_answered)
{
	uint16_t port = toys_start(&toys);
	static const char *const requests[] = {GET_OK, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /later HTTP/1.1\r\nHost: x\r\n\r\n"};

	for (size_t i = 0; i < 3; i++) {
		struct wire wire = wire_open(port), others[4];

		for (size_t k = 0; k < 4;
			k++) { /* a lone connection is treated more kindly by libmicrohttpd */
			others[k] = wire_open(port);
			wire_say(&others[k], GET_OK);
			toys_expect(&others[k], 200);
		}
		wire_say(&wire, requests[i]);
		ck_assert_int_eq(shutdown(wire.fd, SHUT_WR), 0);
		toys_expect(&wire, 200);
		wire_close(&wire);
		for (size_t k = 0; k < 4; k++)
			wire_close(&others[k]);
	}
}
END_TEST

START_TEST(gone_is_not_called_once_the_answer_was_given)
{
	uint16_t port = toys_start(&toys);

	for (int i = 0; i < 200; i++) {
		struct wire wire = wire_open(port);

		wire_say(&wire, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
		toys_expect(&wire, 200);
		wire_close(&wire);
	}
	toys_wait_destroyed(&toys, 200);
	ck_assert_uint_eq(atomic_load(&toys.gone), 0);
}
END_TEST

START_TEST(two_hundred_kept_connections_are_suspended_and_resumed_over_and_over)
{
	enum { WIRES = 200, ROUNDS = 60 };
	static struct wire wires[WIRES];
	uint16_t port = toys_start(&toys);
	uint64_t slowest = 0;

	for (int i = 0; i < WIRES; i++)
		wires[i] = wire_open(port);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_us();

		for (int i = 0; i < WIRES; i++)
			wire_say(&wires[i], "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
		for (int i = 0; i < WIRES; i++) {
			struct answer answer = wire_answer(&wires[i]);

			ck_assert_str_eq(answer.body, "later");
			answer_free(&answer);
		}
		if (clock_us() - start > slowest)
			slowest = clock_us() - start;
	}
	ck_assert_uint_lt(slowest, 5000000); /* nobody is forgotten until some time-out */
	for (int i = 0; i < WIRES; i++)
		wire_close(&wires[i]);
}
END_TEST

enum { THREADS_MAX = 8 };

struct side { /* connections of one http thread */
	char name[32];
	struct wire *wires;
	size_t count;
};

static struct side *side_of(struct side *sides, const char *name, size_t count)
{
	struct side *side = sides;

	while (*side->name && strcmp(side->name, name) != 0)
		side++;
	ck_assert_uint_lt((size_t)(side - sides), THREADS_MAX);
	if (!*side->name) {
		snprintf(side->name, sizeof side->name, "%s", name);
		side->wires = mem_new(count * sizeof *side->wires);
	}
	return side;
}

/* Opens connections until one http thread has `count` of them. */
static struct side *open_on_one_thread(uint16_t port, struct side *sides, size_t count)
{
	struct side *side;

	do {
		struct wire wire = wire_open(port);
		struct answer answer;

		wire_say(&wire, "GET /thread HTTP/1.1\r\nHost: x\r\n\r\n");
		answer = wire_answer(&wire);
		side = side_of(sides, answer.body, count);
		side->wires[side->count++] = wire;
		answer_free(&answer);
	} while (side->count < count);
	return side;
}

static void close_sides(struct side *sides)
{
	for (struct side *side = sides; side < sides + THREADS_MAX; side++) {
		for (size_t i = 0; i < side->count; i++)
			wire_close(&side->wires[i]);
		mem_free(side->wires);
	}
}

/* libmicrohttpd reads at most 128 events at a time, and up to 1.0.1 at least waits for another one
 * where it got just so many, before it looks at them. */
START_TEST(requests_that_come_just_as_many_at_once_as_the_library_reads_events_are_answered)
{
	enum { WIRES = 262 };
	static const size_t counts[] = {127, 128, 129, 256, 257};
	struct side sides[THREADS_MAX + 1] = {0};
	struct wire *wires = open_on_one_thread(toys_start(&toys), sides, WIRES)->wires;

	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		struct wire *blocker = &wires[WIRES - 1 - k]; /* nothing is left to do for it */

		wire_say(blocker, "GET /block HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		toys_expect(blocker, 200);
		toys_wait_blocked(&toys);
		for (size_t i = 0; i < counts[k]; i++)
			wire_say(&wires[i], GET_OK);
		toys_unblock(&toys);
		for (size_t i = 0; i < counts[k]; i++)
			toys_expect(&wires[i], 200);
	}
	close_sides(sides);
}
END_TEST

START_TEST(two_hundred_hostile_connections_do_not_keep_a_good_client_waiting)
{
	enum { WIRES = 200 };
	static struct wire wires[WIRES];
	uint16_t port = toys_start(&toys);
	uint64_t start;

	for (int i = 0; i < WIRES; i++) {
		wires[i] = wire_open(port);
		wire_say(&wires[i], i % 3 == 0   ? "GET /ok HT"
				    : i % 3 == 1 ? "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
						   "Content-Length: 900\r\n\r\n[1"
						 : "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	start = clock_us();
	for (int i = 0; i < 20; i++)
		toys_expect_ask(port, GET_OK, 200);
	ck_assert_uint_lt(clock_us() - start, 5000000);
	for (int i = 0; i < WIRES; i++)
		wire_close(&wires[i]);
	toys_wait_destroyed(&toys, WIRES / 3);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, headers_that_drip_are_cut_at_the_deadline_although_bytes_keep_coming);
	tcase_add_test(tests, a_connection_that_says_nothing_is_cut_at_the_header_deadline);
	tcase_add_test(tests, the_header_deadline_of_a_later_request_begins_with_its_request_line);
	tcase_add_test(tests, a_body_that_drips_is_cut_at_the_deadline_and_gives_its_memory_back);
	tcase_add_test(tests, a_refused_body_that_drips_is_cut_too);
	tcase_add_test(tests, an_idle_connection_is_cut_after_the_idle_time);
	tcase_add_test(tests, a_client_that_does_not_read_is_reset);
	tcase_add_test(tests, a_slow_reader_that_goes_on_reading_gets_the_whole_answer);
	tcase_add_test(tests, a_client_that_leaves_while_it_waits_is_noticed_at_once);
	tcase_add_test(tests, a_reset_while_waiting_is_noticed_too);
	tcase_add_test(tests, a_half_closed_client_counts_as_gone_and_still_reads_its_answer);
	tcase_add_test(tests, a_client_that_half_closes_with_its_request_is_answered);
	tcase_add_test(tests, gone_is_not_called_once_the_answer_was_given);
	tcase_add_test(tests, two_hundred_kept_connections_are_suspended_and_resumed_over_and_over);
	tcase_add_test(tests,
		requests_that_come_just_as_many_at_once_as_the_library_reads_events_are_answered);
	tcase_add_test(tests, two_hundred_hostile_connections_do_not_keep_a_good_client_waiting);
	return check_run("http_server_time", tests);
}
