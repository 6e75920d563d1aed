/* test_batch_post.c - POST /v1/batch: who is asked, in which order, and what is left behind. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void assert_refused(struct fake_house *house, enum problem_code code)
{
	ck_assert_int_eq(house->ex.problem, code);
	ck_assert_uint_eq(house->ex.status, problem_status(code));
	fake_house_end(house);
}

static void assert_answered(struct fake_house *house)
{
	ck_assert_uint_eq(house->ex.status, 200);
	ck_assert_str_eq(house->ex.content_type, "application/json");
	ck_assert_str_eq(house->ex.reply.ptr, FAKE_DOCUMENT);
	fake_house_end(house);
}

START_TEST(the_answer_is_the_document_of_the_batch)
{
	struct fake_house house;

	fake_house_init(&house);
	fake_house_run(&house, &batch_post_route);
	ck_assert_uint_eq(house.ex.replies, 0);
	ck_assert_uint_eq(service_running(&house.service), 1);
	fake_house_complete(&house);
	assert_answered(&house);
}
END_TEST

START_TEST(a_batch_may_be_complete_before_its_start_returns)
{
	struct fake_house house;

	fake_house_init(&house);
	house.start = FAKE_AT_ONCE;
	fake_house_run(&house, &batch_post_route);
	assert_answered(&house);
}
END_TEST

START_TEST(a_client_that_leaves_cancels_its_batch_which_still_completes)
{
	struct fake_house house;

	fake_house_init(&house);
	fake_house_run(&house, &batch_post_route);
	house.ex.gone(house.ex.context);
	ck_assert_int_eq(house.cancelled, POOL_CLIENT_GONE);
	fake_house_complete(&house);
	assert_answered(&house);
}
END_TEST

START_TEST(a_refused_body_is_given_back_with_its_bytes)
{
	struct fake_house house;

	fake_house_init(&house);
	house.parse_refused = true;
	fake_house_run(&house, &batch_post_route);
	assert_refused(&house, PROBLEM_INVALID_REQUEST);
}
END_TEST

START_TEST(a_batch_without_room_is_refused_and_forgotten)
{
	struct fake_house house;

	fake_house_init(&house);
	house.start = FAKE_REFUSED;
	fake_house_run(&house, &batch_post_route);
	assert_refused(&house, PROBLEM_QUEUE_FULL);
}
END_TEST

START_TEST(a_body_whose_room_was_taken_meanwhile_is_not_even_parsed)
{
	struct fake_house house;

	fake_house_init(&house);
	house.has_room = false;
	house.parse_refused = true; /* would be another problem */
	fake_house_run(&house, &batch_post_route);
	assert_refused(&house, PROBLEM_QUEUE_FULL);
}
END_TEST

START_TEST(an_idempotency_key_needs_a_job)
{
	struct fake_house house;

	fake_house_init(&house);
	fake_house_header(&house, "idempotency-key", "k");
	fake_house_run(&house, &batch_post_route);
	assert_refused(&house, PROBLEM_IDEMPOTENCY_NEEDS_JOB);
}
END_TEST

START_TEST(a_closed_service_begins_nothing)
{
	struct fake_house house;

	fake_house_init(&house);
	service_close(&house.service);
	fake_house_header(&house, "Idempotency-Key", "k"); /* 503 comes before 400 */
	fake_house_run(&house, &batch_post_route);
	assert_refused(&house, PROBLEM_DRAINING);
}
END_TEST

START_TEST(admission_looks_at_the_switch_and_then_at_the_queue)
{
	struct fake_house house;
	struct problem problem;

	fake_house_init(&house);
	problem_init(&problem);
	ck_assert(batch_post_route.admit(&house.service, &house.ex, &problem));
	house.has_room = false;
	ck_assert(!batch_post_route.admit(&house.service, &house.ex, &problem));
	ck_assert_int_eq(problem.code, PROBLEM_QUEUE_FULL);
	house.config.targets.ad_hoc = false;
	ck_assert(!batch_post_route.admit(&house.service, &house.ex, &problem));
	ck_assert_int_eq(problem.code, PROBLEM_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(problem.detail, "ad_hoc"));
	house.start = FAKE_AT_ONCE;
	fake_house_run(&house, &batch_post_route);
	fake_house_end(&house);
}
END_TEST

static void trace(const char *traceparent, const char *expect_parent, const char *expect_state)
{
	struct fake_house house;

	fake_house_init(&house);
	house.start = FAKE_AT_ONCE;
	if (traceparent)
		fake_house_header(&house, "traceparent", traceparent);
	fake_house_header(&house, "tracestate", "a=1");
	fake_house_run(&house, &batch_post_route);
	ck_assert_str_eq(house.traceparent, expect_parent);
	ck_assert_str_eq(house.tracestate, expect_state);
	fake_house_end(&house);
}

START_TEST(a_valid_trace_goes_on_and_none_is_invented)
{
	trace(parent, parent, "a=1");
	trace("00-nonsense", "", "");
	trace(NULL, "", "");
}
END_TEST

