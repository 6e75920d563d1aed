/* test_upstream.c - the table of upstreams: one entry an origin, in use as long as somebody refers
 * to it, and remembered for a while afterwards. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "pool/upstream.h"

static struct upstream_counts sum;

static struct url url_of(char *origin)
{
	return (struct url){.origin = origin, .host = origin + 7, .port = 80};
}

static struct upstream_rule rule_of(unsigned concurrency)
{
	return (struct upstream_rule){.concurrency = concurrency, .index = 1, .sum = &sum};
}

static struct upstream *get(
	struct upstream_table *table, const char *origin, const struct upstream_rule *rule)
{
	struct upstream *found;
	char text[32];
	struct url url;

	snprintf(text, sizeof text, "%s", origin);
	url = url_of(text);
	found = upstream_find(table, &url);
	return found ? found : upstream_make(table, &url, rule, 0);
}

static struct upstream *get_numbered(
	struct upstream_table *table, int number, const struct upstream_rule *rule)
{
	char text[32];

	snprintf(text, sizeof text, "http://host-%d:80", number);
	return get(table, text, rule);
}

START_TEST(an_origin_has_one_entry)
{
	struct upstream_table table;
	struct upstream_rule rule = rule_of(5);
	struct upstream *first, *again, *other;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	first = get(&table, "http://a:80", &rule);
	again = get(&table, "http://a:80", &rule);
	other = get(&table, "http://b:80", &rule);
	ck_assert_ptr_eq(first, again);
	ck_assert_ptr_ne(first, other);
	ck_assert_str_eq(first->origin, "http://a:80");
	ck_assert_str_eq(first->host, "a:80");
	ck_assert_uint_eq(first->port, 80);
	upstream_put(&table, first);
	ck_assert_uint_eq(table.idle_count, 0);
	upstream_put(&table, again);
	ck_assert_uint_eq(table.idle_count, 1);
	upstream_put(&table, other);
	upstream_table_free(&table);
}
END_TEST

START_TEST(an_idle_one_is_found_again_with_what_it_knew)
{
	struct upstream_table table;
	struct upstream_rule rule = rule_of(5);
	struct upstream *upstream;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	upstream = get(&table, "http://a:80", &rule);
	upstream->breaker.failures = 3;
	upstream_put(&table, upstream);
	ck_assert_ptr_eq(get(&table, "http://a:80", &rule), upstream);
	ck_assert_uint_eq(upstream->breaker.failures, 3);
	ck_assert_uint_eq(table.idle_count, 0);
	upstream_put(&table, upstream);
	upstream_table_free(&table);
}
END_TEST

/* Many origins pass; one of them is looked for at the end, and the first of the others is gone. */
static void check_survivor(const struct upstream_rule *rule, unsigned failures)
{
	struct upstream_rule plain = rule_of(1);
	struct upstream_table table;
	struct upstream *kept, *upstream;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	kept = get(&table, "http://kept:80", rule);
	kept->breaker.failures = failures;
	upstream_put(&table, kept);
	for (int i = 0; i < UPSTREAM_IDLE_MAX * 2; i++) {
		upstream = get_numbered(&table, i, &plain);
		upstream->counts.attempts = 7;
		upstream_put(&table, upstream);
		ck_assert_uint_le(table.by_origin.count, UPSTREAM_IDLE_MAX);
	}
	upstream = get_numbered(&table, UPSTREAM_IDLE_MAX * 2 - 1, &plain);
	ck_assert_uint_eq(upstream->counts.attempts, 7); /* the last is still known */
	upstream_put(&table, upstream);
	upstream = get_numbered(&table, 0, &plain);
	ck_assert_uint_eq(upstream->counts.attempts, 0); /* the first is not */
	upstream_put(&table, upstream);
	ck_assert_ptr_eq(get(&table, "http://kept:80", rule), kept);
	upstream_put(&table, kept);
	upstream_table_free(&table);
}

START_TEST(a_rate_outlives_many_that_have_nothing_to_remember)
{
	struct upstream_rule rule = rule_of(1);

	rule.rate_per_s = 0.1;
	check_survivor(&rule, 0);
}
END_TEST

START_TEST(a_breaker_that_counts_outlives_them_too)
{
	struct upstream_rule rule = rule_of(1);

	rule.breaker = (struct breaker_rule){5, 1, 1};
	check_survivor(&rule, 2);
}
END_TEST

START_TEST(the_table_is_bounded_where_all_have_something_to_remember)
{
	struct upstream_rule rule = rule_of(1);
	struct upstream_table table;

	rule.rate_per_s = 1;
	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	for (int i = 0; i < UPSTREAM_IDLE_MAX * 2; i++)
		upstream_put(&table, get_numbered(&table, i, &rule));
	ck_assert_uint_eq(table.by_origin.count, UPSTREAM_IDLE_MAX);
	upstream_table_free(&table);
}
END_TEST

