/* test_http_server_life.c - the HTTP front over time: deadlines, clients that leave, keys, limits, reload, drain, stop. */
#include "toys.h"

#include "common/metrics.h"

static struct toys toys;

static void set_up(void)
{
	toys_init(&toys);
}

static void tear_down(void)
{
	toys_stop(&toys);
}

#define GET_OK "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
#define JSON "Content-Type: application/json\r\n"

static void expect_status(struct wire *wire, int status)
{
	struct answer answer = wire_answer(wire);

	ck_assert_int_eq(answer.status, status);
	answer_free(&answer);
}

/* Says one byte of `text` whenever the peer has been silent for a while; the time until the peer hung up. */
static uint64_t drip(struct wire *wire, const char *text)
{
	uint64_t start = clock_us();
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
	uint64_t took;

	toys.config.server.header_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	took = drip(&wire, slow);
	ck_assert_uint_ge(took, 190000);
	ck_assert_uint_le(took, 3000000);
	free(slow);
	wire_close(&wire);
	good = wire_open(http_server_port(toys.server));
	wire_say(&good, GET_OK);
	expect_status(&good, 200);
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

	toys.config.server.header_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	for (int i = 0; i < 3; i++) {
		wire_say(&wire, GET_OK);
		expect_status(&wire, 200);
	}
	ck_assert_uint_le(drip(&wire, slow), 5000000);
	free(slow);
	wire_close(&wire);
}
END_TEST

