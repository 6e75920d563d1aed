/* test_run_journal.c - the files that a run writes: where one cannot be begun, `err` says why. */
#include "cli/run_journal.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/run_output.h"
#include "tests/unit/common/err_check.h"

static char path[] = "/tmp/batchgate-test-XXXXXX";

static enum err_code begin_journal(struct err *err)
{
	struct run_journal journal = {0};
	enum err_code code = run_journal_init(&journal, path, err);

	ck_assert((code == ERR_OK) == (journal.path != NULL));
	run_journal_free(&journal);
	return code;
}

static enum err_code open_output(struct err *err)
{
	struct run_output output;
	enum err_code code;

	run_output_init(&output);
	code = run_output_open(&output, path, true, err);
	run_output_close(&output);
	return code;
}

START_TEST(without_memory_a_journal_and_an_output_say_so)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_uint_eq(err_check(begin_journal), 1);
	ck_assert_uint_eq(err_check(open_output), 1);
	unlink(path);
}
END_TEST

START_TEST(an_output_in_no_folder_says_so)
{
	struct err err = err_check_begin();
	struct run_output output;

	run_output_init(&output);
	err_check_told(&err, run_output_open(&output, "/nowhere/at/all", false, &err));
	run_output_close(&output);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/run_journal");
	TCase *tcase = tcase_create("run_journal");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, without_memory_a_journal_and_an_output_say_so);
	tcase_add_test(tcase, an_output_in_no_folder_says_so);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
