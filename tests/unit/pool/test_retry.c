/* test_retry.c - which failures are tried again, and after what wait. */
#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "pool/retry.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

static const uint64_t now = 1000 * SECOND;

static struct retry_policy policy_of(
	unsigned max_attempts, uint64_t backoff_us, uint64_t max_backoff_us)
{
	static const unsigned listed[] = {408, 425, 429, 500, 502, 503, 504};
	struct retry_policy policy = {.max_attempts = max_attempts,
		.backoff_us = backoff_us,
		.max_backoff_us = max_backoff_us};

	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
		retry_list(&policy, listed[i]);
	return policy;
}

static struct call call_of(
	const struct retry_policy *policy, enum item_code code, unsigned attempts)
{
	struct call call = {.deadline_us = now + 30 * SECOND};

	call.request.retry = policy;
	call.outcome.code = code;
	call.outcome.status = code == ITEM_UPSTREAM_STATUS ? 503 : 0;
	call.outcome.retryable = true;
	call.outcome.attempts = attempts;
	return call;
}

START_TEST(a_list_of_statuses_holds_what_was_put_in_and_nothing_else)
{
	struct retry_policy policy = {.max_attempts = 2};

	for (unsigned status = 0; status < 1200; status++)
		ck_assert(!retry_listed(&policy, status));
	retry_list(&policy, 100);
	retry_list(&policy, 163);
	retry_list(&policy, 164);
	retry_list(&policy, 599);
	for (unsigned status = 0; status < 1200; status++)
		ck_assert_int_eq(retry_listed(&policy, status),
			status == 100 || status == 163 || status == 164 || status == 599);
	ck_assert(!retry_listed(&policy, (unsigned)-1));
}
END_TEST

struct row {
	const char *what;
	enum item_code code;
	unsigned status;
	bool retryable, sent, repeatable, again;
};

static const struct row rows[] = {
	{"a listed status, of any method", ITEM_UPSTREAM_STATUS, 503, true, true, false, true},
	{"a listed 429", ITEM_UPSTREAM_STATUS, 429, true, true, false, true},
	{"a status that is not listed", ITEM_UPSTREAM_STATUS, 404, false, true, true, false},
	{"501, not listed, of a repeatable call", ITEM_UPSTREAM_STATUS, 501, false, true, true,
		false},
	{"a success", ITEM_OK, 200, false, true, true, false},
	{"no name", ITEM_DNS_FAILED, 0, true, false, false, true},
	{"a name that will never be", ITEM_DNS_FAILED, 0, false, false, true, false},
	{"no connection", ITEM_CONNECT_FAILED, 0, true, false, false, true},
	{"no connection, earlier bytes gone out, not repeatable", ITEM_CONNECT_FAILED, 0, true,
		true, false, false},
	{"a broken handshake", ITEM_TLS_FAILED, 0, true, false, false, true},
	{"a bad certificate", ITEM_TLS_FAILED, 0, false, false, true, false},
	{"reset after sending, not repeatable", ITEM_UPSTREAM_PROTOCOL, 0, true, true, false,
		false},
	{"reset after sending, repeatable", ITEM_UPSTREAM_PROTOCOL, 0, true, true, true, true},
	{"reset before sending", ITEM_UPSTREAM_PROTOCOL, 0, true, false, false, true},
	{"cut short after a listed status, not repeatable", ITEM_UPSTREAM_PROTOCOL, 503, true, true,
		false, false},
	{"the item's clock", ITEM_TIMEOUT, 0, true, true, true, false},
	{"too large", ITEM_RESPONSE_TOO_LARGE, 200, false, true, true, false},
	{"redirects", ITEM_TOO_MANY_REDIRECTS, 302, false, true, true, false},
	{"blocked", ITEM_BLOCKED_TARGET, 0, false, false, true, false},
	{"invalid", ITEM_INVALID_ITEM, 0, false, false, true, false},
	{"cancelled", ITEM_CANCELLED, 0, true, false, true, false},
	{"no memory", ITEM_OVERLOADED, 0, true, false, true, false},
	{"our bug", ITEM_INTERNAL, 0, true, true, true, false},
};

