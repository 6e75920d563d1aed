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

/* ---- event by event ---- */

enum { STEPS_MAX = 16 };

enum event { END_OF_SCRIPT, TAKE, TRY, RATE }; /* try: there must be no token, and none is taken */

struct step {
	enum event event;
	uint64_t at_us; /* from START */
	unsigned times; /* take: so many, all of which must be there */
	double rate_per_s;
};

#define HOUR (3600 * SECOND)

static const struct script {
	const char *what;
	double rate_per_s;
	struct step steps[STEPS_MAX];
} scripts[] = {
	{"the first second starts no more than the rate allows", 4,
		{{TAKE, 0, 1, 0}, {TRY, 0, 0, 0}, {TAKE, 250000, 1, 0}, {TAKE, 500000, 1, 0},
			{TAKE, 750000, 1, 0}, {TRY, SECOND - 1, 0, 0}}},
	{"a burst is one second's worth, however long nothing was asked", 4,
		{{TAKE, 0, 1, 0}, {TAKE, HOUR, 4, 0}, {TRY, HOUR, 0, 0}, {TRY, HOUR + 249999, 0, 0},
			{TAKE, HOUR + 250000, 1, 0}, {TRY, HOUR + 250000, 0, 0}}},
	{"part of a burst leaves the rest", 10,
		{{TAKE, SECOND, 3, 0}, {TAKE, SECOND, 7, 0}, {TRY, SECOND, 0, 0}}},
	{"a fraction is kept until it is a whole one", 2.5,
		{{TAKE, SECOND, 2, 0}, {TRY, SECOND, 0, 0}, {TRY, SECOND + 199999, 0, 0},
			{TAKE, SECOND + 200000, 1, 0}, {TRY, SECOND + 599999, 0, 0},
			{TAKE, SECOND + 600000, 1, 0}}},
	{"a few an hour come one by one, and one is saved", 2.0 / 3600,
		{{TAKE, 0, 1, 0}, {TRY, HOUR / 2 - 10, 0, 0}, {TAKE, HOUR / 2 + 1, 1, 0},
			{TAKE, 10 * HOUR, 1, 0}, {TRY, 10 * HOUR, 0, 0},
			{TRY, 10 * HOUR + HOUR / 2 - 10, 0, 0},
			{TAKE, 10 * HOUR + HOUR / 2 + 1, 1, 0}}},
	{"many small steps lose nothing", 3,
		{{TAKE, 0, 1, 0}, {TRY, 100000, 0, 0}, {TRY, 200000, 0, 0}, {TRY, 300000, 0, 0},
			{TRY, 333332, 0, 0}, {TAKE, 333334, 1, 0}}},
	{"a higher rate brings them sooner, from then on", 1,
		{{TAKE, 0, 1, 0}, {RATE, 500000, 0, 100}, {TRY, 500000, 0, 0}, {TRY, 504999, 0, 0},
			{TAKE, 505001, 1, 0}, {TAKE, 5 * SECOND, 100, 0}, {TRY, 5 * SECOND, 0, 0}}},
	{"a lower rate brings them later, and what was saved is cut", 100,
		{{TAKE, SECOND, 1, 0}, {RATE, 2 * SECOND, 0, 2}, {TAKE, 2 * SECOND, 2, 0},
			{TRY, 2 * SECOND + 499999, 0, 0}, {TAKE, 2 * SECOND + 500001, 1, 0}}},
	{"up and down again gives nothing away", 1,
		{{TAKE, 0, 1, 0}, {RATE, 0, 0, 1000}, {RATE, 0, 0, 1}, {TRY, 0, 0, 0},
			{TRY, SECOND - 1, 0, 0}, {TAKE, SECOND + 1, 1, 0}}},
	{"the same rate again changes nothing", 2,
		{{TAKE, 0, 1, 0}, {RATE, 400000, 0, 2}, {TRY, 499999, 0, 0}, {TAKE, 500001, 1, 0}}},
	{"off there is always one, and on again one", 1,
		{{TAKE, 0, 1, 0}, {RATE, 0, 0, 0}, {TAKE, 0, 500, 0}, {RATE, SECOND, 0, 5},
			{TAKE, SECOND, 1, 0}, {TRY, SECOND, 0, 0}, {TAKE, SECOND + 200001, 1, 0}}},
	{"from hours to many a second", 1.0 / 3600,
		{{TAKE, 0, 1, 0}, {RATE, HOUR / 2, 0, 50}, {TRY, HOUR / 2, 0, 0},
			{TAKE, HOUR / 2 + 10001, 1, 0}, {RATE, HOUR, 0, 1.0 / 3600},
			{TAKE, HOUR, 1, 0}, {TRY, 2 * HOUR - 10, 0, 0},
			{TAKE, 2 * HOUR + 1, 1, 0}}},
};

static void do_step(struct bucket *bucket, const struct script *script, size_t number)
{
	const struct step *step = &script->steps[number];
	uint64_t now_us = START + step->at_us;

	if (step->event == RATE) {
		bucket_set_rate(bucket, step->rate_per_s, now_us);
		return;
	}
	bucket_fill(bucket, now_us);
	if (step->event == TRY) {
		ck_assert_msg(!bucket_has(bucket, 1), "%s: step %zu has one", script->what, number);
		ck_assert_msg(
			bucket_due_us(bucket, 1) > now_us, "%s: step %zu", script->what, number);
	}
	for (unsigned i = 0; i < step->times; i++) {
		ck_assert_msg(bucket_has(bucket, 1), "%s: step %zu lacks number %u", script->what,
			number, i + 1);
		bucket_take(bucket);
	}
}

START_TEST(it_gives_and_refuses_tokens_as_the_script_says)
{
	struct bucket bucket;

	bucket_init(&bucket, scripts[_i].rate_per_s, START);
	for (size_t i = 0; i < STEPS_MAX && scripts[_i].steps[i].event != END_OF_SCRIPT; i++)
		do_step(&bucket, &scripts[_i], i);
}
END_TEST

/* Who starts as soon as it may never starts more than the rate allows, nor much less. */
START_TEST(over_a_long_time_there_are_as_many_as_the_rate_says)
{
	static const double rates[] = {0.3, 1, 2.5, 7, 100, 999};
	double rate = rates[_i];
	uint64_t end = START + 1000 * SECOND, now = START, count = 0;
	struct bucket bucket;

	for (bucket_init(&bucket, rate, START); now < end; count++) {
		bucket_fill(&bucket, now);
		ck_assert(bucket_has(&bucket, 1));
		bucket_take(&bucket);
		now = bucket_due_us(&bucket, 1);
	}
	ck_assert_double_le((double)count, 1000 * rate + 1);
	ck_assert_double_ge((double)count, 1000 * rate * 0.998);
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
	tcase_add_loop_test(tcase, it_gives_and_refuses_tokens_as_the_script_says, 0,
		sizeof scripts / sizeof *scripts);
	tcase_add_loop_test(tcase, over_a_long_time_there_are_as_many_as_the_rate_says, 0, 6);
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
