/* test_http_server_stream.c - answers that grow while they are read: what is woken arrives, once,
 * and the answer ends as its stream does. */
#include "chunks.h"

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

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, chunks_arrive_as_they_are_woken_and_the_connection_goes_on);
	tcase_add_test(tests, a_wake_before_the_reply_is_not_lost);
	tcase_add_test(tests, a_stream_may_have_ended_before_its_reply);
	tcase_add_test(tests, a_wake_in_a_read_that_found_nothing_is_not_lost);
	tcase_add_test(tests, an_alarm_rings_without_a_wake_and_silence_is_not_cut);
	tcase_add_test(tests, a_stream_that_cannot_go_on_has_no_last_chunk);
	tcase_add_test(tests, for_http_1_0_the_connection_ends_the_answer);
	tcase_add_test(tests, head_reads_nothing_and_leaves_nothing_to_be_taken_for_an_answer);
	return check_run("http_server_stream", tests);
}