START_TEST(a_body_that_drips_is_cut_at_the_deadline_and_gives_its_memory_back)
{
	struct wire wire;

	toys.config.server.body_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	wire_say(&wire, "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 900\r\n\r\n");
	ck_assert_uint_ge(drip(&wire, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"), 190000);
	wire_close(&wire);
}
END_TEST

START_TEST(a_refused_body_that_drips_is_cut_too)
{
	struct wire wire;

	toys.config.server.body_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	wire_say(&wire, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
	ck_assert_uint_ge(drip(&wire, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"), 190000);
	wire_close(&wire);
}
END_TEST

START_TEST(an_idle_connection_is_cut_after_the_idle_time)
{
	struct wire wire;

	toys.config.server.idle_timeout_ms = 150;
	wire = wire_open(toys_start(&toys));
	wire_say(&wire, GET_OK);
	expect_status(&wire, 200);
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_cut_and_the_source_released)
{
	struct wire wire;
	struct pollfd hung = {.events = 0};
	char dump[4096];

	toys.config.server.write_timeout_ms = 200;
	wire = wire_open(toys_start(&toys));
	for (int i = 0; i < 4; i++) /* more than the buffers of both kernels hold */
		wire_say(&wire, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	hung.fd = wire.fd;
	ck_assert_int_eq(poll(&hung, 1, 10000), 1); /* POLLHUP or POLLERR: nothing else was asked for */
	while (recv(wire.fd, dump, sizeof dump, 0) > 0)
		;
	wire_close(&wire);
}
END_TEST

START_TEST(a_slow_reader_that_goes_on_reading_gets_the_whole_answer)
{
	struct wire wire;
	struct pollfd never = {.fd = -1};
	size_t got = 0;
	ssize_t len;
	int small = 65536;
	static char dump[400000];

	toys.config.server.write_timeout_ms = 250;
	wire = wire_open(toys_start(&toys));
	setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	wire_say(&wire, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	for (int i = 0; (len = recv(wire.fd, dump, sizeof dump, 0)) > 0; i++) {
		got += (size_t)len;
		if (got < TOY_BIG_BYTES && i % 8 == 0)
			poll(&never, 1, 20); /* reads slower than the server writes: longer in all than write_timeout */
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
	while (atomic_load(&toys.destroyed) == 0)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(atomic_load(&toys.gone), 1);
	ck_assert_uint_eq(atomic_load(&toys.destroyed), 1);
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
	while (atomic_load(&toys.destroyed) == 0)
		poll(NULL, 0, 1);
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
	static const char *const requests[] = {
		GET_OK, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n", "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"};

	for (size_t i = 0; i < 3; i++) {
		struct wire wire = wire_open(port);

		wire_say(&wire, requests[i]);
		ck_assert_int_eq(shutdown(wire.fd, SHUT_WR), 0);
		expect_status(&wire, 200);
		wire_close(&wire);
	}
}
END_TEST

START_TEST(gone_is_not_called_once_the_answer_was_given)
{
	uint16_t port = toys_start(&toys);

	for (int i = 0; i < 200; i++) {
		struct wire wire = wire_open(port);

		wire_say(&wire, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
		expect_status(&wire, 200);
		wire_close(&wire);
	}
	while (atomic_load(&toys.destroyed) < 200)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(atomic_load(&toys.gone), 0);
}
END_TEST

START_TEST(connections_past_the_limit_are_answered_with_503_and_closed)
{
	struct wire first, second, third;
	struct answer answer;
	uint16_t port;

	toys.config.server.max_connections = 2;
	port = toys_start(&toys);
	first = wire_open(port);
	second = wire_open(port);
	wire_say(&first, GET_OK);
	expect_status(&first, 200);
	wire_say(&second, GET_OK);
	expect_status(&second, 200);
	third = wire_open(port);
	wire_say(&third, GET_OK);
	answer = wire_answer(&third);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "max_connections"));
	ck_assert_ptr_nonnull(answer_field(&answer, "Retry-After"));
	answer_free(&answer);
	ck_assert(wire_ends(&third, 5000));
	wire_close(&third);
	third = wire_open(port);
	wire_say(&third, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(&third, 200);
	wire_close(&third);
	wire_close(&first);
	wire_close(&second);
}
END_TEST

#define BEARER(key) "Authorization: Bearer " key "\r\n"
#define POST_ECHO(fields) "POST /echo HTTP/1.1\r\nHost: x\r\n" fields JSON "Content-Length: 2\r\n\r\n{}"
#define POST_ADHOC(fields) "POST /adhoc HTTP/1.1\r\nHost: x\r\n" fields JSON "Content-Length: 2\r\n\r\n{}"

static void check_ask(uint16_t port, const char *request, int status)
{
	struct answer answer = wire_ask(port, request);

	ck_assert_msg(answer.status == status, "%.70s: %d", request, answer.status);
	if (status == 401)
		ck_assert_str_eq(answer_field(&answer, "WWW-Authenticate"), "Bearer");
	answer_free(&answer);
}

START_TEST(keys_open_what_they_may_and_nothing_else)
{
	uint16_t port;

	toys_add_key(&toys, "team", "secret-one", false, false);
	toys_add_key(&toys, "boss", "secret-two", true, true);
	port = toys_start(&toys);
	check_ask(port, POST_ECHO(""), 401);
	check_ask(port, POST_ECHO(BEARER("wrong")), 401);
	check_ask(port, POST_ECHO("Authorization: Basic c2VjcmV0LW9uZQ==\r\n"), 401);
	check_ask(port, POST_ECHO("Authorization: bEARER secret-one\r\n"), 200);
	check_ask(port, POST_ECHO(BEARER("secret-one") BEARER("secret-two")), 400);
	check_ask(port, POST_ADHOC(BEARER("secret-one")), 403);
	check_ask(port, POST_ADHOC(BEARER("secret-two")), 200);
	check_ask(port, "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", 401);
	check_ask(port, "GET /admin HTTP/1.1\r\nHost: x\r\n" BEARER("secret-one") "\r\n", 403);
	check_ask(port, "GET /admin HTTP/1.1\r\nHost: x\r\n" BEARER("secret-two") "\r\n", 200);
	check_ask(port, "GET /ok HTTP/1.1\r\nHost: x\r\n" BEARER("wrong") "\r\n", 200);
	/* the key comes before the body's type, and after the path */
	check_ask(port, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 401);
	check_ask(port, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 404);
}
END_TEST

START_TEST(a_reload_changes_keys_and_limits_for_the_requests_that_follow)
{
	static struct config next;
	uint16_t port = toys_start(&toys);

	check_ask(port, POST_ECHO(""), 200);
	toys_add_key(&toys, "team", "secret-one", true, false);
	next = toys.config;
	atomic_init(&next.refs, 1);
	next.limits.max_body = 1;
	toys.config.auth.key_count = 0;
	ck_assert_int_eq(http_server_configure(toys.server, &next), ERR_OK);
	ck_assert_uint_eq(atomic_load(&toys.config.refs), 1);
	check_ask(port, POST_ECHO(""), 401);
	check_ask(port, POST_ECHO(BEARER("secret-one")), 413);
	ck_assert_int_eq(http_server_configure(toys.server, &toys.config), ERR_OK);
	check_ask(port, POST_ECHO(""), 200);
}
END_TEST

#define PREFLIGHT(origin)                                                                          \
	"OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: " origin "\r\nAccess-Control-Request-Method: POST\r\n\r\n"

START_TEST(options_says_what_is_allowed_and_to_which_origin)
{
	struct answer answer;
	uint16_t port;

	toys.origins[0] = (char *)(uintptr_t)"https://app.example";
	toys.config.server.cors_origins.count = 1;
	port = toys_start(&toys);
	answer = wire_ask(port, PREFLIGHT("https://app.example"));
	ck_assert_int_eq(answer.status, 204);
	ck_assert_str_eq(answer_field(&answer, "Allow"), "POST, OPTIONS");
	ck_assert_str_eq(answer_field(&answer, "Access-Control-Allow-Origin"), "https://app.example");
	ck_assert_str_eq(answer_field(&answer, "Access-Control-Allow-Methods"), "POST, OPTIONS");
	ck_assert_ptr_nonnull(strstr(answer_field(&answer, "Access-Control-Allow-Headers"), "Authorization"));
	ck_assert_str_eq(answer_field(&answer, "Vary"), "Origin");
	ck_assert_ptr_nonnull(answer_field(&answer, "X-Request-Id"));
	answer_free(&answer);
	answer = wire_ask(port, PREFLIGHT("https://evil.example"));
	ck_assert_int_eq(answer.status, 204);
	ck_assert_ptr_null(answer_field(&answer, "Access-Control-Allow-Origin"));
	ck_assert_str_eq(answer_field(&answer, "Vary"), "Origin");
	answer_free(&answer);
	answer = wire_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\n\r\n");
	ck_assert_int_eq(answer.status, 404);
	ck_assert_str_eq(answer_field(&answer, "Access-Control-Allow-Origin"), "https://app.example");
	ck_assert_ptr_nonnull(strstr(answer_field(&answer, "Access-Control-Expose-Headers"), "X-Request-Id"));
	answer_free(&answer);
}
END_TEST

START_TEST(while_draining_only_health_is_answered_and_what_runs_still_ends)
{
	uint16_t port = toys_start(&toys);
	struct wire waiting = wire_open(port), kept = wire_open(port);
	struct answer answer;
	struct exchange *ex;

	wire_say(&waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	ex = toys_held(&toys);
	wire_say(&kept, GET_OK);
	expect_status(&kept, 200);
	http_server_set_state(toys.server, HTTP_DRAINING);
	wire_say(&kept, GET_OK);
	answer = wire_answer(&kept);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "\"draining\""));
	ck_assert_str_eq(answer_field(&answer, "Connection"), "close");
	answer_free(&answer);
	ck_assert(wire_ends(&kept, 5000));
	check_ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	check_ask(port, POST_ECHO(""), 503);
	check_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404);
	exchange_reply(ex, 200, "text/plain", "at last", 7);
	answer = wire_answer(&waiting);
	ck_assert_str_eq(answer.body, "at last");
	ck_assert_str_eq(answer_field(&answer, "Connection"), "close");
	answer_free(&answer);
	wire_close(&waiting);
	wire_close(&kept);
}
END_TEST

START_TEST(stopping_waits_for_answers_that_are_being_written)
{
	uint16_t port = toys_start(&toys);
	struct wire wire = wire_open(port);
	struct exchange *ex;
	struct answer answer;

	wire_say(&wire, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	ex = toys_held(&toys);
	exchange_reply(ex, 200, "text/plain", "last words", 10);
	http_server_stop(toys.server, 5000);
	answer = wire_answer(&wire);
	ck_assert_str_eq(answer.body, "last words");
	answer_free(&answer);
	wire_close(&wire);
}
END_TEST

START_TEST(stopping_cuts_what_is_not_read_within_the_grace)
{
	uint16_t port = toys_start(&toys);
	struct wire wire = wire_open(port);
	struct pollfd in = {.fd = wire.fd, .events = POLLIN};
	uint64_t start;

	for (int i = 0; i < 4; i++)
		wire_say(&wire, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(poll(&in, 1, 5000), 1);
	start = clock_us();
	http_server_stop(toys.server, 100);
	ck_assert_uint_le(clock_us() - start, 5000000);
	wire_close(&wire);
}
END_TEST

START_TEST(every_answer_of_ours_is_reported_once)
{
	uint16_t port = toys_start(&toys);

	check_ask(port, GET_OK, 200);
	check_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404);
	check_ask(port, "GET /ok HTTP/1.1\r\n\r\n", 400);
	check_ask(port, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	http_server_stop(toys.server, 1000);
	ck_assert_uint_eq(atomic_load(&toys.answered), 4);
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

START_TEST(two_hundred_hostile_connections_do_not_keep_a_good_client_waiting)
{
	enum { WIRES = 200 };
	static struct wire wires[WIRES];
	uint16_t port = toys_start(&toys);
	uint64_t start;

	for (int i = 0; i < WIRES; i++) {
		wires[i] = wire_open(port);
		wire_say(&wires[i], i % 3 == 0 ? "GET /ok HT"
				: i % 3 == 1   ? "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 900\r\n\r\n[1"
					       : "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	start = clock_us();
	for (int i = 0; i < 20; i++)
		check_ask(port, GET_OK, 200);
	ck_assert_uint_lt(clock_us() - start, 5000000);
	for (int i = 0; i < WIRES; i++)
		wire_close(&wires[i]);
	while (atomic_load(&toys.destroyed) < WIRES / 3)
		poll(NULL, 0, 1);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("http_server_life");
	TCase *tcase = tcase_create("life");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, headers_that_drip_are_cut_at_the_deadline_although_bytes_keep_coming);
	tcase_add_test(tcase, a_connection_that_says_nothing_is_cut_at_the_header_deadline);
	tcase_add_test(tcase, the_header_deadline_of_a_later_request_begins_with_its_request_line);
	tcase_add_test(tcase, a_body_that_drips_is_cut_at_the_deadline_and_gives_its_memory_back);
	tcase_add_test(tcase, a_refused_body_that_drips_is_cut_too);
	tcase_add_test(tcase, an_idle_connection_is_cut_after_the_idle_time);
	tcase_add_test(tcase, a_client_that_does_not_read_is_cut_and_the_source_released);
	tcase_add_test(tcase, a_slow_reader_that_goes_on_reading_gets_the_whole_answer);
	tcase_add_test(tcase, a_client_that_leaves_while_it_waits_is_noticed_at_once);
	tcase_add_test(tcase, a_reset_while_waiting_is_noticed_too);
	tcase_add_test(tcase, a_half_closed_client_counts_as_gone_and_still_reads_its_answer);
	tcase_add_test(tcase, a_client_that_half_closes_with_its_request_is_answered);
	tcase_add_test(tcase, gone_is_not_called_once_the_answer_was_given);
	tcase_add_test(tcase, connections_past_the_limit_are_answered_with_503_and_closed);
	tcase_add_test(tcase, keys_open_what_they_may_and_nothing_else);
	tcase_add_test(tcase, a_reload_changes_keys_and_limits_for_the_requests_that_follow);
	tcase_add_test(tcase, options_says_what_is_allowed_and_to_which_origin);
	tcase_add_test(tcase, while_draining_only_health_is_answered_and_what_runs_still_ends);
	tcase_add_test(tcase, stopping_waits_for_answers_that_are_being_written);
	tcase_add_test(tcase, stopping_cuts_what_is_not_read_within_the_grace);
	tcase_add_test(tcase, every_answer_of_ours_is_reported_once);
	tcase_add_test(tcase, two_hundred_kept_connections_are_suspended_and_resumed_over_and_over);
	tcase_add_test(tcase, two_hundred_hostile_connections_do_not_keep_a_good_client_waiting);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
