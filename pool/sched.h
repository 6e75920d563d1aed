/* sched.h - who goes next: the pool's queues, bounds and turns as one state machine.
 *
 * It has no thread, no lock and no clock: the pool calls it under its lock and says what time it
 * is; tests call it with a clock of their own. It never calls out. Nothing in it is polled: what
 * cannot start stands in exactly one list, that of what it waits for, and freeing that moves it on.
 *
 *   caller ── groups with a turn to take ── runs with calls ── calls (FIFO)
 *
 * A run whose upstream or endpoint is full waits at that bound instead, where callers take turns
 * too; room that comes is promised to the first of them.
 *
 * An upstream whose breaker is open lets nothing wait for it: its calls end at once. One that asked
 * a caller to wait (429 with Retry-After) keeps that caller's calls, and nobody else's, until then.
 *
 * A group that may not start anything (its concurrency is used up, its rate limit has no token, it
 * has ended) is *blocked*: it stands in no list, and its runs keep their places. Work counts as
 * `queued` while it holds no slot. */
#ifndef POOL_SCHED_H
#define POOL_SCHED_H
#include "pool/pool.h"
#include "pool/upstream.h"

struct sched;

struct sched_bound {          /* what a configuration says of a named endpoint */
	unsigned concurrency; /* >= 1; UINT_MAX: no bound */
	double rate_per_s;    /* starts a second; 0: no limit */
};

enum { SCHED_EVENTS_MAX = 16384 }; /* between two sched_take_events */

struct sched_event { /* a breaker opened or closed */
	char origin[UPSTREAM_TEXT_SIZE];
	bool opened;
	uint64_t open_us; /* how long it will stay so */
};

struct sched_events { /* oldest first */
	struct sched_event *items;
	size_t count;
	size_t lost; /* behind those: too many, or no memory for them */
};

struct sched_options {
	size_t max_in_flight, queue_limit;
	size_t queue_reserve; /* <= queue_limit / 2; for callers who have less than that in the
				 queue */
	/* Only host, port and origin of `url` may be looked at. */
	void (*upstream_rule)(void *self, const struct url *url, struct upstream_rule *ret_rule);
	/* False: there is no endpoint of this name (any more). */
	bool (*endpoint_rule)(void *self, const char *name, struct sched_bound *ret_bound);
	void *self;
};

enum err_code sched_new(const struct sched_options *options, struct sched **ret_sched) MUST_CHECK;
/* Every call must have come back and every group been closed. */
void sched_destroy(struct sched *sched);
/* A reload: the new bounds, and the rules are asked again for the upstreams and endpoints in use.
 * What is in flight stays. */
void sched_set_bounds(
	struct sched *sched, size_t max_in_flight, size_t queue_limit, uint64_t now_us);

void sched_set_reserve(struct sched *sched, size_t queue_reserve);

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
/* Groups made later are born cancelled. */
void sched_cancel_all(struct sched *sched, enum pool_cancel why);

/* The next call that may start, now RUNNING and holding its slots; NULL where there is none. */
struct call *sched_pick(struct sched *sched, uint64_t now_us);
bool sched_has_ready(const struct sched *sched); /* sched_pick may find one */
/* A call that sched_pick gave comes back: done, or for another attempt (call->again). Frees its
 * slots. A done call is the asker's again; one that wants another attempt but may not have it goes
 * to the ended ones. */
void sched_give_back(struct sched *sched, struct call *call, uint64_t now_us);
/* What is due: retries begin, clocks run out, tokens come. */
void sched_expire(struct sched *sched, uint64_t now_us);
uint64_t sched_due_us(const struct sched *sched);
/* Calls that ended without (another) attempt since the last time, linked by sched.link; the asker's
 * from now on. */
void sched_take_ended(struct sched *sched, struct list_node *ret_list);
bool sched_has_ended(const struct sched *sched);
/* What happened to breakers since the last time. Gives the items; mem_free. */
void sched_take_events(struct sched *sched, struct sched_events *ret_events);

/* options.self of its scheduler; any thread. */
void *sched_group_self(const struct pool_group *group);
/* Constant. Any thread while a call of the group is out. */
struct guard *sched_group_guard(const struct pool_group *group);
enum pool_cancel sched_group_cancelled(const struct pool_group *group); /* any thread, likewise */
/* How calls on the wire end now; NONE: they go on. */
enum call_end sched_group_abort(const struct pool_group *group);

void sched_stats(const struct sched *sched, struct pool_stats *ret_stats);
/* Adds to the stats of each rule, by its index; what is beyond `count` is left out. */
void sched_rule_stats(const struct sched *sched, uint64_t now_us, struct upstream_rule_stats *stats,
	size_t count);
/* The foremost `room` upstreams, in the order pool_upstreams has; returns how many there are. */
size_t sched_upstreams(
	const struct sched *sched, uint64_t now_us, struct upstream_info *ret_infos, size_t room);
size_t sched_room(const struct sched *sched); /* so many more calls the queue can hold */
/* Aborts where an invariant does not hold; for tests; O(everything). */
void sched_check(const struct sched *sched);
#endif
