/* test_http_server.c - the HTTP front as a client sees it: the order of the checks,
 * bodies, answers. */
#include "tests/harness/check_main.h"
#include "toys.h"

static struct toys toys;
static uint16_t port;

static void set_up(void)
{
	toys_init(&toys);
	port = toys_start(&toys);
}

static void tear_down(void)
{
	toys_stop(&toys);
}

START_TEST(an_answer_carries_the_request_id_and_a_problem_names_it_too)
{
	struct answer answer =
		wire_ask(port, "GET /ok HTTP/1.1\r\nHost: x\r\nX-Request-Id: a.b-c_1\r\n\r\n");

	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "hello");
	ck_assert_str_eq(answer_field(&answer, "X-Request-Id"), "a.b-c_1");
	ck_assert_str_eq(answer_field(&answer, "Content-Type"), "text/plain");
	answer_free(&answer);
	answer = wire_ask(port, "GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: bad id\r\n\r\n");
	ck_assert_int_eq(answer.status, 404);
	ck_assert_str_eq(answer_field(&answer, "Content-Type"), "application/problem+json");
	ck_assert_uint_eq(strlen(answer_field(&answer, "X-Request-Id")), 32);
	ck_assert_ptr_nonnull(strstr(answer.body, answer_field(&answer, "X-Request-Id")));
	ck_assert_ptr_nonnull(strstr(answer.body, "\"code\":\"not_found\""));
	answer_free(&answer);
}
END_TEST

static const struct {
	const char *request;
	int status;
	const char *code, *field, *value; /* of the problem; a field that must be there */
} orders[] = {
	{"PUT /ok HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed", "Allow",
		"GET, HEAD, OPTIONS"},
	{"GET /echo HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\n\r\n", 405, "method_not_allowed",
		"Allow", "POST, OPTIONS"},
	/* 503 before 406, 415 and 413; a 400 of the route's own after them */
	{"POST /full HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\nContent-Length: 0\r\n\r\n", 503,
		"queue_full", "Retry-After", "7"},
	{"POST /full HTTP/1.1\r\nHost: x\r\nX-Bad: 1\r\nAccept: image/png\r\nContent-Length: "
	 "0\r\n\r\n",
		406, "not_acceptable", NULL, NULL},
	{"POST /full HTTP/1.1\r\nHost: x\r\nX-Bad: 1\r\nContent-Length: 0\r\n\r\n", 415,
		"unsupported_media_type", NULL, NULL},
	{"POST /full HTTP/1.1\r\nHost: x\r\nX-Bad: 1\r\n" JSON "Content-Length: 0\r\n\r\n", 400,
		"invalid_request", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\nContent-Length: 0\r\n\r\n", 406,
		"not_acceptable", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: "
	 "application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n",
		415, "--json", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 415, "--json", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: "
	 "0\r\n\r\n",
		415, "/v1/jobs, which will take them, comes with a later version", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; "
	 "charset=latin1\r\nContent-Length: 0\r\n\r\n",
		415, "charset", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
	 "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
		415, "Content-Encoding", NULL, NULL},
	{"POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
	 "Content-Length: 60000000\r\nExpect: 100-continue\r\n\r\n",
		413, "body_too_large", "Connection", "close"},
	{"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello", NULL,
		NULL}, /* no keys: who reaches us may */
};

START_TEST(a_request_fails_at_the_first_check_it_does_not_pass)
{
	struct answer answer = wire_ask(port, orders[_i].request);

	ck_assert_msg(answer.status == orders[_i].status, "row %d: %d", _i, answer.status);
	ck_assert_msg(strstr(answer.body, orders[_i].code) != NULL, "row %d: %s", _i, answer.body);
	if (orders[_i].field)
		ck_assert_str_eq(answer_field(&answer, orders[_i].field), orders[_i].value);
	answer_free(&answer);
}
END_TEST

