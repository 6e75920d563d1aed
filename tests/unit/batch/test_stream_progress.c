/* test_stream_progress.c - when a stream says how far the batch is, and that it is still there. */
#include "tests/unit/batch/stream_kit.h"

START_TEST(sse_says_progress_at_most_ten_times_a_second)
{
	start(STREAM_SSE, "{\"items\":[{" E "},{" E "},{" E "},{" E "}]}");
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 15 * S);
	fakeclock_us += 1 * S;
	fail_item(0);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "event: progress\n"), 1);
	ck_assert_uint_eq(again_us, epoch_us + 16 * S);
	buf_clear(&said);
	fakeclock_us += 30 * MS;
	fail_item(1);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "event: result\n"), 1);
	ck_assert_uint_eq(count_of(said.ptr, "event: progress\n"), 0);
	ck_assert_uint_eq(again_us, epoch_us + 1 * S + 100 * MS);
	buf_clear(&said);
	fakeclock_us = again_us - 1;
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 1 * S + 100 * MS);
	fakeclock_us = again_us;
	expect("event: progress\ndata: {\"total\":4,\"completed\":2,\"succeeded\":0,\"failed\":2,"
	       "\"elapsed_ms\":1100.0,\"eta_ms\":941.176,\"items_per_second\":2.12}\n\n");
	ck_assert_uint_eq(again_us, fakeclock_us + 15 * S);
	stop();
}
END_TEST

START_TEST(sse_says_a_comment_after_fifteen_seconds_of_silence)
{
	start(STREAM_SSE, TWO);
	for (int i = 0; i < 3; i++) {
		expect("");
		ck_assert_uint_eq(again_us, fakeclock_us + 15 * S);
		fakeclock_us = again_us - 1;
		expect("");
		fakeclock_us = again_us;
		expect(": still running\n\n");
	}
	stop();
}
END_TEST

START_TEST(ndjson_says_progress_after_fifteen_seconds_of_silence_only)
{
	start(STREAM_NDJSON, "{\"items\":[{" E "},{" E "}]}");
	expect("");
	fakeclock_us += 10 * S;
	fail_item(0);
	listen_now();
	ck_assert_uint_eq(count_of(said.ptr, "progress"), 0);
	ck_assert_uint_eq(again_us, epoch_us + 25 * S);
	buf_clear(&said);
	fakeclock_us = again_us - 1;
	expect("");
	fakeclock_us++;
	expect("{\"progress\":{\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":25000.0,\"eta_ms\":25000.0,\"items_per_second\":0.04}}\n");
	ck_assert_uint_eq(again_us, epoch_us + 40 * S);
	stop();
}
END_TEST

START_TEST(ordered_results_that_wait_for_an_earlier_one_show_in_the_progress)
{
	start(STREAM_SSE, "{\"options\":{\"order\":\"input\"},\"items\":[{" E "},{" E "}]}");
	fakeclock_us += 1 * S;
	fail_item(1);
	expect("event: progress\ndata: {\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":1000.0,\"eta_ms\":1000.0,\"items_per_second\":1.00}\n\n");
	stop();
}
END_TEST

START_TEST(the_bar_is_redrawn_each_second_and_with_results_ten_times_a_second)
{
	start(STREAM_TEXT, TWO);
	expect("\rProcessing:   0%|          | 0/2 [00:00<?, ? items/s]");
	ck_assert_uint_eq(again_us, epoch_us + 1 * S);
	fakeclock_us += 500 * MS;
	expect("");
	fakeclock_us = again_us;
	expect("\rProcessing:   0%|          | 0/2 [00:01<?, ? items/s]");
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {sse_says_progress_at_most_ten_times_a_second,
		sse_says_a_comment_after_fifteen_seconds_of_silence,
		ndjson_says_progress_after_fifteen_seconds_of_silence_only,
		ordered_results_that_wait_for_an_earlier_one_show_in_the_progress,
		the_bar_is_redrawn_each_second_and_with_results_ten_times_a_second};

	return kit_main(&kit, "stream_progress", tests, sizeof tests / sizeof *tests);
}
