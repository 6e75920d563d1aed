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

START_TEST(without_memory_anywhere_there_is_an_answer_and_nothing_is_left)
{
	struct fake_house house;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		fake_house_init(&house);
		house.start = FAKE_AT_ONCE;
		mem_fail_at(n);
		fake_house_run(&house, &batch_post_route);
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert(failed || house.ex.status == 200);
		fake_house_end(&house);
	}
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
	tcase_add_test(tests, an_idempotency_key_needs_a_job);
	tcase_add_test(tests, a_closed_service_begins_nothing);
	tcase_add_test(tests, admission_looks_at_the_switch_and_then_at_the_queue);
	tcase_add_test(tests, a_valid_trace_goes_on_and_none_is_invented);
	tcase_add_test(tests, each_item_is_counted_and_none_stops_the_batch);
	tcase_add_test(tests, without_memory_anywhere_there_is_an_answer_and_nothing_is_left);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
