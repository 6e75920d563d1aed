/* retry.h - may a failed call be tried again, and when? Pure; any thread.
 *
 * A refusal (a status in retry_on, a connection never made) may be repeated by every method; an
 * ambiguous failure (the request went out) only where request.repeatable. Waits are exponential
 * with full jitter (Brooker, "Exponential Backoff And Jitter", 2015), never shorter than what the
 * upstream asked for. */
#ifndef POOL_RETRY_H
#define POOL_RETRY_H
#include "pool/call.h"

struct retry_facts {
	bool sent;               /* this attempt's bytes may have gone out */
	uint64_t retry_after_us; /* what the upstream asked for; 0: nothing */
	uint64_t random;         /* 64 random bits */
	uint64_t now_us;
};

bool retry_listed(const struct retry_policy *policy, unsigned status);
void retry_list(struct retry_policy *policy, unsigned status); /* adds it; 100 to 599 */
/* Looks at the call's outcome, attempts and deadline. True: *ret_wait_us is the wait before the
 * next attempt. */
bool retry_decide(const struct call *call, const struct retry_facts *facts, uint64_t *ret_wait_us);
#endif
