/* bound.h - a limit that calls of many groups share: how many are in flight, how many start a
 * second, and who waits.
 *
 * Part of the scheduler: an upstream has one, and one for its retries; so has a named endpoint. */
#ifndef POOL_BOUND_H
#define POOL_BOUND_H
#include "common/heap.h"
#include "common/list.h"
#include "pool/bucket.h"

struct bound {
	struct list_node waiters; /* struct wait_turn: one a caller, in turns */
	/* `promised`: slots (and tokens) kept for runs that waited and may start. */
	size_t in_flight, promised;
	size_t allowance; /* most that may be promised: SIZE_MAX, but for a breaker's sake */
	/* Calls in flight at most; less than in_flight after a reload, for a while. */
	unsigned limit;
	struct bucket bucket;
	struct heap_node timer; /* set while a token is all that its waiters lack; only where the
				   bucket has a rate */
};

static inline void bound_init(
	struct bound *bound, unsigned limit, double rate_per_s, uint64_t now_us)
{
	*bound = (struct bound){.limit = limit, .allowance = SIZE_MAX};
	list_init(&bound->waiters);
	bucket_init(&bound->bucket, rate_per_s, now_us);
}

static inline bool bound_has_slot(const struct bound *bound)
{
	return bound->in_flight + bound->promised < bound->limit &&
	       bound->promised < bound->allowance;
}

/* As its bucket was filled last. */
static inline bool bound_has_room(const struct bound *bound)
{
	return bound_has_slot(bound) && bucket_has(&bound->bucket, bound->promised + 1);
}

/* There is a slot, but no token for it. */
static inline bool bound_lacks_token(const struct bound *bound)
{
	return bound_has_slot(bound) && !bucket_has(&bound->bucket, bound->promised + 1);
}

/* What was promised can be used: a reload may have lowered the bound since. */
static inline bool bound_keeps_promise(const struct bound *bound)
{
	return bound->in_flight < bound->limit && bound->allowance > 0 &&
	       bucket_has(&bound->bucket, 1);
}
#endif