START_TEST(head_is_answered_like_get_without_the_body)
{
	struct wire wire = wire_open(port);
	struct answer answer;

	wire_say(&wire, "HEAD /ok HTTP/1.1\r\nHost: x\r\n\r\nHEAD /big HTTP/1.1\r\nHost: "
			"x\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	answer = wire_answer_to(&wire, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer_field(&answer, "Content-Length"), "5");
	answer_free(&answer);
	answer = wire_answer_to(&wire, true);
	ck_assert_str_eq(answer_field(&answer, "Content-Length"), "5242880");
	answer_free(&answer);
	answer = wire_answer(&wire);
	ck_assert_str_eq(answer.body, "hello");
	answer_free(&answer);
	wire_close(&wire);
	toys_wait_sources(&toys, 1);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order_on_one_connection)
{
	struct wire wire = wire_open(port);
	static const char *const bodies[] = {"hello", "later", "[1]", "later", "hello"};

	wire_say(&wire,
		"GET /ok HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n"
		"POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 3\r\n\r\n[1]"
		"GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t i = 0; i < 5; i++) {
		struct answer answer = wire_answer(&wire);

		ck_assert_str_eq(answer.body, bodies[i]);
		answer_free(&answer);
	}
	wire_close(&wire);
}
END_TEST

START_TEST(an_http_1_0_client_is_kept_only_where_it_asks)
{
	struct wire wire = wire_open(port);
	struct answer answer;

	wire_say(&wire, "GET /ok HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
	answer = wire_answer(&wire);
	ck_assert_str_eq(answer.body, "hello");
	answer_free(&answer);
	wire_say(&wire, "GET /ok HTTP/1.0\r\n\r\n");
	answer = wire_answer(&wire);
	ck_assert_str_eq(answer.body, "hello");
	answer_free(&answer);
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}
END_TEST

START_TEST(a_body_arrives_whole_whether_measured_or_in_chunks)
{
	struct wire wire = wire_open(port);
	size_t len = 1000000, at = 0;
	char *body = malloc(len), head[200];
	struct answer answer;

	for (size_t i = 0; i < len; i++)
		body[i] = (char)('A' + i % 50);
	snprintf(head, sizeof head,
		"POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: %zu\r\n\r\n", len);
	wire_say(&wire, head);
	ck_assert(wire_write(&wire, body, len));
	answer = wire_answer(&wire);
	ck_assert_uint_eq(answer.len, len);
	ck_assert_mem_eq(answer.body, body, len);
	ck_assert_str_eq(answer_field(&answer, "X-Type"), "application/json");
	answer_free(&answer);
	wire_say(&wire, "POST /echo HTTP/1.1\r\nHost: x\r\nAccept: text/*\r\n" JSON
			"Transfer-Encoding: chunked\r\n\r\n");
	for (size_t size = 1; at < len; at += size, size = size * 3 + 1) {
		if (size > len - at)
			size = len - at;
		snprintf(head, sizeof head, "%zx\r\n", size);
		wire_say(&wire, head);
		ck_assert(wire_write(&wire, body + at, size));
		wire_say(&wire, "\r\n");
	}
	wire_say(&wire, "0\r\nX-Trailer: 1\r\n\r\n");
	answer = wire_answer(&wire);
	ck_assert_mem_eq(answer.body, body, len);
	ck_assert_str_eq(answer_field(&answer, "X-Type"), "text/plain");
	answer_free(&answer);
	wire_close(&wire);
	free(body);
}
END_TEST

START_TEST(an_empty_body_is_one)
{
	struct answer answer = wire_ask(
		port, "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 0\r\n\r\n");

	ck_assert_int_eq(answer.status, 200);
	ck_assert_uint_eq(answer.len, 0);
	answer_free(&answer);
}
END_TEST

/* Writes all of it first, as most clients do, and only then reads. */
static struct answer send_large(const char *head, size_t len, bool chunked, bool *ret_kept)
{
	struct wire wire = wire_open(port);
	char *body = calloc(1, len + 32);
	struct answer answer;
	int size = chunked ? snprintf(body, 16, "%08zx\r\n", len) : 0;

	if (chunked)
		memcpy(body + size + len, "\r\n0\r\n\r\n", 7);
	wire_say(&wire, head);
	ck_assert(wire_write(&wire, body, len + (size_t)size + (chunked ? 7 : 0)));
	answer = wire_answer(&wire);
	*ret_kept = false;
	if (answer.status) {
		struct answer next;

		ck_assert(wire_write(&wire, "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n", 30));
		next = wire_answer(&wire);
		*ret_kept = next.status == 200;
		answer_free(&next);
	}
	wire_close(&wire);
	free(body);
	return answer;
}

START_TEST(a_client_that_writes_nine_megabytes_before_it_reads_gets_to_read_its_refusal)
{
	bool kept;
	struct answer answer = send_large("POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
					  "Content-Length: 9000000\r\n\r\n",
		9000000, false, &kept);

	ck_assert_int_eq(answer.status, 413);
	ck_assert(kept);
	answer_free(&answer);
	answer = send_large("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n",
		9000000, false, &kept);
	ck_assert_int_eq(answer.status, 404);
	ck_assert(kept);
	answer_free(&answer);
}
END_TEST

START_TEST(a_chunked_body_is_refused_when_it_turns_out_too_large)
{
	bool kept;
	struct answer answer = send_large("POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
					  "Transfer-Encoding: chunked\r\n\r\n",
		9000000, true, &kept);

	ck_assert_int_eq(answer.status, 413);
	ck_assert_ptr_nonnull(strstr(answer.body, "limits.max_body"));
	ck_assert(kept);
	ck_assert_uint_eq(mem_used(&toys.budget), 0);
	answer_free(&answer);
}
END_TEST

START_TEST(a_body_that_the_memory_budget_has_no_room_for_is_refused_and_discarded)
{
	bool kept;
	struct answer answer;

	toys.budget.limit = 100000;
	answer = send_large("POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
			    "Content-Length: 500000\r\n\r\n",
		500000, false, &kept);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "memory_full"));
	ck_assert_str_eq(answer_field(&answer, "Retry-After"), "1");
	answer_free(&answer);
	answer = send_large("POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
			    "Transfer-Encoding: chunked\r\n\r\n",
		500000, true, &kept);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "memory_full"));
	ck_assert(kept);
	ck_assert_uint_eq(mem_used(&toys.budget), 0);
	answer_free(&answer);
}
END_TEST

