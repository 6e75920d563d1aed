/* test_name.c - the alphabet of names, and how long one may be. */
#include <check.h>
#include <stdlib.h>

#include "common/name.h"

static bool may_stand(int byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

START_TEST(each_byte_is_in_the_alphabet_or_ends_a_name)
{
	char text[4] = {'a', '\0', 'b', '\0'};

	for (int byte = 1; byte < 256; byte++) {
		text[1] = (char)byte;
		ck_assert_uint_eq(name_span(text), may_stand(byte) ? 3 : 1);
		ck_assert_int_eq(name_valid(text), may_stand(byte));
	}
}
END_TEST

START_TEST(a_name_has_one_to_sixty_four_bytes)
{
	char text[NAME_LENGTH_MAX + 2] = "";

	ck_assert(!name_valid(text));
	for (size_t len = 1; len <= NAME_LENGTH_MAX + 1; len++) {
		text[len - 1] = 'n';
		ck_assert_int_eq(name_valid(text), len <= 64);
		ck_assert_uint_eq(name_span(text), len);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/name");
	TCase *tcase = tcase_create("name");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, each_byte_is_in_the_alphabet_or_ends_a_name);
	tcase_add_test(tcase, a_name_has_one_to_sixty_four_bytes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
