/* sched_internal.h - the scheduler's structures, shared by the files of the scheduler. */
#ifndef POOL_SCHED_INTERNAL_H
#define POOL_SCHED_INTERNAL_H
#include <stdatomic.h>

#include "common/hash.h"
#include "common/heap.h"
#include "common/list.h"
#include "pool/sched.h"
#include "pool/upstream.h"

struct sched_caller {           /* exists while it has groups */
	struct list_node link;  /* in sched.callers */
	struct list_node turn;  /* in sched.turns, iff `turns` is not empty */
	struct list_node turns; /* its groups that may start something */
	struct caller *caller;
	size_t groups, queued;
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

enum timer_kind { TIMER_CALL, TIMER_DEADLINE, TIMER_TOKEN, TIMER_BOUND }; /* of a heap_node */

enum run_place { RUN_IDLE, RUN_READY, RUN_WAITING, RUN_HELD };

struct sched_endpoint { /* exists while groups use it, or its rule bounds anything: else leaving it
		     idle for a moment would bring the next token early */
	struct hash_node node;
	struct bound bound;
	size_t refs;  /* groups */
	bool removed; /* the configuration has none of this name any more */
	char name[];
};

struct wait_turn { /* a caller's place at one bound; exists while there are queues of the two */
	struct hash_node node;
	struct list_node link;   /* in bound.waiters by `since`, iff `queues` is not empty */
	struct list_node queues; /* those that wait here, in turns */
	uint64_t since;
	struct sched_caller *caller;
	struct bound *bound;
	size_t refs; /* queues, waiting here or not */
};

struct wait_queue { /* the runs of one caller that wait for the same upstream and endpoint; exists
		       while there are runs of the three. It waits as one, so that what moves from
		       one bound to the other does not depend on how many wait */
	struct hash_node node;
	struct list_node link; /* in at->queues, iff `runs` is not empty */
	struct list_node runs; /* in the order they came */
	struct sched_caller *caller;
	struct upstream *upstream;
	struct sched_endpoint *endpoint;             /* NULL: none */
	struct wait_turn *at_upstream, *at_endpoint; /* at_endpoint NULL: none */
	struct wait_turn *at; /* the one of the two where it waits; NULL: `runs` is empty */
	uint64_t since;       /* when it came to wait or had its last turn; counted, not timed */
	size_t refs;          /* runs, waiting or not */
};

struct pool_run { /* the calls of one group for one upstream; exists while it has any, wherever they
		     are */
	struct hash_node node;
	struct pool_group *group;
	struct upstream *upstream;
	struct wait_queue *queue;    /* where it waits */
	struct list_node group_link; /* in group.runs */
	struct list_node link;       /* in group.ready, group.held or queue.runs */
	struct list_node calls;      /* queued */
	size_t refs;                 /* calls that belong to it */
	enum run_place place;
	bool promised; /* waited, and all that it waited for is kept for it: a slot of its upstream,
			  and one of its endpoint with its token; it is ready then */
};

struct sched {
	struct sched_options options;
	struct list_node callers, groups;
	struct list_node turns; /* callers that may start something */
	struct list_node ended;
	struct hash runs;        /* by group and upstream */
	struct hash wait_queues; /* by caller, upstream and endpoint */
	struct hash wait_turns;  /* by caller and bound */
	struct hash endpoints;   /* by name */
	struct upstream_table upstreams;
	struct heap timers;
	size_t timer_room; /* nodes that may be in the heap at once: two a group, one an endpoint,
			      one a call */
	uint64_t now_us;   /* what it was told last */
	uint64_t waits;    /* counts for wait_queue.since */
	size_t in_flight, queued;
	uint64_t sequence; /* of the next call submitted */
	enum pool_cancel cancelled;
};

/* sched_queue.c: runs and where they stand */
struct pool_run *sched_run_get(struct sched *sched, struct pool_group *group,
	const struct url *url); /* a reference, or NULL */
void sched_run_put(struct sched *sched, struct pool_run *run);
void sched_run_append(struct sched *sched, struct pool_run *run, struct call *call,
	bool front); /* queues the call */
struct call *sched_run_take(
	struct sched *sched, struct pool_run *run); /* its first call; takes a slot of its bounds */
void sched_run_drop(struct sched *sched, struct pool_run *run,
	struct call *call);                           /* a queued call leaves without starting */
bool sched_run_in_window(const struct pool_run *run); /* its first call is */
void sched_run_hold(struct sched *sched, struct pool_run *run);        /* until the window moves */
void sched_runs_review(struct sched *sched, struct pool_group *group); /* the window has moved */
void sched_group_update(
	struct sched *sched, struct pool_group *group); /* after anything that may (un)block it */
bool sched_group_blocked(const struct pool_group *group);

/* sched_wait.c: runs that wait for a bound */
struct wait_queue *sched_queue_get(struct sched *sched, struct pool_group *group,
	struct upstream *upstream); /* a reference, or NULL */
void sched_queue_put(struct sched *sched, struct wait_queue *queue);
bool sched_run_may_start(struct sched *sched, struct pool_run *run);    /* its bounds have room */
void sched_run_park(struct sched *sched, struct pool_run *run);         /* one of them has none */
void sched_run_leave(struct sched *sched, struct pool_run *run);        /* it waits no longer */
void sched_run_enter_flight(struct sched *sched, struct pool_run *run); /* takes the slots … */
void sched_run_leave_flight(struct sched *sched, struct pool_run *run); /* … and gives them back */
void sched_promise_end(struct sched *sched, struct pool_run *run);      /* passes it on, if any */
void sched_bound_wake(struct sched *sched, struct bound *bound); /* there may be room, or a token */
bool sched_run_lacks_token(const struct pool_run *run); /* it waits for its endpoint's rate alone */

/* sched_bounds.c: what the configuration says of the bounds */
struct sched_endpoint *sched_endpoint_get(
	struct sched *sched, const char *name); /* a reference, or NULL; heap room is its asker's */
void sched_endpoint_put(struct sched *sched, struct sched_endpoint *endpoint);
void sched_endpoints_free(struct sched *sched);
void sched_bounds_review(struct sched *sched); /* the rules may have changed */

/* sched_group.c: groups and callers */
void sched_group_free_if_over(
	struct sched *sched, struct pool_group *group); /* closed, and its last call is back */
enum call_end sched_group_end_of(enum pool_cancel why);
#endif
