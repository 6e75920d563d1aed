/* test_answer.c - an answer that a handler renders: sent whole and kept by nobody, or 503. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/answer.h"
#include "tests/unit/handlers/fake_house.h"

START_TEST(an_answer_is_sent_as_it_was_rendered_and_no_cache_may_keep_it)
{
	struct fake_house house;
	struct buf body;

	fake_house_init(&house);
	answer_init(&body);
	buf_adds(&body, "what there is\n");
	answer_send(&house.ex, "text/plain", &body);
	ck_assert_uint_eq(house.ex.status, 200);
	ck_assert_uint_eq(house.ex.replies, 1);
	ck_assert_str_eq(house.ex.content_type, "text/plain");
	ck_assert_str_eq(house.ex.fields, "Cache-Control: no-store;");
	ck_assert_str_eq(house.ex.reply.ptr, "what there is\n");
	fake_house_end(&house);
}
END_TEST

START_TEST(half_an_answer_is_not_sent)
{
	struct fake_house house;
	struct buf body;

	fake_house_init(&house);
	answer_init(&body);
	buf_adds(&body, "{\"data\":[");
	body.failed = true;
	answer_send(&house.ex, "application/json", &body);
	ck_assert_uint_eq(house.ex.status, 503);
	ck_assert_uint_eq(house.ex.replies, 1);
	ck_assert_int_eq(house.ex.problem, PROBLEM_MEMORY_FULL);
	ck_assert_str_eq(house.ex.detail, "no memory for the answer; try again shortly");
	ck_assert_uint_eq(house.ex.reply.len, 0);
	ck_assert_ptr_null(body.ptr);
	fake_house_end(&house);
}
END_TEST

START_TEST(an_answer_of_nothing_is_one_without_memory)
{
	struct fake_house house;
	struct buf body;

	fake_house_init(&house);
	answer_init(&body);
	answer_send(&house.ex, "application/json", &body);
	ck_assert_uint_eq(house.ex.status, 503);
	ck_assert_int_eq(house.ex.problem, PROBLEM_MEMORY_FULL);
	fake_house_end(&house);
}
END_TEST

START_TEST(members_are_json_whatever_stands_in_them)
{
	struct buf body;

	answer_init(&body);
	answer_add_text(&body, "a", "\"\\\n");
	buf_add_char(&body, ',');
	answer_add_text(&body, "b", "");
	ck_assert_str_eq(body.ptr, "\"a\":\"\\\"\\\\\\n\",\"b\":\"\"");
	ck_assert(!body.failed);
	buf_free(&body);
}
END_TEST

START_TEST(a_rate_is_as_the_configuration_says_it_and_null_where_there_is_none)
{
	static const struct {
		double per_s;
		const char *text;
	} rows[] = {{0, "\"r\":null"}, {2, "\"r\":\"2/s\""}, {60000.0 / 60, "\"r\":\"1000/s\""},
		{3500.0 / 60, "\"r\":\"3500/min\""}, {1.0 / 3600, "\"r\":\"1/h\""}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf body;

		answer_init(&body);
		answer_add_rate(&body, "r", rows[i].per_s);
		ck_assert_str_eq(body.ptr, rows[i].text);
		buf_free(&body);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handlers/answer");
	TCase *tcase = tcase_create("answer");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, an_answer_is_sent_as_it_was_rendered_and_no_cache_may_keep_it);
	tcase_add_test(tcase, half_an_answer_is_not_sent);
	tcase_add_test(tcase, an_answer_of_nothing_is_one_without_memory);
	tcase_add_test(tcase, members_are_json_whatever_stands_in_them);
	tcase_add_test(tcase, a_rate_is_as_the_configuration_says_it_and_null_where_there_is_none);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
