/* test_hex.c - what a hexadecimal digit counts. */
#include <check.h>
#include <stdlib.h>

#include "common/hex.h"

START_TEST(a_hexadecimal_digit_counts_what_strtol_says)
{
	for (int byte = 1; byte < 256; byte++) {
		char text[2] = {(char)byte, '\0'}, *end;
		long value = strtol(text, &end, 16);

		ck_assert_int_eq(hex_digit((char)byte), end == text ? -1 : (int)value);
	}
	ck_assert_int_eq(hex_digit('\0'), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/hex");
	TCase *tcase = tcase_create("hex");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_hexadecimal_digit_counts_what_strtol_says);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
