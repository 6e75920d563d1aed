/* test_meter.c - how many a second, lately: it rises to the true rate, fades, and shows nothing
 * where nothing is left. */
#include <check.h>
#include <stdlib.h>

#include "pool/meter.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static void check_near(double is, double should_be, double share)
{
	ck_assert_msg(is >= should_be * (1 - share) && is <= should_be * (1 + share),
		"%g is not near %g", is, should_be);
}

START_TEST(a_new_one_shows_none)
{
	struct meter meter = {0};

	ck_assert_double_eq(meter_read(&meter, 0), 0);
	ck_assert_double_eq(meter_read(&meter, UINT64_MAX), 0);
}
END_TEST

static const struct {
	unsigned per_s;   /* evenly, from START on */
	uint64_t for_s;   /* seconds */
	uint64_t after_s; /* read so long after the last */
	double part;      /* of the rate, that is shown */
} table[] = {
	{1, 100, 0, 1},
	{10, 100, 0, 1},
	{1000, 100, 0, 1},
	{100, 10, 0, 0.632}, /* after one span: 1 - 1/e */
	{100, 20, 0, 0.865},
	{100, 100, 10, 0.368}, /* silent for one span: 1/e */
	{100, 100, 20, 0.135},
};

START_TEST(it_follows_the_true_rate_within_its_span)
{
	struct meter meter = {0};
	uint64_t count = table[_i].per_s * table[_i].for_s, now = START;

	for (uint64_t i = 1; i <= count; i++) {
		now = START + i * SECOND / table[_i].per_s;
		meter_add(&meter, now);
	}
	check_near(meter_read(&meter, now + table[_i].after_s * SECOND),
		table[_i].part * table[_i].per_s, 0.06);
}
END_TEST

START_TEST(many_at_once_count_all)
{
	struct meter meter = {0};

	for (int i = 0; i < 1000; i++)
		meter_add(&meter, START);
	check_near(meter_read(&meter, START), 100, 1e-6); /* over the span of 10 s */
	check_near(meter_read(&meter, START + METER_SPAN_US), 36.788, 1e-4);
}
END_TEST

START_TEST(reading_it_changes_nothing)
{
	struct meter meter = {0};

	meter_add(&meter, START);
	check_near(meter_read(&meter, START + 5 * SECOND), 0.060653, 1e-4);
	check_near(meter_read(&meter, START + 5 * SECOND), 0.060653, 1e-4);
	check_near(meter_read(&meter, START), 0.1, 1e-9);
}
END_TEST

START_TEST(what_has_faded_is_shown_as_none)
{
	struct meter meter = {0};

	meter_add(&meter, START);
	ck_assert_double_gt(meter_read(&meter, START + 40 * SECOND), 0);
	ck_assert_double_eq(meter_read(&meter, START + 50 * SECOND), 0);
	ck_assert_double_eq(meter_read(&meter, UINT64_MAX), 0);
	meter_add(&meter, UINT64_MAX); /* and it starts anew */
	check_near(meter_read(&meter, UINT64_MAX), 0.1, 1e-6);
}
END_TEST

START_TEST(a_clock_that_goes_back_takes_nothing_away_and_fades_nothing_twice)
{
	struct meter meter = {0};

	meter_add(&meter, START);
	meter_add(&meter, START - 100 * SECOND);
	check_near(meter_read(&meter, START - 100 * SECOND), 0.2, 1e-9);
	check_near(meter_read(&meter, START), 0.2, 1e-9);
	check_near(meter_read(&meter, START + METER_SPAN_US), 0.073576, 1e-4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("meter");
	TCase *tcase = tcase_create("meter");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, a_new_one_shows_none);
	tcase_add_loop_test(
		tcase, it_follows_the_true_rate_within_its_span, 0, sizeof table / sizeof *table);
	tcase_add_test(tcase, many_at_once_count_all);
	tcase_add_test(tcase, reading_it_changes_nothing);
	tcase_add_test(tcase, what_has_faded_is_shown_as_none);
	tcase_add_test(tcase, a_clock_that_goes_back_takes_nothing_away_and_fades_nothing_twice);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
