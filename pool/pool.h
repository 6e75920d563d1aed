/* pool.h - the bounded worker pool: admission, fair turns, workers. What batch/ sees of the engine.
 *
 * A *group* is a batch's place in the pool: its bounds, its clock, its calls. Calls of a group go
 * to many upstreams; each (group, upstream) pair is a *run*, a FIFO. Turns go round: callers, their
 * groups, their runs. A call holds a slot of its group, its upstream, its endpoint and the pool
 * while it is on the wire, and none while it waits. Every call that pool_submit took comes back
 * through its `done`, exactly once, on a worker, whatever happens. */
#ifndef POOL_POOL_H
#define POOL_POOL_H
#include "common/caller.h"
#include "common/config.h"
#include "common/err.h"
#include "common/mem.h"
#include "pool/call.h"
#include "pool/guard.h"
#include "pool/upstream_stats.h"

struct forker;
struct pool;
struct pool_group;

enum pool_cancel { POOL_RUNNING, POOL_STOP_ON_ERROR, POOL_CLIENT_GONE, POOL_DRAIN };

struct pool_group_options {
	struct caller *caller; /* borrows a reference for the group's life */
	struct guard *guard;   /* takes a reference of its own */
	unsigned concurrency;  /* >= 1 */
	uint64_t deadline_us;  /* the batch's clock, absolute; CLOCK_NEVER: none */
	double rate_per_s;     /* starts a second; 0: no limit */
	bool stop_on_error;
	const char *endpoint; /* whose bounds hold too, over all groups; NULL: none. Copied */
};

struct pool_stats {
	size_t in_flight, queued, groups, callers, upstreams, lanes;
};

/* Starts the workers. The configuration's pool.* and upstreams apply; `budget` (may be NULL) is
 * charged for answers; `forker` (may be NULL, borrowed) makes the helper processes of the calls'
 * steps. */
enum err_code pool_new(struct config *config, struct mem_budget *budget, struct forker *forker,
	struct pool **ret_pool, struct err *err) MUST_CHECK;
/* Ends everything that is left as cancelled/drain, waits for the workers, frees. No group may be
 * open. */
void pool_destroy(struct pool *pool);
/* All of pool_configure that can fail: ERR_NOMEM. One thread calls the two. */
enum err_code pool_prepare(struct pool *pool, struct config *config) MUST_CHECK;
/* Swaps bounds and upstream rules (reload) for those of the configuration that was prepared last;
 * what is in flight stays. threads cannot change. */
void pool_configure(struct pool *pool, struct config *config);

/* Any thread. The group lives until it is closed and its last call is done. */
enum err_code pool_group_new(struct pool *pool, const struct pool_group_options *options,
	struct pool_group **ret_group, struct err *err) MUST_CHECK;
/* Any thread. Takes all calls, or none: ERR_BUSY when the queue has no room for them, ERR_NOMEM,
 * ERR_CLOSING. Calls of a cancelled group are taken and come back cancelled. May be called again
 * until pool_group_close. */
enum err_code pool_submit(struct pool_group *group, struct call *const *calls, size_t count,
	struct err *err) MUST_CHECK;
/* Any thread. Calls whose position is `end` or more do not start until it is raised; what has begun
 * goes on, retries included, so that nobody waits for a result that cannot come. UINT64_MAX, as at
 * the beginning: all may. Positions rise in the order of submission. */
void pool_group_window(struct pool_group *group, uint64_t end);
/* Any thread. What has not started comes back as cancelled; what is on the wire is aborted, except
 * for STOP_ON_ERROR. The first reason counts. */
void pool_group_cancel(struct pool_group *group, enum pool_cancel why);
/* Any thread. The submitter's last word: it must not touch the group afterwards. */
void pool_group_close(struct pool_group *group);

void pool_cancel_all(struct pool *pool, enum pool_cancel why); /* every group, now and to come */
void pool_stats(struct pool *pool, struct pool_stats *ret_stats);
/* Of each rule: `ret_stats` has `count` places, one for each of a configuration's upstreams, in
 * order. */
void pool_rule_stats(struct pool *pool, struct upstream_rule_stats *ret_stats, size_t count);
/* The upstreams in use and those used lately, the foremost `room` of them, UPSTREAMS_TOLD_MAX at
 * most: those whose breaker is not closed, then those with the most calls in flight and queued,
 * then by origin. Returns how many there are. */
size_t pool_upstreams(struct pool *pool, struct upstream_info *ret_infos, size_t room);
/* So many more calls the queue can hold: asked before a body is read. */
size_t pool_room(struct pool *pool);
#endif
