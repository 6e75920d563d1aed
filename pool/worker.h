/* worker.h - a thread of the pool: one epoll set, a resolver, a transport, and the calls it has
 * started.
 *
 * A worker owns a call from its start to its result. It never blocks but in epoll_wait. Once a
 * round it takes a *turn* with the pool: hands back what has ended and gets what may start. Others
 * reach it only by worker_wake. */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H
#include <stdatomic.h>

#include "common/config.h"
#include "common/list.h"
#include "pool/call.h"

struct forker;
struct worker;

struct worker_turn {
	/* In: calls that hold a slot and are over, or want another attempt (call->again). */
	struct list_node back;
	struct list_node starts; /* out: calls to start */
	/* Out: of `back`, those that are over: their `done` is to be called. */
	struct list_node done;
	/* Out: calls that ended without (another) attempt; call_end, then `done`. */
	struct list_node ended;
	uint64_t due_us;  /* out: when to take a turn again if nothing happens */
	unsigned cancels; /* out: changes when a group was cancelled */
	bool stop;        /* out: nothing is left and nothing will come */
	/* In: the worker's; out: the current one (the reference moves along). */
	struct config *config;
};

struct worker_options {
	unsigned index;
	size_t buffer_bytes;
	void (*turn)(void *self, unsigned index, struct worker_turn *turn);
	void *self;
	struct config *config;
	struct forker *forker; /* borrowed; NULL: its calls have no helper processes */
	/* Borrowed, one of all workers: it was logged what helper processes say of themselves. */
	atomic_bool *remarked;
};

void worker_library_init(void); /* once, before the first worker */
enum err_code worker_new(const struct worker_options *options, struct worker **ret_worker,
	struct err *err) MUST_CHECK;
enum err_code worker_start(struct worker *worker, struct err *err) MUST_CHECK;
void worker_wake(struct worker *worker); /* any thread */
void worker_join(struct worker *worker); /* returns after a turn said stop; not started: at once */
void worker_destroy(struct worker *worker); /* after join; NULL is fine */
size_t worker_lanes(struct worker *worker); /* any thread */
#endif
