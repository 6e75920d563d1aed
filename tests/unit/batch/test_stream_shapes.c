/* test_stream_shapes.c - every byte of a stream in each of its shapes: NDJSON, SSE and text. */
#include "tests/unit/batch/stream_kit.h"

#define RESULT_0                                                                                  \
	"{\"index\":0,\"id\":\"a\",\"success\":true,\"status\":200,\"body\":{ \"x\" :1 },\"body_" \
	"encoding\":\"json\",\"error\":null,\"attempts\":1,\"duration_ms\":12.4}"
#define RESULT_1                                                                                \
	"{\"index\":1,\"id\":null,\"success\":false,\"status\":null,\"body\":null,\"body_"      \
	"encoding\":"                                                                           \
	"null,\"error\":{\"code\":\"timeout\",\"message\":\"e.com: it failed\","                \
	"\"reason\":\"response\",\"retryable\":true,\"sent\":false},\"attempts\":0,\"duration_" \
	"ms\":0.0}"
#define SUMMARY(ms)                                                                              \
	"{\"total\":2,\"succeeded\":1,\"failed\":1,\"by_code\":{\"timeout\":1},\"concurrency\":" \
	"32,"                                                                                    \
	"\"duration_ms\":" ms ",\"request_id\":\"req-1\"}"

START_TEST(ndjson_is_a_line_a_result_and_the_summary_at_the_end)
{
	start(STREAM_NDJSON, TWO);
	expect("");
	ck_assert_uint_eq(again_us, epoch_us + 15 * S);
	fail_item(1);
	expect(RESULT_1 "\n");
	answer(0, "application/json", "{ \"x\"\n:1\r}");
	expect_last(RESULT_0 "\n{\"summary\":" SUMMARY("0.0") "}\n");
}
END_TEST

START_TEST(sse_numbers_its_results_and_ends_with_the_summary)
{
	start(STREAM_SSE, TWO);
	expect("");
	fakeclock_us += 500 * MS;
	fail_item(1);
	expect("event: result\nid: 1\ndata: " RESULT_1 "\n\n"
	       "event: progress\ndata: {\"total\":2,\"completed\":1,\"succeeded\":0,\"failed\":1,"
	       "\"elapsed_ms\":500.0,\"eta_ms\":500.0,\"items_per_second\":2.00}\n\n");
	fakeclock_us += 50 * MS;
	answer(0, "application/json", "{ \"x\"\n:1\r}");
	expect_last("event: result\nid: 2\ndata: " RESULT_0 "\n\n"
		    "event: summary\ndata: " SUMMARY("550.0") "\n\n");
}
END_TEST

START_TEST(text_draws_a_bar_and_says_each_item_of_a_small_batch)
{
	start(STREAM_TEXT, TWO);
	expect("\rProcessing:   0%|          | 0/2 [00:00<?, ? items/s]");
	fakeclock_us += 500 * MS;
	fail_item(1);
	expect("\r[FAILED] #1: e.com: it failed                        \n"
	       "\rProcessing:  50%|█████     | 1/2 [00:00<00:00, 2.00 items/s, 1 failed]");
	fakeclock_us += 500 * MS;
	answer(0, "text/plain", "x");
	expect_last("\r[OK] a (0.01 s)                                                       \n"
		    "\rProcessing: 100%|██████████| 2/2 [00:01<00:00, 2.00 items/s, 1 failed]"
		    "\rProcessing: 100%|██████████| 2/2 [00:01<00:00, 2.00 items/s, 1 failed]\n"
		    "2 items: 1 succeeded, 1 failed (1 timeout) in 1.00 s\n"
		    "[FAILED] #1: e.com: it failed\n");
}
END_TEST

