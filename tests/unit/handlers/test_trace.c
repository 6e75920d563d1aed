/* test_trace.c - which traceparent and tracestate are passed on. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/trace.h"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

START_TEST(what_the_standard_calls_valid_is_valid)
{
	ck_assert(trace_parent_valid("00-" IDS "-01"));
	ck_assert(trace_parent_valid("00-" IDS "-00"));
	ck_assert(trace_parent_valid("01-" IDS "-01-later-fields"));
	ck_assert(trace_parent_valid("cc-" IDS "-09"));
}
END_TEST

START_TEST(anything_else_is_not)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-" IDS,
		"00-" IDS "-0",
		"00-" IDS "-01-",
		"00-" IDS "-01 ",
		"00_" IDS "-01",
		"ff-" IDS "-01",
		"0x-" IDS "-01",
		"00-" IDS "-0G",
		"00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"01-" IDS "-01later",
		"01-" IDS "-01-tab\t",
	};

	ck_assert(!trace_parent_valid(NULL));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!trace_parent_valid(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(states_are_printable_and_short)
{
	char state[514];

	ck_assert(trace_state_valid("a=1, b=2"));
	ck_assert(!trace_state_valid(NULL));
	ck_assert(!trace_state_valid(""));
	ck_assert(!trace_state_valid("a=\x80"));
	memset(state, 'a', sizeof state);
	state[512] = '\0';
	ck_assert(trace_state_valid(state));
	state[512] = 'a';
	state[513] = '\0';
	ck_assert(!trace_state_valid(state));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tests = tcase_create("trace");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, what_the_standard_calls_valid_is_valid);
	tcase_add_test(tests, anything_else_is_not);
	tcase_add_test(tests, states_are_printable_and_short);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
