/* worker_internal.h - a worker's state, shared by worker.c (the round), worker_call.c (the calls)
 * and worker_step.c (how they come and go). */
#ifndef POOL_WORKER_INTERNAL_H
#define POOL_WORKER_INTERNAL_H
#include <stdatomic.h>

#include "common/thread.h"
#include "pool/sched.h"
#include "pool/transport.h"
#include "pool/worker.h"

struct worker {
	struct worker_options options;
	struct config *config;
	pthread_t thread;
	bool started, stopping;
	int epoll, wake;
	struct resolver *resolver;
	struct transport *transport;
	struct heap timers; /* of transfers: until a name must be resolved, and behind libcurl's
			       clock */
	size_t under_way_count;
	struct list_node under_way; /* transfers */
	struct list_node finishing; /* calls whose last step waits */
	struct list_node back;      /* calls to hand back in the next turn */
	struct helper_set *helpers; /* NULL until a call asks for it */
	unsigned cancels;           /* as of the last turn */
	uint64_t random, now_us;
	atomic_size_t lanes;
};

/* worker.c */
struct helper_set *worker_helpers(struct worker *worker); /* NULL: none can be had */

/* worker_call.c */
/* One that the pool says may start. */
void worker_call_start(struct worker *worker, struct call *call);
/* Its request is complete: to the wire. */
void worker_call_begin(struct worker *worker, struct transfer *transfer);
/* The outcome says why no attempt is made. */
void worker_call_refuse(struct worker *worker, struct transfer *transfer);
/* The transport's `over`. */
void worker_call_over(void *worker, struct transfer *transfer, int curl_code);
void worker_call_waits(void *worker, struct transfer *transfer); /* transport's `waits` */
void worker_call_ask_again(
	struct worker *worker, struct transfer *transfer);   /* transfer->asks_again */
uint64_t worker_call_clock(const struct transfer *transfer); /* when it is over, come what may */
/* An attempt is over: another one, or the call's outcome. */
void worker_call_conclude(struct worker *worker, struct transfer *transfer);
/* Parts of an end. */
void worker_call_record(struct worker *worker, struct call *call); /* an entry in `attempts` */
void worker_call_note_url(struct call *call);
void worker_call_drop_answer(struct call *call);
void worker_call_forget_hops(struct call *call);

/* worker_step.c */
/* True where the call may begin; else it waits, or has been refused. */
bool worker_step_prepare(struct worker *worker, struct transfer *transfer);
/* The outcome is written: the transfer goes, the call takes its last step. */
void worker_step_leave(struct worker *worker, struct transfer *transfer);
void worker_step_release(struct worker *worker, struct transfer *transfer);
void worker_step_finish(struct worker *worker, struct call *call);
void worker_step_expire(struct worker *worker);        /* what was not resolved in time */
void worker_step_cancel_marked(struct worker *worker); /* calls of groups that were cancelled */
void worker_step_ended(struct worker *worker, struct call *call); /* one that the scheduler ended */
#endif
