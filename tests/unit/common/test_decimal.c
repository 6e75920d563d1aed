/* test_decimal.c - JSON numbers as text: their form, and whether two of them are the same number.
 */
#include "common/decimal.h"

#include "tests/harness/check_main.h"

START_TEST(what_json_has_as_a_number_is_one)
{
	static const char *const good[] = {"0", "-0", "10", "1.5", "1e5", "1E+5", "1e-05", "-0.0e0",
		"123456789012345678901234567890", "1e99999999999999999999"};
	static const char *const bad[] = {"", "-", "+1", "01", "-01", ".5", "1.", "1.e5", "1e",
		"1e+", "0x10", "1 ", " 1", "1a", "NaN", "inf", "1.5.5", "1e5.0", "1,5", "--1"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(decimal_is(span_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!decimal_is(span_of(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(an_integer_has_digits_only)
{
	static const char *const good[] = {"0", "-0", "-17", "123456789012345678901234567890"};
	static const char *const bad[] = {"", "-", "1.0", "1e1", "01", "+1", "1 "};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_msg(decimal_is_integer(span_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!decimal_is_integer(span_of(bad[i])), "%s", bad[i]);
}
END_TEST

static const struct {
	const char *a, *b;
	bool same;
} table[] = {
	{"1", "1", true},
	{"1", "1.0", true},
	{"1", "10e-1", true},
	{"1", "0.01E+2", true},
	{"100", "1e2", true},
	{"0.001", "1e-3", true},
	{"1.10", "1.1", true},
	{"10.50", "105e-1", true},
	{"0", "-0.000e55", true},
	{"1000.001", "1000001e-3", true},
	{"1e100000000000000000000", "1e200000000000000000000", true},
	{"1", "2", false},
	{"1", "-1", false},
	{"1", "10", false},
	{"1", "1.01", false},
	{"1.01", "1", false},
	{"1.5", "15", false},
	{"0", "1e-99999999999999999999", false},
	{"9007199254740993", "9007199254740992", false},
	{"0.1", "0.10000000000000000001", false},
	{"1e99999999999999999999", "1e-99999999999999999999", false},
	{"1e400", "1e401", false},
};

START_TEST(two_numbers_are_compared_exactly)
{
	ck_assert(decimal_equals(span_of(table[_i].a), span_of(table[_i].b)) == table[_i].same);
	ck_assert(decimal_equals(span_of(table[_i].b), span_of(table[_i].a)) == table[_i].same);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, what_json_has_as_a_number_is_one);
	tcase_add_test(tests, an_integer_has_digits_only);
	tcase_add_loop_test(tests, two_numbers_are_compared_exactly, 0, CHECK_COUNT(table));
	return check_run("decimal", tests);
}
