/* test_pace.c - when a refused request may come again. */
#include <check.h>
#include <stdlib.h>

#include "handlers/pace.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static struct pace pace;

static void set_up(void)
{
	pace_init(&pace);
}

/* `count` end within the second that begins at `from_us`. */
static void end_within(uint64_t from_us, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pace_end(&pace, true, from_us + i * SECOND / count);
}

/* The least and the most of a hundred askers. */
static void ask(uint64_t now_us, unsigned *ret_least, unsigned *ret_most)
{
	*ret_least = UINT32_MAX;
	*ret_most = 0;
	for (int i = 0; i < 100; i++) {
		unsigned told = pace_retry_after_s(&pace, now_us);

		*ret_least = told < *ret_least ? told : *ret_least;
		*ret_most = told > *ret_most ? told : *ret_most;
	}
}

static void check_told(uint64_t now_us, unsigned least, unsigned most)
{
	unsigned low, high;

	ask(now_us, &low, &high);
	ck_assert_uint_eq(low, least);
	ck_assert_uint_eq(high, most);
}

START_TEST(where_nothing_is_here_a_second_is_enough)
{
	check_told(START, 1, 1);
	pace_begin(&pace, 1, START);
	end_within(START, 1);
	check_told(START + 100 * SECOND, 1, 1);
}
END_TEST

static const struct {
	unsigned items, ended_a_second, seconds, least, most;
} rows[] = {
	/* what is left at the end, by the rate: 100 / 10, and half more */
	{150, 10, 5, 10, 15}, {600, 10, 10, 40, 60}, /* 500 / 10, but never more than a minute */
	{1000000, 1, 5, 40, 60}, {60, 10, 5, 1, 2}, {55, 10, 5, 1, 1}, {5100, 1000, 5, 1, 1},
	{20000, 1000, 10, 10, 15},
	{20000, 1000, 15, 5, 8}, /* a window of ten seconds has forgotten the first five */
};

START_TEST(it_is_what_waits_by_the_pace_of_the_last_seconds)
{
	pace_begin(&pace, rows[_i].items, START);
	for (unsigned second = 0; second < rows[_i].seconds; second++)
		end_within(START + second * SECOND, rows[_i].ended_a_second);
	check_told(START + rows[_i].seconds * SECOND - 1, rows[_i].least, rows[_i].most);
}
END_TEST

START_TEST(where_nothing_ends_it_is_as_long_again_as_that_has_lasted)
{
	pace_begin(&pace, 100, START);
	check_told(START, 1, 1);
	check_told(START + 4 * SECOND - SECOND / 4, 4, 6);
	check_told(START + 20 * SECOND - SECOND / 4, 20, 30);
	check_told(START + 1000 * SECOND, 41, 60);
	end_within(START + 1000 * SECOND, 10);
	check_told(START + 1015 * SECOND, 15, 22);
}
END_TEST

START_TEST(what_ended_without_a_turn_leaves_but_says_nothing_about_the_pace)
{
	pace_begin(&pace, 1100, START);
	end_within(START, 10);
	end_within(START + SECOND, 10);
	for (int i = 0; i < 1000; i++)
		pace_end(&pace, false, START + SECOND);
	ck_assert_uint_eq(pace_items(&pace), 80);
	check_told(START + 2 * SECOND - 1, 8, 12);
}
END_TEST

START_TEST(work_of_before_says_nothing_about_new_work)
{
	pace_begin(&pace, 10000, START);
	end_within(START, 10000);
	pace_begin(&pace, 100, START + SECOND);
	check_told(START + 3 * SECOND, 2, 3);
}
END_TEST

START_TEST(what_was_not_admitted_after_all_does_not_wait)
{
	pace_begin(&pace, 100, START);
	pace_begin(&pace, 1000, START);
	pace_forget(&pace, 1000);
	ck_assert_uint_eq(pace_items(&pace), 100);
	pace_begin(&pace, 0, START);
	ck_assert_uint_eq(pace_items(&pace), 100);
}
END_TEST

START_TEST(askers_are_spread_evenly)
{
	unsigned counts[PACE_LONGEST_S + 1] = {0};

	for (int i = 0; i < 1000; i++)
		counts[pace_spread_s(&pace, 20 * SECOND)]++;
	for (unsigned second = 21; second <= 30; second++) {
		ck_assert_uint_ge(counts[second], 95);
		ck_assert_uint_le(counts[second], 105);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handlers/pace");
	TCase *tcase = tcase_create("pace");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, where_nothing_is_here_a_second_is_enough);
	tcase_add_loop_test(tcase, it_is_what_waits_by_the_pace_of_the_last_seconds, 0,
		(int)(sizeof rows / sizeof *rows));
	tcase_add_test(tcase, where_nothing_ends_it_is_as_long_again_as_that_has_lasted);
	tcase_add_test(tcase, what_ended_without_a_turn_leaves_but_says_nothing_about_the_pace);
	tcase_add_test(tcase, work_of_before_says_nothing_about_new_work);
	tcase_add_test(tcase, what_was_not_admitted_after_all_does_not_wait);
	tcase_add_test(tcase, askers_are_spread_evenly);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