START_TEST(refusals_are_retried_always_and_ambiguous_failures_only_where_repeatable)
{
	const struct row *row = &rows[_i];
	struct retry_policy policy = policy_of(3, 200 * MS, 10 * SECOND);
	struct call call = call_of(&policy, row->code, 1);
	struct retry_facts facts = {.sent = row->sent, .now_us = now, .random = 77};
	uint64_t wait = 12345;

	call.outcome.status = row->status;
	call.outcome.retryable = row->retryable;
	call.request.repeatable = row->repeatable;
	ck_assert_msg(retry_decide(&call, &facts, &wait) == row->again, "%s", row->what);
	if (!row->again)
		ck_assert_uint_eq(wait, 12345);
}
END_TEST

START_TEST(attempts_end_with_the_policys_number)
{
	struct retry_facts facts = {.now_us = now};
	uint64_t wait;

	for (unsigned max = 1; max <= 10; max++) {
		struct retry_policy policy = policy_of(max, MS, MS);

		for (unsigned attempts = 1; attempts <= 12; attempts++) {
			struct call call = call_of(&policy, ITEM_CONNECT_FAILED, attempts);

			ck_assert_int_eq(retry_decide(&call, &facts, &wait), attempts < max);
		}
	}
}
END_TEST

/* The longest wait over random numbers that leave the largest remainders. */
static uint64_t longest(const struct retry_policy *policy, unsigned attempts)
{
	struct call call = call_of(policy, ITEM_CONNECT_FAILED, attempts);
	uint64_t most = 0, wait;

	call.deadline_us = CLOCK_NEVER;
	for (uint64_t random = 0; random < 4000; random++) {
		struct retry_facts facts = {
			.random = random * UINT64_C(0x9E3779B97F4A7C15), .now_us = now};

		ck_assert(retry_decide(&call, &facts, &wait));
		most = wait > most ? wait : most;
	}
	return most;
}

START_TEST(waits_are_random_up_to_a_cap_that_doubles_until_its_maximum)
{
	struct retry_policy policy = policy_of(10, 200, 1500);
	static const uint64_t caps[] = {200, 400, 800, 1500, 1500};

	for (unsigned i = 0; i < 5; i++) {
		uint64_t most = longest(&policy, i + 1);

		ck_assert_uint_le(most, caps[i]);
		ck_assert_uint_ge(most, caps[i] * 95 / 100);
	}
	policy = policy_of(10, 5000, 100); /* a maximum below the first wait */
	ck_assert_uint_le(longest(&policy, 1), 100);
	policy = policy_of(10, 0, 10000);
	ck_assert_uint_eq(longest(&policy, 5), 0);
	policy = policy_of(10, 0, 0);
	ck_assert_uint_eq(longest(&policy, 5), 0);
}
END_TEST

START_TEST(the_extremes_of_chance_give_a_wait_within_the_cap)
{
	struct retry_policy policy = policy_of(3, 200 * MS, 10 * SECOND);
	static const uint64_t randoms[] = {
		0, 1, 200 * MS, 200 * MS + 1, UINT64_MAX - 1, UINT64_MAX};

	for (size_t i = 0; i < sizeof randoms / sizeof *randoms; i++) {
		struct call call = call_of(&policy, ITEM_CONNECT_FAILED, 1);
		struct retry_facts facts = {.random = randoms[i], .now_us = now};
		uint64_t wait = UINT64_MAX;

		ck_assert(retry_decide(&call, &facts, &wait));
		ck_assert_uint_le(wait, 200 * MS);
	}
}
END_TEST

START_TEST(huge_backoffs_neither_overflow_nor_divide_by_zero)
{
	static const uint64_t huge[] = {
		UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2 + 1, UINT64_MAX / 3};

	for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
		struct retry_policy policy = policy_of(11, huge[i], UINT64_MAX);

		for (unsigned attempts = 1; attempts <= 10; attempts++) {
			struct call call = call_of(&policy, ITEM_CONNECT_FAILED, attempts);
			struct retry_facts facts = {.random = UINT64_MAX - 1, .now_us = now};
			uint64_t wait = 0;

			if (retry_decide(&call, &facts, &wait)) /* the remainder may be small */
				ck_assert_uint_lt(wait, 30 * SECOND);
		}
	}
	for (unsigned attempts = 2; attempts <= 10;
		attempts++) { /* a cap past 2^63 must not wrap round to nothing */
		struct retry_policy policy = policy_of(11, UINT64_C(1) << 62, UINT64_MAX);
		struct call call = call_of(&policy, ITEM_CONNECT_FAILED, attempts);
		struct retry_facts facts = {.random = UINT64_C(1) << 62, .now_us = now};
		uint64_t wait;

		ck_assert(!retry_decide(&call, &facts, &wait));
	}
}
END_TEST

