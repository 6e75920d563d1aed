/* test_breaker.c - an upstream's circuit breaker, event by event: when it opens, for how long, and
 * what its one probe decides. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "pool/breaker.h"

#define SECOND UINT64_C(1000000)

enum { STEPS_MAX = 24 };

enum event { END_OF_SCRIPT, TICK, GOOD, BAD, NONE, PROBE_GOOD, PROBE_BAD, PROBE_NONE };

struct step {
	enum event event;
	uint64_t at_s; /* seconds since the start */
	enum breaker_state state;
	uint64_t value; /* closed: failures in a row; open: until when, in seconds */
};

#define CLOSED BREAKER_CLOSED
#define OPEN BREAKER_OPEN
#define HALF_OPEN BREAKER_HALF_OPEN

static const struct script {
	const char *what;
	struct breaker_rule rule;
	struct step steps[STEPS_MAX];
} scripts[] = {
	{"failures in a row open it, and not one fewer", {5, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {BAD, 0, CLOSED, 2}, {BAD, 1, CLOSED, 3}, {BAD, 1, CLOSED, 4},
			{BAD, 2, OPEN, 32}}},
	{"a success between them starts the count anew", {3, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {BAD, 0, CLOSED, 2}, {GOOD, 0, CLOSED, 0},
			{BAD, 0, CLOSED, 1}, {BAD, 0, CLOSED, 2}, {BAD, 0, OPEN, 30}}},
	{"what says nothing neither counts nor starts the count anew",
		{3, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {NONE, 0, CLOSED, 1}, {BAD, 0, CLOSED, 2},
			{NONE, 0, CLOSED, 2}, {BAD, 0, OPEN, 30}}},
	{"time alone does not end a row of failures", {3, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {BAD, 1000, CLOSED, 2}, {TICK, 100000, CLOSED, 2},
			{BAD, 100000, OPEN, 100030}}},
	{"one failure may be enough", {1, 30 * SECOND, 300 * SECOND},
		{{GOOD, 0, CLOSED, 0}, {BAD, 1, OPEN, 31}}},
	{"its time over it is half open, exactly then", {1, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, OPEN, 30}, {TICK, 0, OPEN, 30}, {TICK, 29, OPEN, 30},
			{TICK, 30, HALF_OPEN, 0}, {TICK, 31, HALF_OPEN, 0},
			{TICK, 9999, HALF_OPEN, 0}}},
	{"nothing but a look at the clock makes it half open", {1, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, OPEN, 30}, {BAD, 40, OPEN, 30}, {GOOD, 41, OPEN, 30},
			{TICK, 42, HALF_OPEN, 0}}},
	{"the probe's success closes it, with nothing held against it",
		{2, 30 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {BAD, 0, OPEN, 30}, {TICK, 30, HALF_OPEN, 0},
			{PROBE_GOOD, 31, CLOSED, 0}, {BAD, 32, CLOSED, 1}, {BAD, 33, OPEN, 63}}},
	{"each failure of a probe opens it longer, up to a maximum", {1, 30 * SECOND, 100 * SECOND},
		{{BAD, 0, OPEN, 30}, {TICK, 30, HALF_OPEN, 0}, {PROBE_BAD, 30, OPEN, 90},
			{TICK, 90, HALF_OPEN, 0}, {PROBE_BAD, 91, OPEN, 181},
			{TICK, 181, HALF_OPEN, 0}, {PROBE_BAD, 181, OPEN, 281},
			{TICK, 281, HALF_OPEN, 0}, {PROBE_BAD, 300, OPEN, 400}}},
	{"a maximum that is a multiple is reached", {1, 30 * SECOND, 60 * SECOND},
		{{BAD, 0, OPEN, 30}, {TICK, 30, HALF_OPEN, 0}, {PROBE_BAD, 30, OPEN, 90},
			{TICK, 90, HALF_OPEN, 0}, {PROBE_BAD, 90, OPEN, 150}}},
	{"a maximum that is the first time keeps it at that", {1, 30 * SECOND, 30 * SECOND},
		{{BAD, 0, OPEN, 30}, {TICK, 30, HALF_OPEN, 0}, {PROBE_BAD, 30, OPEN, 60},
			{TICK, 60, HALF_OPEN, 0}, {PROBE_BAD, 60, OPEN, 90}}},
	{"a success in between makes the next time short again", {1, 10 * SECOND, 300 * SECOND},
		{{BAD, 0, OPEN, 10}, {TICK, 10, HALF_OPEN, 0}, {PROBE_BAD, 10, OPEN, 30},
			{TICK, 30, HALF_OPEN, 0}, {PROBE_GOOD, 30, CLOSED, 0},
			{BAD, 40, OPEN, 50}}},
	{"a probe that says nothing leaves it to the next one", {1, 10 * SECOND, 300 * SECOND},
		{{BAD, 0, OPEN, 10}, {TICK, 10, HALF_OPEN, 0}, {PROBE_NONE, 11, HALF_OPEN, 0},
			{PROBE_NONE, 12, HALF_OPEN, 0}, {PROBE_BAD, 13, OPEN, 33}}},
	{"calls begun before it opened say nothing any more", {2, 10 * SECOND, 300 * SECOND},
		{{BAD, 0, CLOSED, 1}, {BAD, 0, OPEN, 10}, {BAD, 1, OPEN, 10}, {GOOD, 2, OPEN, 10},
			{NONE, 3, OPEN, 10}, {TICK, 10, HALF_OPEN, 0}, {GOOD, 11, HALF_OPEN, 0},
			{BAD, 12, HALF_OPEN, 0}, {NONE, 13, HALF_OPEN, 0},
			{PROBE_GOOD, 14, CLOSED, 0}}},
	{"without a rule nothing opens it", {0, 0, 0},
		{{BAD, 0, CLOSED, 0}, {BAD, 0, CLOSED, 0}, {PROBE_BAD, 0, CLOSED, 0},
			{TICK, 99, CLOSED, 0}}},
};

