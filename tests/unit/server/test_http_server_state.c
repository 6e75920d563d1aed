/* test_http_server_state.c - the HTTP front's own state: limits, keys, reload, origins, drain,
 * stop. */
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
	toys_expect(&first, 200);
	wire_say(&second, GET_OK);
	toys_expect(&second, 200);
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
	toys_expect(&third, 200);
	wire_close(&third);
	wire_close(&first);
	wire_close(&second);
}
END_TEST

#define BEARER(key) "Authorization: Bearer " key "\r\n"
#define POST_ECHO(fields) \
	"POST /echo HTTP/1.1\r\nHost: x\r\n" fields JSON "Content-Length: 2\r\n\r\n{}"
#define POST_ADHOC(fields) \
	"POST /adhoc HTTP/1.1\r\nHost: x\r\n" fields JSON "Content-Length: 2\r\n\r\n{}"

START_TEST(keys_open_what_they_may_and_nothing_else)
{
	uint16_t port;

	toys_add_key(&toys, "team", "secret-one", false, false);
	toys_add_key(&toys, "boss", "secret-two", true, true);
	port = toys_start(&toys);
	toys_expect_ask(port, POST_ECHO(""), 401);
	toys_expect_ask(port, POST_ECHO(BEARER("wrong")), 401);
	toys_expect_ask(port, POST_ECHO("Authorization: Basic c2VjcmV0LW9uZQ==\r\n"), 401);
	toys_expect_ask(port, POST_ECHO("Authorization: bEARER secret-one\r\n"), 200);
	toys_expect_ask(port, POST_ECHO(BEARER("secret-one") BEARER("secret-two")), 400);
	toys_expect_ask(port, POST_ADHOC(BEARER("secret-one")), 403);
	toys_expect_ask(port, POST_ADHOC(BEARER("secret-two")), 200);
	toys_expect_ask(port, "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", 401);
	toys_expect_ask(
		port, "GET /admin HTTP/1.1\r\nHost: x\r\n" BEARER("secret-one") "\r\n", 403);
	toys_expect_ask(
		port, "GET /admin HTTP/1.1\r\nHost: x\r\n" BEARER("secret-two") "\r\n", 200);
	toys_expect_ask(port, "GET /ok HTTP/1.1\r\nHost: x\r\n" BEARER("wrong") "\r\n", 200);
	/* the key comes before the body's type, and after the path */
	toys_expect_ask(port,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: "
		"2\r\n\r\n{}",
		401);
	toys_expect_ask(
		port, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 404);
}
END_TEST

START_TEST(a_reload_changes_keys_and_limits_for_the_requests_that_follow)
{
	static struct config next;
	uint16_t port = toys_start(&toys);

	toys_expect_ask(port, POST_ECHO(""), 200);
	toys_add_key(&toys, "team", "secret-one", true, false);
	next = toys.config;
	atomic_init(&next.refs, 1);
	next.limits.max_body = 1;
	toys.config.auth.key_count = 0;
	ck_assert_int_eq(http_server_configure(toys.server, &next), ERR_OK);
	toys_expect_ask(port, POST_ECHO(""), 401);
	toys_expect_ask(port, POST_ECHO(BEARER("secret-one")), 413);
	ck_assert_int_eq(http_server_configure(toys.server, &toys.config), ERR_OK);
	toys_expect_ask(port, POST_ECHO(""), 200);
}
END_TEST

START_TEST(a_reload_without_memory_changes_nothing)
{
	static struct config next;
	uint16_t port = toys_start(&toys);
	enum err_code code = ERR_NOMEM;

	toys_expect_ask(port, POST_ECHO(""), 200);
	toys_add_key(&toys, "team", "secret-one", true, false);
	next = toys.config;
	atomic_init(&next.refs, 1);
	next.limits.max_body = 1;
	toys.config.auth.key_count = 0;
	for (unsigned long n = 1; code != ERR_OK; n++) {
		ck_assert_uint_lt(n, 20);
		mem_fail_at(n);
		code = http_server_configure(toys.server, &next);
		ck_assert_int_eq(code, mem_failed() ? ERR_NOMEM : ERR_OK);
		mem_fail_at(0);
		ck_assert(n > 1 || code == ERR_NOMEM);
		ck_assert_uint_eq(next.refs, code == ERR_OK ? 2 : 1);
		toys_expect_ask(port, POST_ECHO(""), code == ERR_OK ? 401 : 200);
	}
	ck_assert_int_eq(http_server_configure(toys.server, &toys.config), ERR_OK);
}
END_TEST

#define PREFLIGHT(origin)                                      \
	"OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: " origin \
	"\r\nAccess-Control-Request-Method: POST\r\n\r\n"

