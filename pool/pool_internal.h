/* pool_internal.h - the pool's state, shared by pool.c (turns, groups) and pool_stats.c (what is
 * told of them). */
#ifndef POOL_POOL_INTERNAL_H
#define POOL_POOL_INTERNAL_H
#include <stdatomic.h>

#include "common/thread.h"
#include "pool/pool.h"
#include "pool/rules.h"
#include "pool/sched.h"
#include "pool/worker.h"

enum { POOL_THREADS_MAX = 64 };

struct pool {
	unsigned threads;
	struct worker *workers[POOL_THREADS_MAX];
	struct mem_budget *budget;
	atomic_bool remarked; /* what helper processes say of themselves was logged */
	struct mutex lock;
	struct {
		struct sched *sched;
		struct config *config;
		struct rules *rules, *next_rules; /* next: of a configuration that is prepared */
		size_t load[POOL_THREADS_MAX];    /* calls each worker has */
		uint64_t keeper_due_us;           /* until when worker 0 sleeps */
		unsigned cancels;
		bool closing;
	} shared;
};
#endif