static bool apply(
	struct breaker *breaker, const struct breaker_rule *rule, enum event event, uint64_t now_us)
{
	static const enum verdict verdicts[] = {[GOOD] = VERDICT_GOOD,
		[BAD] = VERDICT_BAD,
		[NONE] = VERDICT_NONE,
		[PROBE_GOOD] = VERDICT_GOOD,
		[PROBE_BAD] = VERDICT_BAD,
		[PROBE_NONE] = VERDICT_NONE};

	if (event == TICK)
		return breaker_tick(breaker, now_us);
	return breaker_note(breaker, rule, verdicts[event], event >= PROBE_GOOD, now_us);
}

static void play(const struct script *script, uint64_t start_us)
{
	struct breaker breaker = {.state = BREAKER_CLOSED};

	for (size_t i = 0; i < STEPS_MAX && script->steps[i].event != END_OF_SCRIPT; i++) {
		const struct step *step = &script->steps[i];
		struct breaker before = breaker;
		bool changed, differs;

		changed =
			apply(&breaker, &script->rule, step->event, start_us + step->at_s * SECOND);
		differs = before.state != breaker.state;
		ck_assert_msg(breaker.state == step->state, "%s: step %zu: %s, not %s",
			script->what, i, breaker_state_text(breaker.state),
			breaker_state_text(step->state));
		ck_assert_msg(
			changed == differs, "%s: step %zu tells a wrong change", script->what, i);
		if (step->state == CLOSED)
			ck_assert_msg(breaker.failures == step->value, "%s: step %zu: %u failures",
				script->what, i, breaker.failures);
		if (step->state == OPEN)
			ck_assert_msg(breaker.until_us == start_us + step->value * SECOND,
				"%s: step %zu: until %llu", script->what, i,
				(unsigned long long)(breaker.until_us - start_us));
	}
}

START_TEST(it_goes_from_state_to_state_as_the_script_says)
{
	play(&scripts[_i], 0);
	play(&scripts[_i], 1000 * SECOND + 1);
}
END_TEST

START_TEST(it_is_half_open_at_the_microsecond_and_not_before)
{
	static const struct breaker_rule rule = {1, 7, 100};
	struct breaker breaker = {.state = BREAKER_CLOSED};

	ck_assert(breaker_note(&breaker, &rule, VERDICT_BAD, false, 5));
	ck_assert(!breaker_tick(&breaker, 0));
	ck_assert(!breaker_tick(&breaker, 11));
	ck_assert(breaker_tick(&breaker, 12));
	ck_assert(!breaker_tick(&breaker, 12)); /* it is already */
}
END_TEST

