/* test_call.c - outcomes: how failures are written, and that what an outcome holds is given back.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "pool/call.h"

static char host[] = "api.example.com";

static struct call new_call(void)
{
	return (struct call){.request.url = {.host = host, .text = host, .origin = host}};
}

START_TEST(a_failure_carries_code_reason_and_message)
{
	struct call call = new_call();

	call.outcome.sent = true;
	call.outcome.status = 503;
	call_fail(
		&call, ITEM_CONNECT_FAILED, REASON_TIMEOUT, true, "%s: no answer in %d s", host, 5);
	ck_assert_int_eq(call.outcome.code, ITEM_CONNECT_FAILED);
	ck_assert_int_eq(call.outcome.reason, REASON_TIMEOUT);
	ck_assert(call.outcome.retryable);
	ck_assert_str_eq(call.outcome.message, "api.example.com: no answer in 5 s");
	ck_assert(call.outcome.sent); /* what was learnt before stays */
	ck_assert_uint_eq(call.outcome.status, 503);
	call_fail(&call, ITEM_TIMEOUT, REASON_RESPONSE, false, NULL);
	ck_assert_ptr_null(call.outcome.message);
	ck_assert(!call.outcome.retryable);
	call_free_outcome(&call);
}
END_TEST

START_TEST(a_message_may_be_made_of_the_one_before_it)
{
	struct call call = new_call();

	call_fail(&call, ITEM_CONNECT_FAILED, REASON_NONE, true, "refused");
	call_fail(&call, ITEM_CONNECT_FAILED, REASON_NONE, true, "second attempt: %s",
		call.outcome.message);
	ck_assert_str_eq(call.outcome.message, "second attempt: refused");
	call_free_outcome(&call);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_cut_between_characters)
{
	for (size_t shift = 0; shift < 4; shift++) {
		struct call call = new_call();
		char text[2000] = "xxxx";

		for (size_t at = shift; at + 4 < sizeof text; at += 4)
			memcpy(text + at, "\xF0\x9F\x98\x80", 5);
		call_fail(&call, ITEM_INTERNAL, REASON_NONE, true, "%s", text);
		ck_assert_uint_gt(strlen(call.outcome.message), 400);
		ck_assert_uint_lt(strlen(call.outcome.message), 600);
		ck_assert(utf8_valid(call.outcome.message, strlen(call.outcome.message)));
		call_free_outcome(&call);
	}
}
END_TEST

START_TEST(without_memory_a_failure_has_no_message)
{
	struct call call = new_call();

	mem_fail_at(1);
	call_fail(&call, ITEM_INTERNAL, REASON_NONE, true, "text");
	mem_fail_at(0);
	ck_assert_int_eq(call.outcome.code, ITEM_INTERNAL);
	ck_assert_ptr_null(call.outcome.message);
	call_free_outcome(&call);
}
END_TEST

struct row {
	enum call_end end;
	enum item_code code;
	enum item_reason reason;
};

static const struct row rows[] = {
	{CALL_END_STOP_ON_ERROR, ITEM_CANCELLED, REASON_STOP_ON_ERROR},
	{CALL_END_CLIENT_GONE, ITEM_CANCELLED, REASON_CLIENT_GONE},
	{CALL_END_DRAIN, ITEM_CANCELLED, REASON_DRAIN},
	{CALL_END_QUEUE_TIMEOUT, ITEM_TIMEOUT, REASON_QUEUE},
	{CALL_END_RATE_LIMITED, ITEM_RATE_LIMITED, REASON_NONE},
	{CALL_END_RETRY_WAIT_TIMEOUT, ITEM_TIMEOUT, REASON_RETRY_WAIT},
	{CALL_END_NO_MEMORY, ITEM_OVERLOADED, REASON_NONE},
};

START_TEST(every_end_without_an_attempt_has_its_code_and_names_the_host)
{
	struct call call = new_call();

	call.sched.end = rows[_i].end;
	call.outcome.sent = _i % 2;
	call_end(&call);
	ck_assert_int_eq(call.outcome.code, rows[_i].code);
	ck_assert_int_eq(call.outcome.reason, rows[_i].reason);
	ck_assert(call.outcome.retryable);
	ck_assert_int_eq(call.outcome.sent, _i % 2);
	ck_assert_ptr_nonnull(strstr(call.outcome.message, host));
	call_free_outcome(&call);
}
END_TEST

START_TEST(a_freed_outcome_is_empty_and_its_bytes_are_back_in_the_budget)
{
	struct mem_budget budget = {.limit = 1000};
	struct call call = new_call();

	call.budget = &budget;
	ck_assert(mem_take(&budget, 700));
	call.outcome.charged = 300;
	call.outcome.headers_charged = 400;
	buf_init(&call.outcome.body, 1000);
	ck_assert_int_eq(buf_add(&call.outcome.body, "body", 4), ERR_OK);
	buf_init(&call.outcome.headers, 1000);
	ck_assert_int_eq(buf_add(&call.outcome.headers, "a: b\n", 5), ERR_OK);
	call.outcome.content_type = mem_copy("text/plain", 10);
	call.outcome.message = mem_copy("m", 1);
	call.outcome.timing = mem_new(sizeof *call.outcome.timing);
	call.outcome.timing->url = mem_copy("u", 1);
	call_free_outcome(&call);
	ck_assert_uint_eq(mem_used(&budget), 0);
	ck_assert_ptr_null(call.outcome.message);
	ck_assert_ptr_null(call.outcome.timing);
	ck_assert_uint_eq(call.outcome.charged, 0);
	ck_assert_uint_eq(call.outcome.headers_charged, 0);
	call_free_outcome(&call); /* twice is fine */
	ck_assert_uint_eq(mem_used(&budget), 0);
}
END_TEST

START_TEST(the_url_of_a_hop_stands_before_the_requests)
{
	struct call call = new_call();

	ck_assert_ptr_eq(call_url(&call), &call.request.url);
	call.hop.text = host;
	ck_assert_ptr_eq(call_url(&call), &call.hop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("call");
	TCase *tcase = tcase_create("call");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_failure_carries_code_reason_and_message);
	tcase_add_test(tcase, a_message_may_be_made_of_the_one_before_it);
	tcase_add_test(tcase, a_message_that_is_too_long_is_cut_between_characters);
	tcase_add_test(tcase, without_memory_a_failure_has_no_message);
	tcase_add_loop_test(tcase, every_end_without_an_attempt_has_its_code_and_names_the_host, 0,
		sizeof rows / sizeof *rows);
	tcase_add_test(tcase, a_freed_outcome_is_empty_and_its_bytes_are_back_in_the_budget);
	tcase_add_test(tcase, the_url_of_a_hop_stands_before_the_requests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
