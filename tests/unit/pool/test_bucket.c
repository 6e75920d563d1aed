/* test_bucket.c - a rate limit's tokens: when there is one, when the next is due, how many are
 * saved. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "pool/bucket.h"

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static const struct {
	double rate_per_s;
	unsigned taken;    /* at START, one after the other, whether there is one or not */
	uint64_t after_us; /* filled then */
	size_t has;        /* so many, and no more */
	uint64_t next_us;  /* from START: when it has one more; CLOCK_NEVER: it saves no more */
} table[] = {
	{1, 0, 0, 1, CLOCK_NEVER}, /* starts with one */
	{20, 0, 0, 1, 50000 + 1},
	{0.5, 0, 0, 1, CLOCK_NEVER},
	{0.5, 1, 0, 0, 2 * SECOND + 1},
	{0.5, 1, 2 * SECOND - 1, 0, 2 * SECOND + 1},
	{0.5, 1, 2 * SECOND, 1, CLOCK_NEVER},
	{0.5, 1, 100 * SECOND, 1, CLOCK_NEVER}, /* a slow one saves one */
	{20, 1, 0, 0, 50000 + 1},
	{20, 1, 49999, 0, 50000 + 1},
	{20, 1, 50000, 1, 100000 + 1},
	{20, 1, SECOND, 20, CLOCK_NEVER}, /* a fast one a second's worth */
	{20, 1, 3600 * SECOND, 20, CLOCK_NEVER},
	{20, 3, 100000, 0, 150000 + 1}, /* taken ahead of time: it has to catch up */
	{2.5, 1, 3600 * SECOND, 2, CLOCK_NEVER},
	{1.0 / 3600, 1, 3599 * SECOND, 0, 3600 * SECOND + 1},
	{1e-300, 1, 3600 * SECOND, 0, CLOCK_NEVER},
};

START_TEST(tokens_come_at_the_rate_and_are_saved_for_a_second)
{
	struct bucket bucket;
	uint64_t due;

	bucket_init(&bucket, table[_i].rate_per_s, START);
	for (unsigned i = 0; i < table[_i].taken; i++)
		bucket_take(&bucket);
	bucket_fill(&bucket, START + table[_i].after_us);
	ck_assert(bucket_has(&bucket, table[_i].has));
	ck_assert(!bucket_has(&bucket, table[_i].has + 1));
	due = bucket_due_us(&bucket, table[_i].has + 1);
	if (table[_i].next_us == CLOCK_NEVER) {
		ck_assert_uint_eq(due, CLOCK_NEVER);
		return;
	}
	ck_assert_uint_ge(due + 1, START + table[_i].next_us); /* the rounding of a double */
	ck_assert_uint_le(due, START + table[_i].next_us + 1);
	bucket_fill(&bucket, due);
	ck_assert(bucket_has(&bucket, table[_i].has + 1));
}
END_TEST

START_TEST(without_a_rate_there_is_always_a_token)
{
	struct bucket bucket;

	bucket_init(&bucket, 0, START);
	for (int i = 0; i < 1000; i++)
		bucket_take(&bucket);
	ck_assert(bucket_has(&bucket, 1000));
	ck_assert_uint_le(bucket_due_us(&bucket, 1000), START);
}
END_TEST

START_TEST(a_clock_that_stands_still_or_goes_back_brings_nothing)
{
	struct bucket bucket;

	bucket_init(&bucket, 1000, START);
	bucket_take(&bucket);
	bucket_fill(&bucket, START);
	bucket_fill(&bucket, START - SECOND);
	ck_assert(!bucket_has(&bucket, 1));
	bucket_fill(&bucket, START + 1000);
	ck_assert(bucket_has(&bucket, 1));
	ck_assert(!bucket_has(&bucket, 2));
}
END_TEST

START_TEST(a_new_rate_counts_from_the_moment_it_is_set)
{
	struct bucket bucket;

	bucket_init(&bucket, 0.001, START);
	bucket_take(&bucket);
	bucket_set_rate(&bucket, 1000, START + 100 * SECOND); /* a tenth has come by then */
	ck_assert(!bucket_has(&bucket, 1));
	bucket_fill(&bucket, START + 100 * SECOND + 900);
	ck_assert(bucket_has(&bucket, 1));
	ck_assert(!bucket_has(&bucket, 2));
}
END_TEST

START_TEST(a_lower_rate_keeps_no_more_than_it_may_save_itself)
{
	struct bucket bucket;

	bucket_init(&bucket, 100, START);
	bucket_fill(&bucket, START + 10 * SECOND);
	ck_assert(bucket_has(&bucket, 100));
	bucket_set_rate(&bucket, 3, START + 10 * SECOND);
	ck_assert(bucket_has(&bucket, 3));
	ck_assert(!bucket_has(&bucket, 4));
}
END_TEST

START_TEST(a_rate_that_comes_or_comes_back_begins_with_one_token)
{
	struct bucket bucket;

	bucket_init(&bucket, 0, START);
	bucket_set_rate(&bucket, 50, START + 10 * SECOND);
	ck_assert(bucket_has(&bucket, 1));
	ck_assert(!bucket_has(&bucket, 2));
	bucket_set_rate(&bucket, 0, START + 20 * SECOND);
	ck_assert(bucket_has(&bucket, 1000));
	bucket_set_rate(&bucket, 50, START + 30 * SECOND);
	ck_assert(!bucket_has(&bucket, 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bucket");
	TCase *tcase = tcase_create("bucket");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, tokens_come_at_the_rate_and_are_saved_for_a_second, 0,
		sizeof table / sizeof *table);
	tcase_add_test(tcase, without_a_rate_there_is_always_a_token);
	tcase_add_test(tcase, a_clock_that_stands_still_or_goes_back_brings_nothing);
	tcase_add_test(tcase, a_new_rate_counts_from_the_moment_it_is_set);
	tcase_add_test(tcase, a_lower_rate_keeps_no_more_than_it_may_save_itself);
	tcase_add_test(tcase, a_rate_that_comes_or_comes_back_begins_with_one_token);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
