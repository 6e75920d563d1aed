/* sched_internal.h - the scheduler's structures, shared by the files of the scheduler.
 *
 * No function here takes a lock: the pool holds its own around each of them. Without it only a
 * group's `cancelled`, and what is constant in a group, may be read. */
#ifndef POOL_SCHED_INTERNAL_H
#define POOL_SCHED_INTERNAL_H
#include <stdatomic.h>

#include "common/hash.h"
#include "common/heap.h"
#include "common/list.h"
#include "pool/sched.h"
#include "pool/upstream.h"

struct sched_caller {           /* exists while it has groups, or pauses */
	struct list_node link;  /* in sched.callers */
	struct list_node turn;  /* in sched.turns, iff `turns` is not empty */
	struct list_node turns; /* its groups that may start something */
	struct caller *caller;
	size_t groups, queued;
	size_t pauses; /* upstreams that asked it to wait */
};

struct pool_group {
	struct sched *sched;
	struct sched_caller *caller;
	struct list_node link; /* in sched.groups */
	struct list_node turn; /* in caller.turns, iff it is not blocked and `ready` is not empty */
	struct list_node ready; /* runs with calls that wait for no bound; the promised ones stand
				   first */
	struct list_node held;  /* runs whose first call stands outside the window */
	struct list_node runs;  /* all of them */
	size_t run_count;
	struct list_node retrying; /* calls that wait for their next attempt's time */
	struct pool_group_options options;
	struct sched_endpoint *endpoint; /* NULL: none */
	struct heap_node deadline_timer, token_timer;
	size_t in_flight, outstanding; /* outstanding: calls that have not come back */
	struct bucket bucket;
	uint64_t window_end; /* fresh calls whose position is not below it do not start */
	bool rate_blocked, expired, closed;
	atomic_int cancelled; /* enum pool_cancel; written under the lock, read by workers */
};

/* Of a heap_node. */
enum timer_kind { TIMER_CALL, TIMER_DEADLINE, TIMER_TOKEN, TIMER_BOUND, TIMER_PAUSE };

enum run_place { RUN_IDLE, RUN_READY, RUN_WAITING, RUN_HELD };

struct sched_endpoint { /* exists while groups use it, or its rule bounds anything: else leaving it
		     idle for a moment would bring the next token early */
	struct hash_node node;
	struct bound bound;
	size_t refs;  /* groups */
	bool removed; /* the configuration has none of this name any more */
	char name[];
};

enum { RUN_BOUNDS_MAX = 3 }; /* its endpoint's, its upstream's, the one of its upstream's retries */

struct wait_turn { /* a caller's place at one bound; exists while there are queues of the two, or
		      the upstream asked the caller to wait */
	struct hash_node node;
	struct list_node link;   /* in bound.waiters by `since`, iff `queues` is not empty and it is
				    not paused */
	struct list_node queues; /* those that wait here, in turns */
	uint64_t since;
	struct sched_caller *caller;
	struct bound *bound;
	struct upstream *paused; /* whose bound this is, while the caller may not start a call there
				    … */
	uint64_t paused_until_us; /* … until then */
	uint64_t soonest_us;      /* no clock of a call that waits for it runs out before */
	struct heap_node timer;   /* set while it is paused */
	size_t refs;              /* queues, waiting here or not; a pause */
};

struct wait_queue { /* the runs of one caller that wait for the same bounds; exists while there are
		       such runs. It waits as one, so that what moves from one bound to the other
		       does not depend on how many wait */
	struct hash_node node;
	struct list_node link; /* in at->queues, iff `runs` is not empty */
	struct list_node runs; /* in the order they came */
	struct sched_caller *caller;
	struct upstream *upstream;
	struct sched_endpoint *endpoint;         /* NULL: none */
	bool budgeted;                           /* for retries, under the upstream's budget */
	struct wait_turn *turns[RUN_BOUNDS_MAX]; /* one a bound, in the order they are asked */
	size_t turn_count;
	struct wait_turn *at_upstream; /* one of them */
	struct wait_turn *at;          /* where it waits; NULL: `runs` is empty */
	uint64_t since; /* when it came to wait or had its last turn; counted, not timed */
	size_t refs;    /* runs, waiting or not */
};

struct pool_run { /* the calls of one group for one upstream, its retries apart where they have a
		     budget; exists while it has any, wherever they are */
	struct hash_node node;
	struct pool_group *group;
	struct upstream *upstream;
	struct wait_queue *queue;       /* where it waits */
	struct list_node group_link;    /* in group.runs */
	struct list_node upstream_link; /* in upstream.runs */
	bool budgeted;                  /* its calls are retries, under the upstream's budget */
	struct list_node link;          /* in group.ready, group.held or queue.runs */
	struct list_node calls;         /* queued */
	size_t refs;                    /* calls that belong to it */
	size_t in_flight;
	enum run_place place;
	bool promised; /* waited, and all that it waited for is kept for it: a slot and a token of
			  each of its bounds; it is ready then */
};

