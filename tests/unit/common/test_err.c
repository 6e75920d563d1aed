/* test_err.c - the sentence of an error: filled, and cut between characters where it is long; and
 * that who takes a `struct err` fills it. */
#include "common/err.h"

#include <check.h>
#include <string.h>

#include "common/config_expand.h"
#include "tests/unit/common/err_check.h"

START_TEST(code_and_sentence_are_filled_in)
{
	struct err err;

	ck_assert_int_eq(err_set(&err, ERR_LIMIT, "%d items", 7), ERR_LIMIT);
	ck_assert_int_eq(err.code, ERR_LIMIT);
	ck_assert_str_eq(err.detail, "7 items");
	ck_assert_int_eq(err_set(NULL, ERR_IO, "%d items", 7), ERR_IO);
}
END_TEST

/* Of `count` two-byte characters behind `head`, so much stays. */
static size_t kept(const char *head, size_t count)
{
	struct err err;
	char text[1200];
	size_t len = strlen(head);

	memcpy(text, head, len);
	for (size_t i = 0; i < count; i++, len += 2)
		memcpy(text + len, "\xC3\xA9", 2);
	text[len] = '\0';
	err_set(&err, ERR_INVALID, "%s", text);
	ck_assert(memcmp(err.detail, text, strlen(err.detail)) == 0);
	return strlen(err.detail);
}

START_TEST(a_long_sentence_ends_with_its_last_whole_character)
{
	ck_assert_uint_eq(sizeof(((struct err){0}).detail), 512);
	ck_assert_uint_eq(kept("x", 255), 511); /* just fits */
	ck_assert_uint_eq(kept("", 300), 510);  /* the 256th has no room for its second byte */
	ck_assert_uint_eq(kept("x", 300), 511); /* what ends where the room does is whole */
}
END_TEST

static enum err_code read_itself(struct err *err)
{
	struct buf text;
	enum err_code code;

	buf_init(&text, 64);
	code = config_expand_read("/proc/self/comm", &text, err);
	buf_free(&text);
	return code;
}

START_TEST(a_file_that_cannot_be_read_says_why)
{
	struct err err = err_check_begin();
	struct buf text;

	ck_assert_uint_ge(err_check(read_itself), 1);
	buf_init(&text, 8);
	err_check_told(&err, config_expand_read("/nowhere/at/all", &text, &err));
	err = err_check_begin();
	err_check_told(&err, config_expand_read("/proc/self/status", &text, &err));
	ck_assert_int_eq(err.code, ERR_LIMIT);
	buf_free(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common/err");
	TCase *tcase = tcase_create("err");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, code_and_sentence_are_filled_in);
	tcase_add_test(tcase, a_long_sentence_ends_with_its_last_whole_character);
	tcase_add_test(tcase, a_file_that_cannot_be_read_says_why);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
