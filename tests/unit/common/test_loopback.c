/* test_loopback.c - hosts that only this machine reaches, and those that look like it. */
#include "common/loopback.h"

#include "tests/harness/check_main.h"

START_TEST(only_this_machine_reaches_these)
{
	static const char *const hosts[] = {"127.0.0.1", "127.255.255.254", "::1",
		"0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "localhost", "LocalHost"};

	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		ck_assert_msg(loopback_is(hosts[i]), "%s", hosts[i]);
}
END_TEST

START_TEST(others_may_reach_these)
{
	static const char *const hosts[] = {"0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "::2",
		"::ffff:0.0.0.0", "::ffff:126.0.0.1", "::127.0.0.1", "127.1", "[::1]", "localhost.",
		"localhost.example.com", ""};

	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		ck_assert_msg(!loopback_is(hosts[i]), "%s", hosts[i]);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, only_this_machine_reaches_these);
	tcase_add_test(tests, others_may_reach_these);
	return check_run("loopback", tests);
}
