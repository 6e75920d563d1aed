/* retry.c - may a failed call be tried again, and when? */
#include "pool/retry.h"

#include "common/clock.h"

bool retry_listed(const struct retry_policy *policy, unsigned status)
{
	unsigned bit = status - RETRY_STATUS_FIRST;

	return status >= RETRY_STATUS_FIRST && status <= RETRY_STATUS_LAST &&
	       (policy->retry_on[bit / 64] >> (bit % 64) & 1);
}

void retry_list(struct retry_policy *policy, unsigned status)
{
	unsigned bit = status - RETRY_STATUS_FIRST;

	REQUIRE(status >= RETRY_STATUS_FIRST && status <= RETRY_STATUS_LAST);
	policy->retry_on[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool may_repeat(const struct call *call, bool sent)
{
	switch (call->outcome.code) {
	case ITEM_UPSTREAM_STATUS:
		return retry_listed(call->request.retry, call->outcome.status);
	case ITEM_DNS_FAILED:
	case ITEM_CONNECT_FAILED:
	case ITEM_TLS_FAILED:
		return call->outcome.retryable && (!sent || call->request.repeatable);
	case ITEM_UPSTREAM_PROTOCOL:
		return !sent || call->request.repeatable;
	default:
		return false;
	}
}

/* A random wait between 0 and the exponential cap, both in microseconds. */
static uint64_t jittered(const struct retry_policy *policy, unsigned attempts, uint64_t random)
{
	uint64_t cap = policy->backoff_us;

	for (unsigned i = 1; i < attempts && cap < policy->max_backoff_us; i++)
		cap = clock_add(cap, cap);
	if (cap > policy->max_backoff_us)
		cap = policy->max_backoff_us;
	return cap == UINT64_MAX ? random : random % (cap + 1);
}

bool retry_decide(const struct call *call, const struct retry_facts *facts, uint64_t *ret_wait_us)
{
	const struct retry_policy *policy = call->request.retry;
	uint64_t wait;

	if (call->outcome.attempts >= policy->max_attempts || !may_repeat(call, facts->sent))
		return false;
	wait = jittered(policy, call->outcome.attempts, facts->random);
	if (wait < facts->retry_after_us)
		wait = facts->retry_after_us;
	if (clock_add(facts->now_us, wait) >= call->deadline_us)
		return false;
	*ret_wait_us = wait;
	return true;
}
