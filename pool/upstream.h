/* upstream.h - the upstreams in use, each with its bound.
 *
 * Part of the scheduler: only pool/sched calls it, under the pool's lock. An upstream exists while
 * a run refers to it, so the table is bounded by the calls that were admitted. */
#ifndef POOL_UPSTREAM_H
#define POOL_UPSTREAM_H
#include "common/hash.h"
#include "pool/bound.h"
#include "pool/url.h"

struct upstream {
	struct hash_node node;
	struct bound bound; /* it has no rate */
	size_t refs;        /* runs */
	size_t rule;        /* index of the configuration's rule: bounds the metrics' labels */
	uint16_t port;
	char *host; /* behind the origin */
	char origin[];
};

struct upstream_table {
	struct hash by_origin;
};

enum err_code upstream_table_init(struct upstream_table *table) MUST_CHECK;
void upstream_table_free(struct upstream_table *table); /* it must be empty */
/* A reference to the upstream of this URL's origin, made if needed with `limit` and `rule`
 * (a reload sets those of the others itself). NULL without memory. */
struct upstream *upstream_get(
	struct upstream_table *table, const struct url *url, unsigned limit, size_t rule);
void upstream_put(
	struct upstream_table *table, struct upstream *upstream); /* the last one frees it */
#endif
