/* test_config_expand.c - references to the environment and to files within a setting. */
#include "common/config.h"

#include <stdio.h>

#include "tests/harness/check_main.h"
#include "tests/unit/common/parse.h"

START_TEST(references_in_scalars_are_replaced)
{
	char a[] = "HOST=localhost", b[] = "EMPTY=", *env[] = {a, b, NULL};
	struct config *c =
		parse_good("server: {host: \"${HOST}\", port: '${P:-9}'}\n"
			   "targets: {allow: ['${EMPTY:-x}', '$$a$$', '$b', 'p${HOST}q${NO:-}']}\n",
			env);

	ck_assert_str_eq(c->server.host, "localhost");
	ck_assert_uint_eq(c->server.port, 9);
	ck_assert_str_eq(c->targets.allow.items[0], "x");
	ck_assert_str_eq(c->targets.allow.items[1], "$a$");
	ck_assert_str_eq(c->targets.allow.items[2], "$b");
	ck_assert_str_eq(c->targets.allow.items[3], "plocalhostq");
	config_unref(c);
}
END_TEST

START_TEST(a_file_reference_gives_its_trimmed_content)
{
	char path[64], secret[64], text[256], variable[128], *env[] = {variable, NULL};
	struct config *c;

	write_file(secret, "\n  inside \n\n");
	snprintf(text, sizeof text, "targets: {allow: ['${file:%s}']}\n", secret);
	write_file(path, text);
	snprintf(variable, sizeof variable, "BATCHGATE_CONFIG=%s", path);
	c = load_good(0, NULL, env);
	ck_assert_str_eq(c->targets.allow.items[0], "inside");
	config_unref(c);
	unlink(path);
	unlink(secret);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, references_in_scalars_are_replaced);
	tcase_add_test(tests, a_file_reference_gives_its_trimmed_content);
	return check_run("config_expand", tests);
}
