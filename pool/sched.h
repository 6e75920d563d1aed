/* sched.h - who goes next: the pool's queues, bounds and turns as one state machine.
 *
 * It has no thread, no lock and no clock: the pool calls it under its lock and says what time it
 * is; tests call it with a clock of their own. It never calls out. Nothing in it is polled: what
 * cannot start stands in exactly one list, that of what it waits for, and freeing that moves it on.
 *
 *   caller ── groups with a turn to take ── runs with calls ── calls (FIFO)
 *                                  └ a run whose upstream or endpoint is full waits at that bound
 * instead, where callers take turns too; room that comes is promised to the first of them
 *
 * A group that may not start anything (its concurrency is used up, its rate limit has no token, it
 * has ended) is *blocked*: it stands in no list, and its runs keep their places. Work counts as
 * `queued` while it holds no slot. */
#ifndef POOL_SCHED_H
#define POOL_SCHED_H
#include "pool/pool.h"

struct sched;

struct sched_bound {          /* what a configuration says of a named endpoint */
	unsigned concurrency; /* >= 1; UINT_MAX: no bound */
	double rate_per_s;    /* starts a second; 0: no limit */
};

struct sched_options {
	size_t max_in_flight, queue_limit;
	/* The bound (>= 1) of this upstream and the index of its rule; only host, port and origin
	 * of `url` may be looked at. */
	unsigned (*upstream_rule)(void *self, const struct url *url, size_t *ret_rule);
	/* False: there is no endpoint of this name (any more). */
	bool (*endpoint_rule)(void *self, const char *name, struct sched_bound *ret_bound);
	void *self;
};

enum err_code sched_new(const struct sched_options *options, struct sched **ret_sched) MUST_CHECK;
void sched_destroy(
	struct sched *sched); /* every call must have come back and every group been closed */
/* A reload: the new bounds, and the rules are asked again for the upstreams and endpoints in use.
 * What is in flight stays. */
void sched_set_bounds(
	struct sched *sched, size_t max_in_flight, size_t queue_limit, uint64_t now_us);

enum err_code sched_group_new(struct sched *sched, const struct pool_group_options *options,
	uint64_t now_us, struct pool_group **ret_group) MUST_CHECK;
void sched_group_close(struct sched *sched, struct pool_group *group);
/* All or none: ERR_BUSY where the queue has no room, ERR_NOMEM. Takes the calls on ERR_OK. */
enum err_code sched_submit(struct sched *sched, struct pool_group *group, struct call *const *calls,
	size_t count, uint64_t now_us) MUST_CHECK;
/* Fresh calls of the group whose position is `end` or more do not start until it is raised. A
 * group's calls are submitted in the order of their positions. */
void sched_window(struct sched *sched, struct pool_group *group, uint64_t end);
void sched_cancel(struct sched *sched, struct pool_group *group, enum pool_cancel why);
void sched_cancel_all(
	struct sched *sched, enum pool_cancel why); /* groups made later are born cancelled */

/* The next call that may start, now RUNNING and holding its slots; NULL where there is none. */
struct call *sched_pick(struct sched *sched, uint64_t now_us);
bool sched_has_ready(const struct sched *sched); /* sched_pick may find one */
/* A call that sched_pick gave comes back: done, or for another attempt (call->again). Frees its
 * slots. A done call is the asker's again; one that wants another attempt but may not have it goes
 * to the ended ones. */
void sched_give_back(struct sched *sched, struct call *call, uint64_t now_us);
void sched_expire(struct sched *sched,
	uint64_t now_us); /* what is due: retries begin, clocks run out, tokens come */
uint64_t sched_due_us(const struct sched *sched);
/* Calls that ended without (another) attempt since the last time, linked by sched.link; the asker's
 * from now on. */
void sched_take_ended(struct sched *sched, struct list_node *ret_list);
bool sched_has_ended(const struct sched *sched);

void *sched_group_self(
	const struct pool_group *group); /* options.self of its scheduler; any thread */
struct guard *sched_group_guard(
	const struct pool_group *group); /* constant; any thread while a call of the group is out */
enum pool_cancel sched_group_cancelled(const struct pool_group *group); /* any thread, likewise */
enum call_end sched_group_abort(
	const struct pool_group *group); /* how calls on the wire end now; NONE: they go on */

void sched_stats(const struct sched *sched, struct pool_stats *ret_stats);
void sched_rule_counts(const struct sched *sched, size_t *counts, size_t rule_count);
bool sched_has_room(const struct sched *sched);
void sched_check(const struct sched
		*sched); /* aborts where an invariant does not hold; for tests; O(everything) */
#endif