START_TEST(a_batch_without_items_is_a_summary_in_each_shape)
{
	static const char summary[] = "{\"total\":0,\"succeeded\":0,\"failed\":0,\"by_code\":{},"
				      "\"concurrency\":32,\"duration_ms\":0.0,\"request_id\":"
				      "\"req-1\"}";
	char text[512];

	start(STREAM_NDJSON, "{\"items\":[]}");
	snprintf(text, sizeof text, "{\"summary\":%s}\n", summary);
	expect_last(text);
	start(STREAM_SSE, "{\"items\":[]}");
	snprintf(text, sizeof text, "event: summary\ndata: %s\n\n", summary);
	expect_last(text);
	start(STREAM_TEXT, "{\"items\":[]}");
	expect_last("\rProcessing: 100%|██████████| 0/0 [00:00<00:00, ? items/s]\n"
		    "0 items: 0 succeeded, 0 failed in 0.00 s\n");
}
END_TEST

START_TEST(the_order_of_items_is_kept_where_that_is_asked)
{
	start(STREAM_NDJSON,
		"{\"options\":{\"order\":\"input\"},\"items\":[{" E "},{" E "},{" E "}]}");
	fail_item(2);
	fail_item(1);
	expect("");
	fail_item(0);
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert(strstr(said.ptr, "\"index\":0") < strstr(said.ptr, "\"index\":1"));
	ck_assert(strstr(said.ptr, "\"index\":1") < strstr(said.ptr, "\"index\":2"));
	ck_assert_uint_eq(count_of(said.ptr, "\"index\":"), 3);
	stop();
}
END_TEST

START_TEST(a_result_is_one_line_whatever_its_body_looks_like)
{
	static const char body[] = "[\r\n1,\n\"a\\nb\",\r\"\xE2\x80\xA8\"\n]";

	start(STREAM_SSE, "{\"items\":[{" E ",\"id\":\"x\\r\\ny\"},{" E "}]}");
	answer(0, "application/json", body);
	answer(1, "text/plain", "one\r\ntwo\rthree\n\ndata: {}\n\n");
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert_ptr_null(strchr(said.ptr, '\r'));
	ck_assert_uint_eq(count_of(said.ptr, "\n\n"), count_of(said.ptr, "event: "));
	ck_assert_uint_eq(count_of(said.ptr, "\ndata: "), count_of(said.ptr, "event: "));
	ck_assert_uint_eq(count_of(said.ptr, "\n"),
		3 * count_of(said.ptr, "event: ") + count_of(said.ptr, "\nid: "));
	stop();
}
END_TEST

static void scenario(enum stream_shape shape)
{
	start(shape, "{\"items\":[{\"id\":\"é1\"," E "},{" E
		     "},{\"id\":3,\"url\":\"ftp://e.com/\"},{" E "}]}");
	listen_now();
	fakeclock_us += 300 * MS;
	answer(0, "application/json", "{\"a\":[1,2,\"äöü\"]}");
	listen_now();
	fakeclock_us += 16 * S;
	listen_now();
	fail_item(1);
	answer(2, "text/plain", "last");
	ck_assert_uint_eq(listen_now(), STREAM_END);
}

START_TEST(small_reads_give_the_same_bytes_as_large_ones)
{
	static const size_t steps[] = {1, 7, 128, 4096};
	const uint64_t began_us = fakeclock_us;
	char *whole;

	for (int shape = STREAM_NDJSON; shape <= STREAM_TEXT; shape++) {
		fakeclock_us = began_us;
		step = 65536;
		scenario((enum stream_shape)shape);
		whole = buf_steal(&said, &(size_t){0});
		stop();
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			fakeclock_us = began_us;
			step = steps[i];
			scenario((enum stream_shape)shape);
			ck_assert_str_eq(said.ptr, whole);
			stop();
		}
		step = 65536;
		mem_free(whole);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {ndjson_is_a_line_a_result_and_the_summary_at_the_end,
		sse_numbers_its_results_and_ends_with_the_summary,
		text_draws_a_bar_and_says_each_item_of_a_small_batch,
		a_batch_without_items_is_a_summary_in_each_shape,
		the_order_of_items_is_kept_where_that_is_asked,
		a_result_is_one_line_whatever_its_body_looks_like,
		small_reads_give_the_same_bytes_as_large_ones};

	return kit_main(&kit, "stream_shapes", tests, sizeof tests / sizeof *tests);
}