START_TEST(each_item_is_counted_and_none_stops_the_batch)
{
	struct fake_house house;
	struct batch_item_report report = {.id = SPAN("\"a\""), .code = ITEM_OK, .attempts = 1};

	fake_house_init(&house);
	fake_house_run(&house, &batch_post_route);
	house.observer.item(house.observer.self, &report);
	report.code = ITEM_TIMEOUT;
	report.reason = REASON_QUEUE;
	report.id = SPAN("null");
	house.observer.item(house.observer.self, &report);
	ck_assert_uint_eq(house.ex.replies, 0);
	fake_house_complete(&house);
	assert_answered(&house);
}
END_TEST

static const struct shape {
	const char *accepted, *content_type;
	bool streamed;
	char letter;
} shapes[] = {{NULL, "application/json", false, 0},
	{"application/json", "application/json", false, 0},
	{"application/x-ndjson", "application/x-ndjson", true, 'n'},
	{"text/event-stream", "text/event-stream", true, 's'},
	{"text/plain", "text/plain; charset=utf-8", true, 't'}};

enum { SHAPES = sizeof shapes / sizeof *shapes, FIRST_STREAMED = 2 };

static void init_shape(struct fake_house *house, const struct shape *shape)
{
	fake_house_init(house);
	house->ex.request.content_type_out = shape->accepted;
}

static size_t read_one(struct fake_house *house, char *ret_letter)
{
	uint64_t again_us;

	return house->stream_source.read(house->stream_source.self, ret_letter, 1, &again_us);
}

static void start_streamed(struct fake_house *house, const struct shape *shape)
{
	char letter;

	init_shape(house, shape);
	fake_house_run(house, &batch_post_route);
	ck_assert_uint_eq(house->ex.replies, 1); /* at once */
	ck_assert_uint_eq(house->ex.status, 200);
	ck_assert_uint_eq(read_one(house, &letter), 1);
	ck_assert_int_eq(letter, shape->letter);
}

START_TEST(what_is_accepted_chooses_the_shape)
{
	struct fake_house house;

	for (size_t i = 0; i < SHAPES; i++) {
		if (shapes[i].streamed) {
			start_streamed(&house, &shapes[i]);
		} else {
			init_shape(&house, &shapes[i]);
			fake_house_run(&house, &batch_post_route);
			ck_assert_uint_eq(house.ex.replies, 0);
		}
		ck_assert(house.streamed == shapes[i].streamed);
		ck_assert(house.outline == (shapes[i].letter == 't'));
		fake_house_complete(&house);
		ck_assert_str_eq(house.ex.content_type, shapes[i].content_type);
		ck_assert_str_eq(house.ex.fields,
			shapes[i].streamed ? "Cache-Control: no-store;X-Accel-Buffering: no;" : "");
		fake_house_end(&house);
	}
}
END_TEST

START_TEST(each_item_and_the_end_wake_a_stream)
{
	struct batch_item_report report = {.id = SPAN("1"), .code = ITEM_OK, .attempts = 1};
	struct fake_house house;
	char letter;

	start_streamed(&house, &shapes[FIRST_STREAMED]);
	ck_assert_uint_eq(house.wakes, 0);
	house.observer.item(house.observer.self, &report);
	ck_assert_uint_eq(house.wakes, 1);
	fake_house_complete(&house);
	ck_assert_uint_eq(house.wakes, 2);
	ck_assert_uint_eq(read_one(&house, &letter), HTTP_STREAM_END);
	fake_house_drop_stream(&house);
	ck_assert_int_eq(house.cancelled, POOL_RUNNING);
	fake_house_end(&house);
}
END_TEST

START_TEST(a_streamed_batch_may_be_complete_before_its_start_returns)
{
	struct fake_house house;
	char letter;

	for (size_t i = FIRST_STREAMED; i < SHAPES; i++) {
		init_shape(&house, &shapes[i]);
		house.start = FAKE_AT_ONCE;
		fake_house_run(&house, &batch_post_route);
		ck_assert_uint_eq(house.ex.status, 200);
		ck_assert_uint_eq(read_one(&house, &letter), HTTP_STREAM_END);
		fake_house_end(&house);
		ck_assert_int_eq(house.cancelled, POOL_RUNNING);
	}
}
END_TEST

START_TEST(a_streamed_batch_that_is_refused_is_a_problem_and_leaves_nothing)
{
	struct fake_house house;

	for (size_t i = FIRST_STREAMED; i < SHAPES; i++) {
		init_shape(&house, &shapes[i]);
		house.parse_refused = true;
		fake_house_run(&house, &batch_post_route);
		ck_assert_str_eq(house.ex.content_type, "application/problem+json");
		ck_assert_str_eq(house.ex.fields, "");
		assert_refused(&house, PROBLEM_INVALID_REQUEST);
		init_shape(&house, &shapes[i]);
		house.start = FAKE_REFUSED;
		fake_house_run(&house, &batch_post_route);
		ck_assert_str_eq(house.ex.content_type, "application/problem+json");
		ck_assert_str_eq(house.ex.fields, "");
		assert_refused(&house, PROBLEM_QUEUE_FULL);
	}
}
END_TEST