struct sched {
	struct sched_options options;
	struct list_node callers, groups;
	struct list_node turns; /* callers that may start something */
	struct list_node ended;
	struct hash runs;        /* by group, upstream and budget */
	struct hash wait_queues; /* by caller and bounds */
	struct hash wait_turns;  /* by caller and bound */
	struct hash endpoints;   /* by name */
	struct upstream_table upstreams;
	struct heap timers;
	size_t timer_room; /* nodes of groups (two each) and calls that may be in the heap at once;
			      each endpoint, upstream and wait_turn has one besides */
	uint64_t now_us;   /* what it was told last */
	uint64_t waits;    /* counts for wait_queue.since */
	size_t in_flight, queued;
	uint64_t sequence; /* of the next call submitted */
	enum pool_cancel cancelled;
	struct sched_events events; /* for sched_take_events */
	size_t event_room;
};

/* sched_queue.c: runs and where they stand */
struct pool_run *sched_run_get(struct sched *sched, struct pool_group *group, const struct url *url,
	bool retry); /* a reference, or NULL */
void sched_run_put(struct sched *sched, struct pool_run *run);
/* Queues the call. */
void sched_run_append(struct sched *sched, struct pool_run *run, struct call *call, bool front);
/* Its first call; takes a slot of its bounds. */
struct call *sched_run_take(struct sched *sched, struct pool_run *run);
/* A queued call leaves without starting. */
void sched_run_drop(struct sched *sched, struct pool_run *run, struct call *call);
bool sched_run_in_window(const struct pool_run *run);                  /* its first call is */
void sched_run_hold(struct sched *sched, struct pool_run *run);        /* until the window moves */
void sched_runs_review(struct sched *sched, struct pool_group *group); /* the window has moved */
/* After anything that may (un)block it. */
void sched_group_update(struct sched *sched, struct pool_group *group);
bool sched_group_blocked(const struct pool_group *group);

/* sched_place.c: the places where runs wait, found by key */
struct wait_queue *sched_queue_get(struct sched *sched, struct pool_group *group,
	struct upstream *upstream, bool budgeted); /* a reference, or NULL */
void sched_queue_put(struct sched *sched, struct wait_queue *queue);
void sched_turn_put(struct sched *sched, struct wait_turn *turn);
enum err_code sched_reserve(struct sched *sched, size_t more) MUST_CHECK; /* timers */

/* sched_wait.c: runs that wait for a bound */
bool sched_run_may_start(struct sched *sched, struct pool_run *run);    /* its bounds have room */
void sched_run_park(struct sched *sched, struct pool_run *run);         /* one of them has none */
void sched_run_leave(struct sched *sched, struct pool_run *run);        /* it waits no longer */
void sched_run_enter_flight(struct sched *sched, struct pool_run *run); /* takes the slots … */
void sched_run_leave_flight(struct sched *sched, struct pool_run *run); /* … and gives them back */
void sched_promise_end(struct sched *sched, struct pool_run *run);      /* passes it on, if any */
void sched_bound_wake(struct sched *sched, struct bound *bound); /* there may be room, or a token */
bool sched_run_is_limited(const struct pool_run *run); /* it waits for a rate, or is paused */
void sched_turn_hold(struct sched *sched, struct wait_turn *turn);    /* it is paused … */
void sched_turn_release(struct sched *sched, struct wait_turn *turn); /* … and is no more */

/* sched_upstream.c: what an upstream's answers mean for the calls that wait for it */
/* How a call that is to be queued ends instead; NONE: it may wait. */
enum call_end sched_upstream_refuses(struct sched *sched, const struct call *call);
void sched_upstream_queued(const struct call *call); /* it waits for its turn from now on */
/* How long such a call would have had to wait. */
uint64_t sched_upstream_wait_us(const struct sched *sched, const struct call *call);
void sched_upstream_begin(struct sched *sched, struct call *call); /* it has taken its slots */
/* It comes back; its slots are still counted. May end others. */
void sched_upstream_end(struct sched *sched, struct call *call);
void sched_upstream_unpause(struct sched *sched, struct wait_turn *turn);
void sched_upstream_unpause_all(struct sched *sched);

/* sched_bounds.c: what the configuration says of the bounds */
/* A reference, or NULL. */
struct sched_endpoint *sched_endpoint_get(struct sched *sched, const char *name);
void sched_endpoint_put(struct sched *sched, struct sched_endpoint *endpoint);
void sched_endpoints_free(struct sched *sched);
void sched_bounds_review(struct sched *sched); /* the rules may have changed */

/* sched.c */
/* A call that waits in no queue any more ends without (another) attempt, as an item that failed:
 * stop_on_error counts it. */
void sched_fail(struct sched *sched, struct call *call, enum call_end why);

/* sched_group.c: groups and callers */
void sched_caller_put(struct sched_caller *caller); /* it may have lost its last group or pause */
/* Closed, and its last call is back. */
void sched_group_free_if_over(struct sched *sched, struct pool_group *group);
enum call_end sched_group_end_of(enum pool_cancel why);
#endif
