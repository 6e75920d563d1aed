/* check_main.h - how a test program runs under Check: one suite with one case, which main fills. */
#ifndef TESTS_HARNESS_CHECK_MAIN_H
#define TESTS_HARNESS_CHECK_MAIN_H
#include <check.h>
#include <stdlib.h>

/* How often tcase_add_loop_test runs a test that takes a row of `table` each time. */
#define CHECK_COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* Gives a case for tcase_add_*. A test of it may take two minutes: only what hangs is ended. */
static inline TCase *check_case(void)
{
	TCase *tests = tcase_create("all");

	tcase_set_timeout(tests, 120);
	return tests;
}

/* Runs the tests, each in a process of its own unless CK_FORK=no, and takes them. Gives what main
 * returns. */
static inline int check_run(const char *name, TCase *tests)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The same for tests that need no more than to be listed. */
static inline int check_main(const char *name, const TTest *const *tests, size_t count)
{
	TCase *all = check_case();

	for (size_t i = 0; i < count; i++)
		tcase_add_test(all, tests[i]);
	return check_run(name, all);
}
#endif
