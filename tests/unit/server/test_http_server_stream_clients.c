/* test_http_server_stream_clients.c - clients that leave, half-close or stall while an answer grows
 * cost nothing. */
#include "chunks.h"

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

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(
		tests, a_client_that_leaves_is_told_once_and_its_stream_goes_with_the_next_word);
	tcase_add_test(tests, a_client_that_leaves_in_the_middle_of_much_is_let_go);
	tcase_add_test(tests, a_half_closed_client_counts_as_gone_and_reads_the_rest);
	tcase_add_test(tests, a_client_that_half_closes_with_its_request_gets_its_stream);
	tcase_add_test(tests, a_client_that_stalls_is_reset_and_others_are_served_meanwhile);
	tcase_add_test(
		tests, the_end_of_a_stream_waits_no_longer_than_write_timeout_for_its_reader);
	return check_run("http_server_stream_clients", tests);
}
