/* sched_bounds.c - what the configuration says of the bounds that groups share, and the table of
 * endpoints.
 *
 * An endpoint stays in the table while its rule bounds anything, used or not, so that nobody gets a
 * fresh token by leaving it alone. One that a reload takes out of the configuration keeps its rule
 * as long as groups use it, and goes with the last of them. So the table is bounded by the
 * configuration's names and the groups there are. */
#include <limits.h>
#include <string.h>

#include "pool/sched_internal.h"

static bool matches(const struct hash_node *node, const void *name)
{
	return strcmp(LIST_OF(node, const struct sched_endpoint, node)->name, name) == 0;
}

/* False: the configuration has no such endpoint. */
static bool read_rule(const struct sched *sched, const char *name, struct sched_bound *ret_rule)
{
	*ret_rule = (struct sched_bound){.concurrency = UINT_MAX};
	return sched->options.endpoint_rule(sched->options.self, name, ret_rule);
}

static bool bounds_nothing(const struct sched_endpoint *endpoint)
{
	return endpoint->removed ||
	       (endpoint->bound.limit == UINT_MAX && endpoint->bound.bucket.rate_per_s <= 0);
}

static struct sched_endpoint *make(struct sched *sched, const char *name, uint64_t key)
{
	size_t size = strlen(name) + 1;
	struct sched_endpoint *endpoint = mem_try(sizeof *endpoint + size);
	struct sched_bound rule;

	if (!endpoint)
		return NULL;
	memcpy(endpoint->name, name, size);
	endpoint->removed = !read_rule(sched, name, &rule);
	bound_init(&endpoint->bound, rule.concurrency, rule.rate_per_s, sched->now_us);
	endpoint->bound.timer.kind = TIMER_BOUND;
	hash_insert(&sched->endpoints, &endpoint->node, key);
	return endpoint;
}

static void free_if_idle(struct sched *sched, struct sched_endpoint *endpoint)
{
	if (endpoint->refs > 0 || !bounds_nothing(endpoint))
		return;
	hash_remove(&sched->endpoints, &endpoint->node);
	mem_free(endpoint);
}

struct sched_endpoint *sched_endpoint_get(struct sched *sched, const char *name)
{
	uint64_t key = hash_bytes(&sched->endpoints, name, strlen(name));
	struct hash_node *found = hash_find(&sched->endpoints, key, matches, name);
	struct sched_endpoint *endpoint =
		found ? LIST_OF(found, struct sched_endpoint, node) : make(sched, name, key);

	if (endpoint)
		endpoint->refs++;
	return endpoint;
}

void sched_endpoint_put(struct sched *sched, struct sched_endpoint *endpoint)
{
	REQUIRE(endpoint->refs > 0);
	if (--endpoint->refs > 0)
		return;
	REQUIRE(endpoint->bound.in_flight == 0 && endpoint->bound.promised == 0 &&
		list_empty(&endpoint->bound.waiters) && endpoint->bound.timer.place == 0);
	free_if_idle(sched, endpoint);
}

static void for_each_upstream(
	struct sched *sched, void (*visit)(struct sched *sched, struct upstream *upstream))
{
	const struct hash *table = &sched->upstreams.by_origin;

	for (size_t i = 0; i < table->size; i++)
		for (struct hash_node *node = table->buckets[i]; node; node = node->next)
			visit(sched, LIST_OF(node, struct upstream, node));
}

static void for_each_endpoint(
	struct sched *sched, void (*visit)(struct sched *sched, struct sched_endpoint *endpoint))
{
	const struct hash *table = &sched->endpoints;

	for (size_t i = 0; i < table->size; i++) {
		for (struct hash_node *node = table->buckets[i], *after; node; node = after) {
			after = node->next;
			visit(sched, LIST_OF(node, struct sched_endpoint, node));
		}
	}
}

static void ask_for_upstream(struct sched *sched, struct upstream *upstream)
{
	struct url url = {
		.origin = upstream->origin, .host = upstream->host, .port = upstream->port};
	struct upstream_rule rule;

	sched->options.upstream_rule(sched->options.self, &url, &rule);
	upstream_apply(upstream, &rule, sched->now_us);
}

static void ask_for_endpoint(struct sched *sched, struct sched_endpoint *endpoint)
{
	struct sched_bound rule;

	endpoint->removed = !read_rule(sched, endpoint->name, &rule);
	if (endpoint->removed)
		return; /* what still runs keeps to what it began with */
	endpoint->bound.limit = rule.concurrency;
	bucket_set_rate(&endpoint->bound.bucket, rule.rate_per_s, sched->now_us);
}

static void wake_upstream(struct sched *sched, struct upstream *upstream)
{
	sched_bound_wake(sched, &upstream->bound);
	sched_bound_wake(sched, &upstream->retries);
}

static void wake_endpoint(struct sched *sched, struct sched_endpoint *endpoint)
{
	sched_bound_wake(sched, &endpoint->bound);
	free_if_idle(sched, endpoint);
}

void sched_bounds_review(struct sched *sched)
{
	for_each_upstream(sched, ask_for_upstream);
	for_each_endpoint(sched, ask_for_endpoint);
	for_each_upstream(sched, wake_upstream);
	for_each_endpoint(sched, wake_endpoint);
}

static void drop(struct sched *sched, struct sched_endpoint *endpoint)
{
	REQUIRE(endpoint->refs == 0);
	hash_remove(&sched->endpoints, &endpoint->node);
	mem_free(endpoint);
}

void sched_endpoints_free(struct sched *sched)
{
	for_each_endpoint(sched, drop);
	hash_free(&sched->endpoints);
}