START_TEST(a_reload_gives_it_another_rule)
{
	struct upstream_table table;
	struct upstream_rule rule = rule_of(2);
	struct upstream *upstream;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	upstream = get(&table, "http://a:80", &rule);
	upstream->bound.in_flight = 1;
	upstream->bound.promised = 1;
	ck_assert(!bound_has_room(&upstream->bound));
	rule = rule_of(3);
	ck_assert_ptr_eq(get(&table, "http://a:80", &rule), upstream);
	ck_assert(!bound_has_room(&upstream->bound)); /* it was not told */
	upstream_apply(upstream, &rule, 0);
	ck_assert(bound_has_room(&upstream->bound));
	upstream->bound.in_flight = upstream->bound.promised = 0;
	for (int i = 0; i < 2; i++)
		upstream_put(&table, upstream);
	upstream_table_free(&table);
}
END_TEST

START_TEST(a_reload_without_a_breaker_closes_it)
{
	struct upstream_table table;
	struct upstream_rule rule = rule_of(2);
	struct upstream *upstream;

	rule.breaker = (struct breaker_rule){1, 100, 100};
	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	upstream = get(&table, "http://a:80", &rule);
	ck_assert(breaker_note(&upstream->breaker, &rule.breaker, VERDICT_BAD, false, 5));
	upstream->bound.allowance = 0;
	ck_assert(!bound_has_room(&upstream->bound));
	rule = rule_of(2);
	upstream_apply(upstream, &rule, 10);
	ck_assert_int_eq(upstream->breaker.state, BREAKER_CLOSED);
	ck_assert(bound_has_room(&upstream->bound));
	upstream_put(&table, upstream);
	upstream_table_free(&table);
}
END_TEST

START_TEST(retries_have_a_share_of_what_is_in_flight_and_three_at_least)
{
	static const struct {
		unsigned percent;
		size_t in_flight;
		unsigned limit;
	} rows[] = {
		{0, 100, UINT_MAX}, /* no budget */
		{20, 0, 3},
		{20, 15, 3},
		{20, 19, 3},
		{20, 20, 4},
		{20, 100, 20},
		{1, 100, 3},
		{100, 100, 100},
	};
	struct upstream upstream = {0};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		upstream.rule.retry_percent = rows[i].percent;
		upstream.bound.in_flight = rows[i].in_flight;
		upstream_fit_retries(&upstream);
		ck_assert_uint_eq(upstream.retries.limit, rows[i].limit);
	}
}
END_TEST

START_TEST(thousands_of_origins_are_kept_apart)
{
	enum { COUNT = 5000 };
	struct upstream_table table;
	struct upstream_rule rule = rule_of(1);
	struct upstream **all = mem_new(COUNT * sizeof(struct upstream *));

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			struct upstream *upstream = get_numbered(&table, i, &rule);

			if (round)
				ck_assert_ptr_eq(upstream, all[i]);
			all[i] = upstream;
		}
	}
	ck_assert_uint_eq(table.by_origin.count, COUNT);
	for (int i = 0; i < COUNT * 2; i++)
		upstream_put(&table, all[i % COUNT]);
	ck_assert_uint_eq(table.by_origin.count, UPSTREAM_IDLE_MAX);
	upstream_table_free(&table);
	mem_free(all);
}
END_TEST

START_TEST(without_memory_there_is_no_entry)
{
	struct upstream_table table;
	struct upstream_rule rule = rule_of(1);
	struct upstream *upstream;

	mem_fail_at(1);
	ck_assert_int_eq(upstream_table_init(&table), ERR_NOMEM);
	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	mem_fail_at(1);
	ck_assert_ptr_null(get(&table, "http://a:80", &rule));
	ck_assert_uint_eq(table.by_origin.count, 0);
	mem_fail_at(0);
	upstream = get(&table, "http://a:80", &rule);
	mem_fail_at(1);
	ck_assert_ptr_eq(
		get(&table, "http://a:80", &rule), upstream); /* one that exists costs nothing */
	mem_fail_at(0);
	upstream_put(&table, upstream);
	upstream_put(&table, upstream);
	upstream_table_free(&table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("upstream");
	TCase *tcase = tcase_create("upstream");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, an_origin_has_one_entry);
	tcase_add_test(tcase, an_idle_one_is_found_again_with_what_it_knew);
	tcase_add_test(tcase, a_rate_outlives_many_that_have_nothing_to_remember);
	tcase_add_test(tcase, a_breaker_that_counts_outlives_them_too);
	tcase_add_test(tcase, the_table_is_bounded_where_all_have_something_to_remember);
	tcase_add_test(tcase, a_reload_gives_it_another_rule);
	tcase_add_test(tcase, a_reload_without_a_breaker_closes_it);
	tcase_add_test(tcase, retries_have_a_share_of_what_is_in_flight_and_three_at_least);
	tcase_add_test(tcase, thousands_of_origins_are_kept_apart);
	tcase_add_test(tcase, without_memory_there_is_no_entry);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
