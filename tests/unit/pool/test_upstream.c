/* test_upstream.c - the table of upstreams: one entry an origin, alive as long as somebody refers
 * to it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "pool/upstream.h"

static struct url url_of(char *origin)
{
	return (struct url){.origin = origin, .host = origin + 7, .port = 80};
}

START_TEST(an_origin_has_one_entry_until_its_last_reference_goes)
{
	struct upstream_table table;
	struct url a = url_of((char[]){"http://a:80"}), b = url_of((char[]){"http://b:80"});
	struct upstream *first, *again, *other;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	first = upstream_get(&table, &a, 5, 1);
	again = upstream_get(&table, &a, 5, 1);
	other = upstream_get(&table, &b, 5, 1);
	ck_assert_ptr_eq(first, again);
	ck_assert_ptr_ne(first, other);
	ck_assert_str_eq(first->origin, "http://a:80");
	ck_assert_str_eq(first->host, "a:80");
	ck_assert_uint_eq(first->port, 80);
	upstream_put(&table, first);
	ck_assert_uint_eq(table.by_origin.count, 2);
	upstream_put(&table, again);
	ck_assert_uint_eq(table.by_origin.count, 1);
	upstream_put(&table, other);
	upstream_table_free(&table);
}
END_TEST

START_TEST(it_keeps_the_bound_and_rule_that_it_was_made_with)
{
	struct upstream_table table;
	struct url a = url_of((char[]){"http://a:80"});
	struct upstream *upstream;

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	upstream = upstream_get(&table, &a, 2, 1);
	upstream->bound.in_flight = 1;
	upstream->bound.promised = 1;
	ck_assert(!bound_has_room(&upstream->bound));
	ck_assert_ptr_eq(upstream_get(&table, &a, 3, 7), upstream);
	ck_assert(!bound_has_room(&upstream->bound));
	ck_assert_uint_eq(upstream->rule, 1);
	upstream->bound.limit = 3; /* as a reload does */
	ck_assert(bound_has_room(&upstream->bound));
	upstream->bound.in_flight = upstream->bound.promised = 0;
	for (int i = 0; i < 2; i++)
		upstream_put(&table, upstream);
	upstream_table_free(&table);
}
END_TEST

START_TEST(thousands_of_origins_are_kept_apart)
{
	enum { COUNT = 5000 };
	struct upstream_table table;
	struct upstream **all = mem_new(COUNT * sizeof(struct upstream *));

	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			char text[32];
			struct url url = url_of(text);
			struct upstream *upstream;

			snprintf(text, sizeof text, "http://host-%d:80", i);
			upstream = upstream_get(&table, &url, 1, 0);
			ck_assert_str_eq(upstream->origin, text);
			if (round)
				ck_assert_ptr_eq(upstream, all[i]);
			all[i] = upstream;
		}
	}
	ck_assert_uint_eq(table.by_origin.count, COUNT);
	for (int i = 0; i < COUNT * 2; i++)
		upstream_put(&table, all[i % COUNT]);
	ck_assert_uint_eq(table.by_origin.count, 0);
	upstream_table_free(&table);
	mem_free(all);
}
END_TEST

START_TEST(without_memory_there_is_no_entry)
{
	struct upstream_table table;
	struct url a = url_of((char[]){"http://a:80"});
	struct upstream *upstream;

	mem_fail_at(1);
	ck_assert_int_eq(upstream_table_init(&table), ERR_NOMEM);
	ck_assert_int_eq(upstream_table_init(&table), ERR_OK);
	mem_fail_at(1);
	ck_assert_ptr_null(upstream_get(&table, &a, 1, 0));
	ck_assert_uint_eq(table.by_origin.count, 0);
	mem_fail_at(0);
	upstream = upstream_get(&table, &a, 1, 0);
	mem_fail_at(1);
	ck_assert_ptr_eq(
		upstream_get(&table, &a, 1, 0), upstream); /* one that exists costs nothing */
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

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_origin_has_one_entry_until_its_last_reference_goes);
	tcase_add_test(tcase, it_keeps_the_bound_and_rule_that_it_was_made_with);
	tcase_add_test(tcase, thousands_of_origins_are_kept_apart);
	tcase_add_test(tcase, without_memory_there_is_no_entry);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