START_TEST(options_says_what_is_allowed_and_to_which_origin)
{
	struct answer answer;
	uint16_t port;

	toys.origins[0] = (char *)(uintptr_t) "https://app.example";
	toys.config.server.cors_origins.count = 1;
	port = toys_start(&toys);
	answer = wire_ask(port, PREFLIGHT("https://app.example"));
	ck_assert_int_eq(answer.status, 204);
	ck_assert_str_eq(answer_field(&answer, "Allow"), "POST, OPTIONS");
	ck_assert_str_eq(
		answer_field(&answer, "Access-Control-Allow-Origin"), "https://app.example");
	ck_assert_str_eq(answer_field(&answer, "Access-Control-Allow-Methods"), "POST, OPTIONS");
	ck_assert_ptr_nonnull(
		strstr(answer_field(&answer, "Access-Control-Allow-Headers"), "Authorization"));
	ck_assert_str_eq(answer_field(&answer, "Vary"), "Origin");
	ck_assert_ptr_nonnull(answer_field(&answer, "X-Request-Id"));
	answer_free(&answer);
	answer = wire_ask(port, PREFLIGHT("https://evil.example"));
	ck_assert_int_eq(answer.status, 204);
	ck_assert_ptr_null(answer_field(&answer, "Access-Control-Allow-Origin"));
	ck_assert_str_eq(answer_field(&answer, "Vary"), "Origin");
	answer_free(&answer);
	answer = wire_ask(
		port, "GET /nowhere HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\n\r\n");
	ck_assert_int_eq(answer.status, 404);
	ck_assert_str_eq(
		answer_field(&answer, "Access-Control-Allow-Origin"), "https://app.example");
	ck_assert_ptr_nonnull(
		strstr(answer_field(&answer, "Access-Control-Expose-Headers"), "X-Request-Id"));
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
	toys_expect(&kept, 200);
	http_server_set_state(toys.server, HTTP_DRAINING);
	wire_say(&kept, GET_OK);
	answer = wire_answer(&kept);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "\"draining\""));
	ck_assert_str_eq(answer_field(&answer, "Connection"), "close");
	answer_free(&answer);
	ck_assert(wire_ends(&kept, 5000));
	toys_expect_ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	toys_expect_ask(port, POST_ECHO(""), 503);
	toys_expect_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404);
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

static void *stop(void *server)
{
	http_server_stop(server, 10000);
	return NULL;
}

START_TEST(stopping_waits_for_a_body_that_is_still_arriving)
{
	pthread_t stopper;
	uint16_t port = toys_start(&toys);
	struct wire wire = wire_open(port);
	struct answer answer;
	int status;

	wire_say(&wire, "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
			"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	toys_expect(&wire, 100); /* the headers have been read */
	ck_assert_int_eq(pthread_create(&stopper, NULL, stop, toys.server), 0);
	do {
		answer = wire_ask(port, GET_OK);
		status = answer.status;
		answer_free(&answer);
	} while (status == 200);
	ck_assert_int_eq(status, 503);
	wire_say(&wire, "{}");
	pthread_join(stopper, NULL);
	answer = wire_answer(&wire);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{}");
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

	toys_expect_ask(port, GET_OK, 200);
	toys_expect_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404);
	toys_expect_ask(port, "PUT /ok HTTP/1.1\r\nHost: x\r\n\r\n", 405);
	toys_expect_ask(port, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	http_server_stop(toys.server, 1000);
	ck_assert_uint_eq(atomic_load(&toys.answered), 4);
}
END_TEST

/* Every allocation on a request's way fails once: an answer or a cut connection, and the next
 * request is served. Only what was answered is reported. */
START_TEST(a_request_that_meets_no_memory_costs_nobody_else_anything)
{
	static const char *const requests[] = {GET_OK, POST_ECHO(""),
		"GET /later HTTP/1.1\r\nHost: x\r\n\r\n", "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /buffer HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"};
	uint16_t port = toys_start(&toys);
	unsigned answers = 0;

	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		bool failed = true;

		for (unsigned long n = 1; failed; n++) {
			struct answer answer;

			mem_fail_at(n);
			answer = wire_ask(port, requests[i]);
			failed = mem_failed();
			mem_fail_at(0);
			ck_assert_msg(failed || answer.status != 0,
				"no answer although there was memory");
			answers += answer.status != 0 ? 2 : 1;
			answer_free(&answer);
			toys_expect_ask(port, GET_OK, 200);
			ck_assert_uint_lt(n, 200);
		}
	}
	http_server_stop(toys.server, 1000);
	ck_assert_uint_eq(atomic_load(&toys.answered), answers);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, connections_past_the_limit_are_answered_with_503_and_closed);
	tcase_add_test(tests, keys_open_what_they_may_and_nothing_else);
	tcase_add_test(tests, a_reload_changes_keys_and_limits_for_the_requests_that_follow);
	tcase_add_test(tests, a_reload_without_memory_changes_nothing);
	tcase_add_test(tests, options_says_what_is_allowed_and_to_which_origin);
	tcase_add_test(tests, while_draining_only_health_is_answered_and_what_runs_still_ends);
	tcase_add_test(tests, stopping_waits_for_answers_that_are_being_written);
	tcase_add_test(tests, stopping_waits_for_a_body_that_is_still_arriving);
	tcase_add_test(tests, stopping_cuts_what_is_not_read_within_the_grace);
	tcase_add_test(tests, every_answer_of_ours_is_reported_once);
	tcase_add_test(tests, a_request_that_meets_no_memory_costs_nobody_else_anything);
	return check_run("http_server_state", tests);
}