START_TEST(times_too_great_for_the_clock_end_at_never_and_do_not_wrap_round)
{
	static const struct {
		struct breaker_rule rule;
		uint64_t now_us;
		unsigned opens; /* before */
		uint64_t until_us;
	} rows[] = {
		{{1, UINT64_MAX, UINT64_MAX}, 0, 0, CLOCK_NEVER},
		{{1, UINT64_MAX, UINT64_MAX}, 5, 0, CLOCK_NEVER},
		{{1, UINT64_MAX / 2 + 1, UINT64_MAX}, 5, 0, UINT64_MAX / 2 + 6},
		{{1, UINT64_MAX / 2 + 1, UINT64_MAX}, 5, 1, CLOCK_NEVER}, /* twice is too much */
		{{1, 10, 50}, UINT64_MAX - 9, 0, CLOCK_NEVER},
		{{1, 10, 50}, UINT64_MAX - 11, 0, UINT64_MAX - 1},
		{{1, 10, 50}, 0, 3, 40},
		{{1, 10, 50}, 0, 4, 50},
		{{1, 10, 50}, 0, 5, 50},
		{{1, 10, 59}, 0, 5, 59}, /* five times fit, six do not */
		{{1, 10, 50}, 0, UINT_MAX - 1, 50},
		{{1, 1, UINT64_MAX}, 0, UINT_MAX - 1, UINT_MAX},
		{{1, 10, 10}, 7, 0, 17},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct breaker breaker = {.state = BREAKER_HALF_OPEN, .opens = rows[i].opens};

		ck_assert(breaker_note(&breaker, &rows[i].rule, VERDICT_BAD, true, rows[i].now_us));
		ck_assert_int_eq(breaker.state, BREAKER_OPEN);
		ck_assert_msg(breaker.until_us == rows[i].until_us, "row %zu: %llu", i,
			(unsigned long long)breaker.until_us);
	}
}
END_TEST

START_TEST(it_never_stays_open_longer_than_the_maximum_however_often_it_fails)
{
	static const struct breaker_rule rule = {3, 7 * SECOND, 60 * SECOND};
	struct breaker breaker = {.state = BREAKER_CLOSED};
	uint64_t now_us = 1, last_us = 0;

	for (int i = 0; i < 3; i++)
		breaker_note(&breaker, &rule, VERDICT_BAD, false, now_us);
	for (int i = 0; i < 1000; i++) {
		uint64_t open_us = breaker.until_us - now_us;

		ck_assert_uint_ge(open_us, last_us);
		ck_assert_uint_le(open_us, rule.max_open_us);
		last_us = open_us;
		now_us = breaker.until_us;
		ck_assert(breaker_tick(&breaker, now_us));
		ck_assert(breaker_note(&breaker, &rule, VERDICT_BAD, true, now_us));
	}
	ck_assert_uint_eq(last_us, rule.max_open_us);
}
END_TEST

START_TEST(a_rule_that_is_taken_away_lets_it_stand_as_it_is)
{
	static const struct breaker_rule rule = {1, 10, 10}, off = {0, 10, 10};
	struct breaker breaker = {.state = BREAKER_CLOSED};

	breaker_note(&breaker, &rule, VERDICT_BAD, false, 0);
	breaker_tick(&breaker, 10);
	ck_assert(!breaker_note(&breaker, &off, VERDICT_BAD, true, 11));
	ck_assert(!breaker_note(&breaker, &off, VERDICT_GOOD, true, 12));
	ck_assert_int_eq(breaker.state, BREAKER_HALF_OPEN); /* its owner says what becomes of it */
}
END_TEST

START_TEST(a_lower_number_of_failures_counts_those_that_were)
{
	static const struct breaker_rule five = {5, 10, 10}, two = {2, 10, 10};
	struct breaker breaker = {.state = BREAKER_CLOSED};

	for (int i = 0; i < 4; i++)
		ck_assert(!breaker_note(&breaker, &five, VERDICT_BAD, false, 0));
	ck_assert(breaker_note(&breaker, &two, VERDICT_BAD, false, 0));
	ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}
END_TEST

START_TEST(its_states_have_names)
{
	ck_assert_str_eq(breaker_state_text(BREAKER_CLOSED), "closed");
	ck_assert_str_eq(breaker_state_text(BREAKER_OPEN), "open");
	ck_assert_str_eq(breaker_state_text(BREAKER_HALF_OPEN), "half_open");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("breaker");
	TCase *tcase = tcase_create("breaker");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, it_goes_from_state_to_state_as_the_script_says, 0,
		sizeof scripts / sizeof *scripts);
	tcase_add_test(tcase, it_is_half_open_at_the_microsecond_and_not_before);
	tcase_add_test(tcase, times_too_great_for_the_clock_end_at_never_and_do_not_wrap_round);
	tcase_add_test(tcase, it_never_stays_open_longer_than_the_maximum_however_often_it_fails);
	tcase_add_test(tcase, a_rule_that_is_taken_away_lets_it_stand_as_it_is);
	tcase_add_test(tcase, a_lower_number_of_failures_counts_those_that_were);
	tcase_add_test(tcase, its_states_have_names);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
