/* check_main.h - the end of each test program: one suite, one case. */
#ifndef TESTS_UNIT_BATCH_CHECK_MAIN_H
#define TESTS_UNIT_BATCH_CHECK_MAIN_H
#include <check.h>
#include <stdlib.h>

static inline int check_main(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < count; i++)
		tcase_add_test(all, tests[i]);
	tcase_set_timeout(all, 120);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
#endif