START_TEST(a_wait_is_never_shorter_than_what_the_upstream_asked_for)
{
	struct retry_policy policy = policy_of(3, 200 * MS, 10 * SECOND);
	struct call call = call_of(&policy, ITEM_UPSTREAM_STATUS, 1);
	struct retry_facts facts = {
		.sent = true, .retry_after_us = 7 * SECOND, .random = 1, .now_us = now};
	uint64_t wait;

	ck_assert(retry_decide(&call, &facts, &wait));
	ck_assert_uint_eq(wait, 7 * SECOND);
	facts.retry_after_us = 50 * MS;
	facts.random = 180 * MS;
	ck_assert(retry_decide(&call, &facts, &wait));
	ck_assert_uint_eq(wait, 180 * MS);
}
END_TEST

START_TEST(a_wait_that_reaches_the_deadline_is_not_begun)
{
	struct retry_policy policy = policy_of(3, 200 * MS, 10 * SECOND);
	struct call call = call_of(&policy, ITEM_UPSTREAM_STATUS, 1);
	struct retry_facts facts = {.retry_after_us = 30 * SECOND - 1, .now_us = now};
	uint64_t wait;

	ck_assert(retry_decide(&call, &facts, &wait));
	facts.retry_after_us = 30 * SECOND;
	ck_assert(!retry_decide(&call, &facts, &wait));
	facts.retry_after_us = UINT64_MAX; /* would wrap round */
	ck_assert(!retry_decide(&call, &facts, &wait));
	facts.retry_after_us = 0;
	facts.now_us = call.deadline_us;
	ck_assert(!retry_decide(&call, &facts, &wait));
	facts.now_us = call.deadline_us + SECOND;
	ck_assert(!retry_decide(&call, &facts, &wait));
}
END_TEST

/* What the wait may be for each attempt of a policy, whatever chance says. */
static const struct {
	const char *what;
	uint64_t backoff_us, max_backoff_us, retry_after_us;
	uint64_t least[9], most[9]; /* before attempt 2, 3, … 10 */
} jitters[] = {
	{"doubles up to the maximum", 200, 10000, 0, {0},
		{200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000}},
	{"a maximum that is a power", 1, 256, 0, {0}, {1, 2, 4, 8, 16, 32, 64, 128, 256}},
	{"a maximum below the first", 500, 300, 0, {0},
		{300, 300, 300, 300, 300, 300, 300, 300, 300}},
	{"no wait at all", 0, 10000, 0, {0}, {0}},
	{"what the upstream asks for is the least", 200, 1000, 700,
		{700, 700, 700, 700, 700, 700, 700, 700, 700},
		{700, 700, 800, 1000, 1000, 1000, 1000, 1000, 1000}},
	{"also where it is more than the maximum", 200, 1000, 5000,
		{5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000},
		{5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000}},
	{"and where there is no backoff", 0, 0, 3, {3, 3, 3, 3, 3, 3, 3, 3, 3},
		{3, 3, 3, 3, 3, 3, 3, 3, 3}},
};

