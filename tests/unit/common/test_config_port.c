/* test_config_port.c - ports as the configuration spells them. */
#include <check.h>
#include <stdlib.h>

#include "common/config_value.h"

START_TEST(a_port_has_no_zeros_before_it_and_is_at_most_65535)
{
	static const char *const bad[] = {
		"", "0", "080", "65536", "99999999999999999999", "80 ", " 80", "+80", "8o", "-1"};
	uint16_t port = 0;

	ck_assert(config_value_port("1", &port) && port == 1);
	ck_assert(config_value_port("65535", &port) && port == 65535);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!config_value_port(bad[i], &port), "%s", bad[i]);
	ck_assert_uint_eq(port, 65535);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/config_value");
	TCase *tcase = tcase_create("port");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_port_has_no_zeros_before_it_and_is_at_most_65535);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
