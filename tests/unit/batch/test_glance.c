/* test_glance.c - what is read out of a rendered result, and what is no result. */
#include "batch/glance.h"
#include "tests/harness/check_main.h"

#define HEAD "{\"index\":7,\"id\":\"a\",\"success\":"

START_TEST(a_success_has_no_error)
{
	struct glance glance;

	ck_assert(glance_read(SPAN(HEAD "true,\"status\":200,\"body\":{\"index\":9,\"success\":"
					"false,\"error\":{\"code\":\"x\"}},\"error\":null,"
					"\"attempts\":1,\"duration_ms\":12.4}"),
		&glance));
	ck_assert_uint_eq(glance.index, 7);
	ck_assert(span_equals(glance.id, "\"a\""));
	ck_assert(glance.success && !glance.sent);
	ck_assert_uint_eq(glance.code.len + glance.message.len, 0);
	ck_assert_uint_eq(glance.duration_ms, 12);
}
END_TEST

START_TEST(a_failure_has_code_message_and_whether_it_was_sent)
{
	struct glance glance;

	ck_assert(glance_read(
		SPAN(" {\"error\":{\"sent\":true,\"message\":\"m\\n\",\"code\":\"timeout\","
		     "\"retryable\":true},\"success\":false,\"id\":null,"
		     "\"index\":18446744073709551}\r"),
		&glance));
	ck_assert_uint_eq(glance.index, 18446744073709551u);
	ck_assert(span_equals(glance.id, "null"));
	ck_assert(!glance.success && glance.sent);
	ck_assert(span_equals(glance.code, "\"timeout\""));
	ck_assert(span_equals(glance.message, "\"m\\n\""));
}
END_TEST

START_TEST(what_is_no_result_is_told)
{
	static const char *const rows[] = {"", " ", "1", "[]", "null", "{}", HEAD "1}",
		"{\"index\":1,\"success\":true}", "{\"id\":1,\"success\":true}",
		"{\"index\":1,\"id\":1}", "{\"index\":\"1\",\"id\":1,\"success\":true}",
		"{\"index\":-1,\"id\":1,\"success\":true}",
		"{\"index\":12345678901234567890,\"id\":1,\"success\":true}",
		"{\"summary\":{\"total\":1}}"};
	struct glance glance;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(!glance_read(span_of(rows[i]), &glance), "%s", rows[i]);
}
END_TEST

START_TEST(an_error_of_another_type_is_passed_over)
{
	struct glance glance;

	ck_assert(glance_read(SPAN(HEAD "false,\"error\":5,\"duration_ms\":\"x\"}"), &glance));
	ck_assert_uint_eq(glance.code.len, 0);
	ck_assert(glance_read(
		SPAN(HEAD "false,\"error\":{\"code\":1,\"message\":[],\"sent\":1}}"), &glance));
	ck_assert(!glance.sent && glance.message.len == 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_success_has_no_error,
		a_failure_has_code_message_and_whether_it_was_sent, what_is_no_result_is_told,
		an_error_of_another_type_is_passed_over};

	return check_main("glance", tests, sizeof tests / sizeof *tests);
}
