/* test_hint.c - what is said to somebody whose command line says something else, or too little. */
#include "cli/hint.h"

#include <check.h>
#include <stdio.h>

START_TEST(a_name_that_is_nearly_right_is_completed)
{
	char text[CONFIG_QUOTE_SIZE];

	ck_assert_str_eq(hint_flag(COMMAND_RUN, "--ordr", text), "; did you mean --order?");
	ck_assert_str_eq(hint_flag(COMMAND_RUN, "--zzzzzzzz", text), "");
	ck_assert_str_eq(hint_command("chek", text), "; did you mean check?");
	ck_assert_str_eq(hint_command("x.yaml", text), "; did you mean --config x.yaml?");
}
END_TEST

static const struct {
	const char *host;
	uint16_t port;
	const char *flag;
} targets[] = {
	{"api.example.com", 443, "; --targets-allow=api.example.com:443 opens it, "},
	{"127.0.0.1", 8080, "; --targets-allow=127.0.0.1:8080 opens it, "},
	{"fd00::1", 80, "; --targets-allow=[fd00::1]:80 opens it, "},
};

START_TEST(a_blocked_target_is_named_as_the_flag_takes_it)
{
	char text[200], expected[200];

	hint_blocked(targets[_i].host, targets[_i].port, text, sizeof text);
	snprintf(expected, sizeof expected, "%s--targets-allow-private=true every private address",
		targets[_i].flag);
	ck_assert_str_eq(text, expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/hint");
	TCase *tcase = tcase_create("hint");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_name_that_is_nearly_right_is_completed);
	tcase_add_loop_test(tcase, a_blocked_target_is_named_as_the_flag_takes_it, 0,
		(int)(sizeof targets / sizeof *targets));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