START_TEST(a_streams_client_that_leaves_cancels_what_runs_and_is_read_to_the_end)
{
	struct fake_house house;
	char letter;

	for (size_t i = FIRST_STREAMED; i < SHAPES; i++) {
		start_streamed(&house, &shapes[i]);
		house.ex.gone(house.ex.context);
		ck_assert_int_eq(house.cancelled, POOL_CLIENT_GONE);
		ck_assert_uint_eq(read_one(&house, &letter), 1); /* it may only have half-closed */
		fake_house_complete(&house);
		ck_assert_uint_eq(read_one(&house, &letter), HTTP_STREAM_END);
		house.ex.gone(house.ex.context);
		fake_house_end(&house);
	}
}
END_TEST

START_TEST(a_stream_whose_connection_ends_cancels_its_batch_which_still_completes)
{
	struct fake_house house;

	for (size_t i = FIRST_STREAMED; i < SHAPES; i++) {
		start_streamed(&house, &shapes[i]);
		fake_house_drop_stream(&house);
		ck_assert_int_eq(house.cancelled, POOL_CLIENT_GONE);
		house.ex.destroy(house.ex.context);
		house.ex.destroy = NULL;
		ck_assert_int_gt(house.batches_alive, 0);
		ck_assert_uint_eq(service_running(&house.service), 1);
		fake_house_complete(&house);
		ck_assert_uint_eq(house.wakes, 1); /* of a stream that is gone: harmless */
		fake_house_end(&house);
	}
}
END_TEST

START_TEST(a_stream_that_cannot_go_on_is_cut_and_its_batch_cancelled)
{
	struct fake_house house;
	char letter;

	start_streamed(&house, &shapes[FIRST_STREAMED]);
	house.stream_cut = true;
	ck_assert_uint_eq(read_one(&house, &letter), HTTP_STREAM_CUT);
	fake_house_drop_stream(&house);
	ck_assert_int_eq(house.cancelled, POOL_CLIENT_GONE);
	fake_house_complete(&house);
	fake_house_end(&house);
}
END_TEST

static bool run_without(const struct shape *shape, enum fake_start start, unsigned long n)
{
	struct fake_house house;
	bool failed;

	init_shape(&house, shape);
	house.start = start;
	mem_fail_at(n);
	fake_house_run(&house, &batch_post_route);
	failed = mem_failed();
	mem_fail_at(0);
	if (house.batch)
		fake_house_complete(&house);
	ck_assert(failed || house.ex.status == (start == FAKE_REFUSED ? 503 : 200));
	fake_house_end(&house);
	return failed;
}

START_TEST(without_memory_anywhere_there_is_an_answer_and_nothing_is_left)
{
	for (size_t i = 0; i < SHAPES; i++)
		for (int start = FAKE_LATER; start <= FAKE_REFUSED; start++)
			for (unsigned long n = 1;
				run_without(&shapes[i], (enum fake_start)start, n); n++)
				;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch_post");
	TCase *tests = tcase_create("batch_post");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, the_answer_is_the_document_of_the_batch);
	tcase_add_test(tests, a_batch_may_be_complete_before_its_start_returns);
	tcase_add_test(tests, a_client_that_leaves_cancels_its_batch_which_still_completes);
	tcase_add_test(tests, a_refused_body_is_given_back_with_its_bytes);
	tcase_add_test(tests, a_batch_without_room_is_refused_and_forgotten);
	tcase_add_test(tests, a_body_whose_room_was_taken_meanwhile_is_not_even_parsed);
	tcase_add_test(tests, an_idempotency_key_needs_a_job);
	tcase_add_test(tests, a_closed_service_begins_nothing);
	tcase_add_test(tests, admission_looks_at_the_switch_and_then_at_the_queue);
	tcase_add_test(tests, a_valid_trace_goes_on_and_none_is_invented);
	tcase_add_test(tests, each_item_is_counted_and_none_stops_the_batch);
	tcase_add_test(tests, what_is_accepted_chooses_the_shape);
	tcase_add_test(tests, each_item_and_the_end_wake_a_stream);
	tcase_add_test(tests, a_streamed_batch_may_be_complete_before_its_start_returns);
	tcase_add_test(tests, a_streamed_batch_that_is_refused_is_a_problem_and_leaves_nothing);
	tcase_add_test(
		tests, a_streams_client_that_leaves_cancels_what_runs_and_is_read_to_the_end);
	tcase_add_test(
		tests, a_stream_whose_connection_ends_cancels_its_batch_which_still_completes);
	tcase_add_test(tests, a_stream_that_cannot_go_on_is_cut_and_its_batch_cancelled);
	tcase_add_test(tests, without_memory_anywhere_there_is_an_answer_and_nothing_is_left);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
