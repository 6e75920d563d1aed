/* test_http_server_door.c - more clients than may be: who gets a place, and what the others are
 * told. */
#include "tests/harness/check_main.h"
#include "toys.h"

enum { CROWD = 300, MANY = 150, PATIENCE_MS = 20000 };

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

static struct toys toys;
static uint16_t port;
static struct wire first, second; /* hold the two places there are */

static void ask(struct wire *wire, const char *request, int status)
{
	struct answer answer;

	wire_say(wire, request);
	answer = wire_answer(wire);
	ck_assert_int_eq(answer.status, status);
	answer_free(&answer);
}

static void set_up(void)
{
	toys_init(&toys);
	toys.config.server.max_connections = 2;
	toys.retry_after_s = 17;
	port = toys_start(&toys);
	first = wire_open(port);
	ask(&first, GET_OK, 200);
	second = wire_open(port);
	ask(&second, GET_OK, 200);
}

static void tear_down(void)
{
	wire_close(&first);
	wire_close(&second);
	toys_stop(&toys);
}

static void expect_refusal(struct wire *wire)
{
	struct answer answer = wire_answer(wire);

	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_eq(answer_field(&answer, "Connection"), "close");
	ck_assert_str_eq(answer_field(&answer, "Retry-After"), "17");
	ck_assert_str_eq(answer_field(&answer, "Content-Type"), "application/problem+json");
	ck_assert_ptr_nonnull(strstr(answer.body, answer_field(&answer, "X-Request-Id")));
	ck_assert_ptr_nonnull(strstr(answer.body, "\"code\":\"queue_full\""));
	ck_assert_ptr_nonnull(strstr(answer.body, "max_connections"));
	answer_free(&answer);
	ck_assert(wire_ends(wire, PATIENCE_MS));
}

START_TEST(who_asks_past_the_limit_is_refused_and_health_is_answered)
{
	struct wire wire = wire_open(port);

	wire_say(&wire, GET_OK);
	expect_refusal(&wire);
	wire_close(&wire);
	wire = wire_open(port);
	ask(&wire, GET_HEALTH, 200);
	wire_close(&wire);
	ask(&first, GET_OK, 200);
	ask(&second, GET_OK, 200);
}
END_TEST

START_TEST(who_says_nothing_past_the_limit_is_told_all_the_same)
{
	struct wire wire = wire_open(port);

	expect_refusal(&wire);
	wire_close(&wire);
}
END_TEST

START_TEST(a_crowd_that_says_nothing_is_told_and_keeps_nobody_out)
{
	struct wire crowd[CROWD];

	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = wire_open(port);
	for (int i = 0; i < 20; i++) {
		struct wire wire = wire_open(port);

		ask(&wire, GET_HEALTH, 200);
		wire_close(&wire);
	}
	for (size_t i = 0; i < CROWD; i++) {
		expect_refusal(&crowd[i]);
		wire_close(&crowd[i]);
	}
}
END_TEST

START_TEST(a_connection_that_was_idle_for_a_while_makes_way_the_longest_first)
{
	struct wire wire = wire_open(port);

	expect_refusal(&wire); /* takes as long as somebody must be idle */
	wire_close(&wire);
	ask(&first, GET_OK, 200);
	wire = wire_open(port);
	ask(&wire, GET_OK, 200);
	ck_assert(wire_ends(&second, PATIENCE_MS));
	ask(&first, GET_OK, 200);
	ask(&wire, GET_OK, 200);
	wire_close(&wire);
}
END_TEST

START_TEST(a_place_that_becomes_free_is_given_to_who_waits)
{
	const uint64_t until_us = clock_us() + PATIENCE_MS * UINT64_C(1000);
	struct wire wire = wire_open(port);
	size_t held;

	wire_close(&second);
	while ((held = http_server_connections(toys.server)) > 1 && clock_us() < until_us)
		ask(&first, GET_OK, 200);
	ck_assert_uint_eq(held, 1);
	ask(&wire, GET_OK, 200);
	second = wire;
}
END_TEST

/* As long as somebody must be idle: a refusal of one that says nothing. */
static void let_them_idle(void)
{
	struct wire wire = wire_open(port);

	expect_refusal(&wire);
	wire_close(&wire);
}

START_TEST(where_the_limit_was_lowered_the_idle_make_way_until_it_holds)
{
	const uint64_t until_us = clock_us() + PATIENCE_MS * UINT64_C(1000);
	struct wire kept[MANY];
	static struct config next;
	struct answer answer;
	int status = 0;

	tear_down();
	toys_init(&toys);
	toys.retry_after_s = 17;
	toys.config.server.max_connections = MANY;
	port = toys_start(&toys);
	for (size_t i = 0; i < MANY; i++) {
		kept[i] = wire_open(port);
		ask(&kept[i], GET_OK, 200);
	}
	next = toys.config;
	atomic_init(&next.refs, 1);
	next.server.max_connections = 2;
	ck_assert_int_eq(http_server_configure(toys.server, &next), ERR_OK);
	let_them_idle();
	while (status != 200 && clock_us() < until_us) {
		struct wire wire = wire_open(port);

		wire_say(&wire, GET_OK);
		answer = wire_answer(&wire);
		status = answer.status;
		answer_free(&answer);
		wire_close(&wire);
	}
	ck_assert_int_eq(status, 200);
	for (size_t i = 0; i < MANY; i++)
		wire_close(&kept[i]);
}
END_TEST

START_TEST(stopping_closes_who_waits)
{
	struct wire wire = wire_open(port);

	http_server_stop(toys.server, 0);
	ck_assert(wire_ends(&wire, PATIENCE_MS));
	wire_close(&wire);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, who_asks_past_the_limit_is_refused_and_health_is_answered);
	tcase_add_test(tests, who_says_nothing_past_the_limit_is_told_all_the_same);
	tcase_add_test(tests, a_crowd_that_says_nothing_is_told_and_keeps_nobody_out);
	tcase_add_test(tests, a_connection_that_was_idle_for_a_while_makes_way_the_longest_first);
	tcase_add_test(tests, a_place_that_becomes_free_is_given_to_who_waits);
	tcase_add_test(tests, where_the_limit_was_lowered_the_idle_make_way_until_it_holds);
	tcase_add_test(tests, stopping_closes_who_waits);
	return check_run("http_server_door", tests);
}
