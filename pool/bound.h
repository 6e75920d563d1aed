/* bound.h - a limit that calls of many groups share: how many are in flight, how many start a
 * second, and who waits.
 *
 * Part of the scheduler: an upstream has one, and so has a named endpoint. */
#ifndef POOL_BOUND_H
#define POOL_BOUND_H
#include "common/heap.h"
#include "common/list.h"
#include "pool/bucket.h"

struct bound {
	struct list_node waiters; /* struct wait_turn: one a caller, in turns */
	size_t in_flight,
		promised; /* promised: slots (and tokens) kept for runs that waited and may start */
	unsigned limit; /* calls in flight at most; less than in_flight after a reload, for a while
			 */
	struct bucket bucket;
	struct heap_node timer; /* set while a token is all that its waiters lack; only where the
				   bucket has a rate */
};

static inline void bound_init(
	struct bound *bound, unsigned limit, double rate_per_s, uint64_t now_us)
{
	*bound = (struct bound){.limit = limit};
	list_init(&bound->waiters);
	bucket_init(&bound->bucket, rate_per_s, now_us);
}

/* As its bucket was filled last. */
static inline bool bound_has_room(const struct bound *bound)
{
	return bound->in_flight + bound->promised < bound->limit &&
	       bucket_has(&bound->bucket, bound->promised + 1);
}

/* There is a slot, but no token for it. */
static inline bool bound_lacks_token(const struct bound *bound)
{
	return bound->in_flight + bound->promised < bound->limit &&
	       !bucket_has(&bound->bucket, bound->promised + 1);
}
#endif
