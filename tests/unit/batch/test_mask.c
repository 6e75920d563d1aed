/* test_mask.c - secrets in what an upstream says, however it spells them. */
#include "batch/mask.h"

#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

enum { LARGE_BYTES = 4 << 20, LARGE_MAX_US = 20 * 1000 * 1000 };

static char *secret_items[4];

static struct config_strings secrets_of(const char *a, const char *b)
{
	secret_items[0] = (char *)(uintptr_t)a;
	secret_items[1] = (char *)(uintptr_t)b;
	return (struct config_strings){secret_items, b ? 2u : 1u};
}

static void expect(const struct config_strings *secrets, const char *text, const char *wanted)
{
	char bytes[1024];
	size_t len = strlen(text);

	memcpy(bytes, text, len + 1);
	len = mask_bytes(secrets, bytes, len);
	ck_assert_msg(len == strlen(wanted) && memcmp(bytes, wanted, len) == 0,
		"%s became %.*s instead of %s", text, (int)len, bytes, wanted);
}

static const struct {
	const char *secret, *text, *wanted;
} table[] = {
	{"sk-12345", "", ""},
	{"sk-12345", "sk-12345", "***"},
	{"sk-12345", "a sk-12345, sk-12345", "a ***, ***"},
	{"sk-12345", "sk-1234", "sk-1234"},
	{"sk-12345", "sk-1sk-12345sk-1", "sk-1***sk-1"},
	{"aabaabaac", "aabaabaabaac", "aab***"},
	/* JSON */
	{"ab\"cd\\ef", "{\"k\":\"ab\\\"cd\\\\ef\"}", "{\"k\":\"***\"}"},
	{"ab/cd/ef", "\"ab/cd\\/ef\"", "\"***\""},
	{"ab+cd&ef", "\"ab\\u002Bcd\\u0026ef\"", "\"***\""},
	{"ab+cd&ef", "\"ab\\u002bcd&ef\"", "\"***\""},
	{"abcdefgh", "\"\\u0061\\u0062\\u0063\\u0064\\u0065\\u0066\\u0067\\u0068\"", "\"***\""},
	{"p\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"p\\u00e9\\u20AC\\ud83d\\uDE00\"", "\"***\""},
	{"a\tbcdefg", "\"a\\tbcdefg\" \"a\\u0009bcdefg\"", "\"***\" \"***\""},
	/* a URL */
	{"ab+cd/ef=", "?k=ab%2Bcd%2Fef%3D&x=1", "?k=***&x=1"},
	{"ab+cd/ef=", "?k=ab+cd%2fef=", "?k=***"},
	{"ab cd efg", "?k=ab%20cd+efg", "?k=***"},
	{"p\xc3\xa9pppppp", "/p%C3%A9pppppp/", "/***/"},
	/* plain, though it looks like one of them */
	{"ab%2Fcdef", "ab%2Fcdef ab%252Fcdef", "*** ***"},
	{"ab\\\\cdef", "ab\\\\cdef \"ab\\\\\\\\cdef\"", "*** \"***\""},
	{"ab\\u0041cd", "ab\\u0041cd", "***"},
	{"/ab\\cdef", "\\/ab\\\\cdef//ab\\cdef", "***/***"},
	/* what is no escape, or ends too early */
	{"abcdefgh", "\\", "\\"},
	{"abcdefgh", "\\u", "\\u"},
	{"abcdefgh", "\\u006", "\\u006"},
	{"abcdefgh", "\\u0061", "\\u0061"},
	{"abcdefgh", "\\u00g1bcdefgh", "\\u00g1bcdefgh"},
	{"abcdefgh", "\\ud83d", "\\ud83d"},
	{"abcdefgh", "\\ud83dabcdefgh", "\\ud83d***"},
	{"abcdefgh", "\\ud83d\\u0061bcdefgh", "\\ud83d***"},
	{"abcdefgh", "%", "%"},
	{"abcdefgh", "%6", "%6"},
	{"abcdefgh", "%61%6", "%61%6"},
	{"abcdefgh", "%6gbcdefgh", "%6gbcdefgh"},
	{"abcdefgh", "abcdefg%", "abcdefg%"},
	{"abcdefgh", "abcdefg\\", "abcdefg\\"},
};

START_TEST(each_spelling_of_a_secret_becomes_three_stars)
{
	const struct config_strings secrets = secrets_of(table[_i].secret, NULL);

	expect(&secrets, table[_i].text, table[_i].wanted);
}
END_TEST

START_TEST(the_longer_one_goes_first_and_none_is_left)
{
	const struct config_strings secrets = secrets_of("Bearer abcdefgh", "abcdefgh");

	expect(&secrets, "Bearer abcdefgh|abcdefgh|Bearer", "***|***|Bearer");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_left_as_they_are)
{
	const struct config_strings secrets = secrets_of("abcdefgh", NULL);
	char bytes[] = "\0\xff"
		       "abcdefgh\0\xfe\\u0000";

	ck_assert_uint_eq(mask_bytes(&secrets, bytes, sizeof bytes - 1), 13);
	ck_assert_mem_eq(bytes,
		"\0\xff"
		"***\0\xfe\\u0000",
		13);
}
END_TEST

START_TEST(nothing_is_masked_without_secrets)
{
	const struct config_strings none = {NULL, 0}, empty = secrets_of("", NULL);

	expect(&none, "abc", "abc");
	expect(&empty, "abc", "abc");
}
END_TEST

/* What begins as the secret or as an escape at every byte must not cost a look at all that follows.
 */
static const char *const fillers[] = {"/", "\\", "%", "/\\", "\\u002f", "%2f", "/%"};

START_TEST(a_large_answer_costs_as_much_as_it_is_long)
{
	const struct config_strings secrets = secrets_of("/services/T000/B000", NULL);
	size_t step = strlen(fillers[_i]), len = LARGE_BYTES / step * step;
	char *bytes = mem_try(len);
	uint64_t began_us = clock_us();

	for (size_t at = 0; at < len; at += step)
		memcpy(bytes + at, fillers[_i], step);
	ck_assert_uint_eq(mask_bytes(&secrets, bytes, len), len);
	ck_assert_uint_lt(clock_us() - began_us, LARGE_MAX_US);
	mem_free(bytes);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_loop_test(
		tests, each_spelling_of_a_secret_becomes_three_stars, 0, CHECK_COUNT(table));
	tcase_add_test(tests, the_longer_one_goes_first_and_none_is_left);
	tcase_add_test(tests, bytes_that_are_no_text_are_left_as_they_are);
	tcase_add_test(tests, nothing_is_masked_without_secrets);
	tcase_add_loop_test(
		tests, a_large_answer_costs_as_much_as_it_is_long, 0, CHECK_COUNT(fillers));
	return check_run("mask", tests);
}
