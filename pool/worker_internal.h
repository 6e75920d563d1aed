/* worker_internal.h - a worker's state, shared by worker.c (the round) and worker_call.c (the
 * calls). */
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
	struct heap timers; /* of transfers whose name is being resolved */
	size_t under_way_count;
	struct list_node under_way; /* transfers */
	struct list_node back;      /* calls to hand back in the next turn */
	unsigned cancels;           /* as of the last turn */
	uint64_t random, now_us;
	atomic_size_t lanes;
};

/* worker_call.c */
void worker_call_start(
	struct worker *worker, struct call *call); /* one that the pool says may start */
void worker_call_over(
	void *worker, struct transfer *transfer, int curl_code); /* transport's `over` */
void worker_call_expire(struct worker *worker);        /* names that were not resolved in time */
void worker_call_cancel_marked(struct worker *worker); /* calls of groups that were cancelled */
void worker_call_ended(struct worker *worker,
	struct call *call); /* fills the outcome of one that ended in the scheduler */
#endif