START_TEST(expect_is_answered_with_100_only_where_the_body_is_wanted)
{
	struct wire wire = wire_open(port);
	struct answer answer;

	wire_say(&wire, "POST /echo HTTP/1.1\r\nHost: x\r\n" JSON
			"Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
	answer = wire_answer(&wire);
	ck_assert_int_eq(answer.status, 100);
	answer_free(&answer);
	wire_say(&wire, "{}");
	answer = wire_answer(&wire);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{}");
	answer_free(&answer);
	wire_say(&wire, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: "
			"100-continue\r\n\r\n");
	answer = wire_answer(&wire);
	ck_assert_int_eq(answer.status, 404);
	answer_free(&answer);
	ck_assert(wire_ends(&wire, 5000));
	wire_close(&wire);
}
END_TEST

START_TEST(a_large_answer_arrives_whole_from_a_source_or_a_buffer)
{
	struct answer answer = wire_ask(port, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	char *want = malloc(TOY_BIG_BYTES);

	read_big(NULL, 0, want, TOY_BIG_BYTES);
	ck_assert_uint_eq(answer.len, TOY_BIG_BYTES);
	ck_assert_int_eq(memcmp(answer.body, want, TOY_BIG_BYTES), 0);
	answer_free(&answer);
	free(want);
	answer = wire_ask(port, "GET /buffer HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_uint_eq(answer.len, 1000000);
	ck_assert_str_eq(answer.body + 999990, "0123456789");
	answer_free(&answer);
}
END_TEST

START_TEST(a_source_that_cannot_go_on_cuts_the_connection)
{
	struct answer answer = wire_ask(port, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n");

	ck_assert_int_eq(answer.status, 0);
	toys_wait_sources(&toys, 1);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_answer_carries_the_request_id_and_a_problem_names_it_too);
	tcase_add_loop_test(
		tests, a_request_fails_at_the_first_check_it_does_not_pass, 0, CHECK_COUNT(orders));
	tcase_add_test(tests, head_is_answered_like_get_without_the_body);
	tcase_add_test(tests, pipelined_requests_are_answered_in_order_on_one_connection);
	tcase_add_test(tests, an_http_1_0_client_is_kept_only_where_it_asks);
	tcase_add_test(tests, a_body_arrives_whole_whether_measured_or_in_chunks);
	tcase_add_test(tests, an_empty_body_is_one);
	tcase_add_test(tests,
		a_client_that_writes_nine_megabytes_before_it_reads_gets_to_read_its_refusal);
	tcase_add_test(tests, a_chunked_body_is_refused_when_it_turns_out_too_large);
	tcase_add_test(
		tests, a_body_that_the_memory_budget_has_no_room_for_is_refused_and_discarded);
	tcase_add_test(tests, expect_is_answered_with_100_only_where_the_body_is_wanted);
	tcase_add_test(tests, a_large_answer_arrives_whole_from_a_source_or_a_buffer);
	tcase_add_test(tests, a_source_that_cannot_go_on_cuts_the_connection);
	return check_run("http_server", tests);
}
