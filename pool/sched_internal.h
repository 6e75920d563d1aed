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
	struct list_node ready; /* runs with calls that do not wait for their upstream; the promised
				   ones stand first */
	struct list_node held;  /* runs whose first call stands outside the window */
	struct list_node runs;  /* all of them */
	struct list_node retrying; /* calls that wait for their next attempt's time */
	struct pool_group_options options;
	struct heap_node deadline_timer, token_timer;
	size_t in_flight, outstanding; /* outstanding: calls that have not come back */
	double tokens;
	uint64_t tokens_at_us; /* when `tokens` was true */
	uint64_t window_end;   /* fresh calls whose position is not below it do not start */
	bool rate_blocked, expired, closed;
	atomic_int cancelled; /* enum pool_cancel; written under the lock, read by workers */
};

enum timer_kind { TIMER_CALL, TIMER_DEADLINE, TIMER_TOKEN }; /* of struct heap_node */

enum run_place { RUN_IDLE, RUN_READY, RUN_WAITING, RUN_HELD };

struct wait_queue { /* the runs of one caller that wait for one upstream; exists while there are
		       runs of the two */
	struct hash_node node;
	struct list_node turn; /* in upstream.waiters, iff `runs` is not empty */
	struct list_node runs; /* in the order they came */
	struct sched_caller *caller;
	struct upstream *upstream;
	size_t refs; /* runs, waiting or not */
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
	bool promised; /* waited, and one of its upstream's slots is kept for it; it is ready then
			*/
};

struct sched {
	struct sched_options options;
	struct list_node callers, groups;
	struct list_node turns; /* callers that may start something */
	struct list_node ended;
	struct hash runs;        /* by group and upstream */
	struct hash wait_queues; /* by caller and upstream */
	struct upstream_table upstreams;
	struct heap timers;
	size_t timer_room; /* nodes that may be in the heap at once: two a group, one a call */
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
struct call *sched_run_take(struct sched *sched,
	struct pool_run *run); /* its first call; takes a slot of the upstream */
bool sched_run_may_start(const struct pool_run *run); /* its upstream has a slot for it */
void sched_run_drop(struct sched *sched, struct pool_run *run,
	struct call *call); /* a queued call leaves without starting */
void sched_run_park(struct sched *sched, struct pool_run *run);        /* its upstream is full */
bool sched_run_in_window(const struct pool_run *run);                  /* its first call is */
void sched_run_hold(struct sched *sched, struct pool_run *run);        /* until the window moves */
void sched_runs_review(struct sched *sched, struct pool_group *group); /* the window has moved */
void sched_upstream_free(
	struct sched *sched, struct upstream *upstream); /* a slot was given back */
void sched_upstreams_review(struct sched *sched);        /* the rules may have changed */
void sched_group_update(
	struct sched *sched, struct pool_group *group); /* after anything that may (un)block it */
bool sched_group_blocked(const struct pool_group *group);

/* sched_group.c: groups and callers */
void sched_group_free_if_over(
	struct sched *sched, struct pool_group *group); /* closed, and its last call is back */
double sched_group_burst(const struct pool_group_options *options); /* tokens it may save */
enum call_end sched_group_end_of(enum pool_cancel why);
#endif