START_TEST(the_wait_before_each_attempt_keeps_within_its_bounds_and_reaches_them)
{
	uint64_t backoff = jitters[_i].backoff_us, after = jitters[_i].retry_after_us;
	struct retry_policy policy = policy_of(10, backoff, jitters[_i].max_backoff_us);

	for (unsigned attempts = 1; attempts < 10; attempts++) {
		struct call call = call_of(&policy, ITEM_CONNECT_FAILED, attempts);
		uint64_t least = UINT64_MAX, most = 0;

		for (uint64_t random = 0; random <= 10000; random++) {
			struct retry_facts facts = {
				.random = random, .retry_after_us = after, .now_us = now};
			uint64_t wait;

			ck_assert_msg(retry_decide(&call, &facts, &wait), "%s", jitters[_i].what);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
		}
		ck_assert_uint_eq(least, jitters[_i].least[attempts - 1]);
		ck_assert_uint_eq(most, jitters[_i].most[attempts - 1]);
	}
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* Full jitter: every wait up to the cap is as likely as any other. Of 20,000 over 20 parts each
 * gets 1,000, with a deviation of 31; the sequence is always the same. */
START_TEST(waits_are_spread_evenly_from_nothing_to_the_cap)
{
	enum { PARTS = 20, DRAWS = 20000 };
	static const uint64_t caps[] = {
		200 * MS, 400 * MS, 800 * MS, 1600 * MS, 3200 * MS, 5 * SECOND};
	struct retry_policy policy = policy_of(10, 200 * MS, 5 * SECOND);
	struct call call = call_of(&policy, ITEM_CONNECT_FAILED, (unsigned)_i + 1);
	uint64_t cap = caps[_i], state = 1, sum = 0;
	unsigned parts[PARTS] = {0};

	for (int i = 0; i < DRAWS; i++) {
		struct retry_facts facts = {.random = next_random(&state), .now_us = now};
		uint64_t wait;

		ck_assert(retry_decide(&call, &facts, &wait));
		ck_assert_uint_le(wait, cap);
		parts[wait * PARTS / (cap + 1)]++;
		sum += wait;
	}
	for (int i = 0; i < PARTS; i++) {
		ck_assert_uint_ge(parts[i], 1000 - 130);
		ck_assert_uint_le(parts[i], 1000 + 130);
	}
	ck_assert_uint_ge(sum / DRAWS, cap / 2 - cap / 100);
	ck_assert_uint_le(sum / DRAWS, cap / 2 + cap / 100);
}
END_TEST

START_TEST(a_wait_of_chance_that_meets_the_deadline_is_not_begun)
{
	static const struct {
		uint64_t left_us, random;
		bool again;
	} chances[] = {
		{101, 100, true}, /* it ends one microsecond before */
		{100, 100, false},
		{99, 100, false},
		{100, 99, true}, /* chance decides */
		{1, 0, true},
		{0, 0, false},
	};
	struct retry_policy policy = policy_of(3, 200, 200);

	for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
		struct call call = call_of(&policy, ITEM_CONNECT_FAILED, 1);
		struct retry_facts facts = {.random = chances[i].random, .now_us = now};
		uint64_t wait = 0;

		call.deadline_us = now + chances[i].left_us;
		ck_assert_int_eq(retry_decide(&call, &facts, &wait), chances[i].again);
		ck_assert_uint_eq(wait, chances[i].again ? chances[i].random : 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("retry");
	TCase *tcase = tcase_create("retry");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_list_of_statuses_holds_what_was_put_in_and_nothing_else);
	tcase_add_loop_test(tcase,
		refusals_are_retried_always_and_ambiguous_failures_only_where_repeatable, 0,
		sizeof rows / sizeof *rows);
	tcase_add_test(tcase, attempts_end_with_the_policys_number);
	tcase_add_test(tcase, waits_are_random_up_to_a_cap_that_doubles_until_its_maximum);
	tcase_add_test(tcase, the_extremes_of_chance_give_a_wait_within_the_cap);
	tcase_add_test(tcase, huge_backoffs_neither_overflow_nor_divide_by_zero);
	tcase_add_test(tcase, a_wait_is_never_shorter_than_what_the_upstream_asked_for);
	tcase_add_test(tcase, a_wait_that_reaches_the_deadline_is_not_begun);
	tcase_add_loop_test(tcase,
		the_wait_before_each_attempt_keeps_within_its_bounds_and_reaches_them, 0,
		sizeof jitters / sizeof *jitters);
	tcase_add_loop_test(tcase, waits_are_spread_evenly_from_nothing_to_the_cap, 0, 6);
	tcase_add_test(tcase, a_wait_of_chance_that_meets_the_deadline_is_not_begun);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
