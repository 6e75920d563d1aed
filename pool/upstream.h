/* upstream.h - the upstreams in use and those used lately, each with its bounds, its breaker and
 * what is told of it.
 *
 * Part of the scheduler: only pool/sched* calls it, under the pool's lock. An upstream in use has
 * runs, so those are bounded by the calls that were admitted; an idle one is kept, so that its
 * breaker and its rate are not forgotten, until UPSTREAM_IDLE_MAX others were used since. */
#ifndef POOL_UPSTREAM_H
#define POOL_UPSTREAM_H
#include "common/hash.h"
#include "pool/bound.h"
#include "pool/breaker.h"
#include "pool/meter.h"
#include "pool/upstream_stats.h"
#include "pool/url.h"

enum { UPSTREAM_IDLE_MAX = 1024, UPSTREAM_RETRIES_LEAST = 3 };

struct upstream_rule {        /* what the configuration says */
	unsigned concurrency; /* >= 1 */
	double rate_per_s;    /* 0: no limit */
	struct breaker_rule breaker;
	unsigned retry_percent;      /* 0: no bound */
	size_t index;                /* of the rule, for the metrics' labels */
	struct upstream_counts *sum; /* over all upstreams of the rule; its owner's */
};

struct upstream {
	struct hash_node node;
	struct upstream_rule rule;
	struct bound bound;
	struct bound retries; /* for calls of budgeted runs, besides */
	struct breaker breaker;
	unsigned era; /* changes with the breaker's state: what began in another one says nothing */
	struct list_node runs;    /* struct pool_run.upstream_link */
	size_t queued;            /* calls of them that wait for their turn */
	size_t waiting;           /* calls that wait for their next attempt's time */
	size_t paused;            /* callers it has asked to wait: struct wait_turn */
	uint64_t paused_until_us; /* the latest of their pauses; while there are any */
	size_t refs;              /* runs, and callers paused */
	struct list_node idle;    /* in table.idle or table.idle_kept, iff refs is 0 */
	uint64_t used_us;         /* when the last attempt began or ended */
	struct upstream_counts counts;
	struct meter attempts, failures;
	uint16_t port;
	char *host; /* behind the origin */
	char origin[];
};

struct upstream_table {
	struct hash by_origin;
	/* Least lately used first. Of the second something would be forgotten that matters: a
	 * breaker that counts, a rate. */
	struct list_node idle, idle_kept;
	size_t idle_count;
};

enum err_code upstream_table_init(struct upstream_table *table) MUST_CHECK;
void upstream_table_free(struct upstream_table *table); /* none may be in use */
/* A reference to the upstream of this URL's origin; NULL: there is none. */
struct upstream *upstream_find(struct upstream_table *table, const struct url *url);
/* A reference to one that is made, under `rule` (a reload gives the others theirs); there is none
 * of this origin yet. NULL without memory. */
struct upstream *upstream_make(struct upstream_table *table, const struct url *url,
	const struct upstream_rule *rule, uint64_t now_us);
void upstream_put(struct upstream_table *table, struct upstream *upstream);
/* The rule from now on; who waits is to be woken. */
void upstream_apply(struct upstream *upstream, const struct upstream_rule *rule, uint64_t now_us);
/* What is in flight has changed: the bound of its retries follows. */
void upstream_fit_retries(struct upstream *upstream);
#endif
