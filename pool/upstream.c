/* upstream.c - the upstreams in use and those used lately. */
#include "pool/upstream.h"

#include <limits.h>
#include <string.h>

#include "common/mem.h"

enum err_code upstream_table_init(struct upstream_table *table)
{
	list_init(&table->idle);
	list_init(&table->idle_kept);
	table->idle_count = 0;
	return hash_init(&table->by_origin, 64);
}

static void forget_first(struct upstream_table *table, struct list_node *idle)
{
	struct upstream *upstream = LIST_OF(list_pop(idle), struct upstream, idle);

	REQUIRE(upstream->refs == 0);
	table->idle_count--;
	hash_remove(&table->by_origin, &upstream->node);
	mem_free(upstream);
}

void upstream_table_free(struct upstream_table *table)
{
	while (!list_empty(&table->idle))
		forget_first(table, &table->idle);
	while (!list_empty(&table->idle_kept))
		forget_first(table, &table->idle_kept);
	REQUIRE(table->by_origin.count == 0);
	hash_free(&table->by_origin);
}

static bool matches(const struct hash_node *node, const void *origin)
{
	return strcmp(LIST_OF(node, const struct upstream, node)->origin, origin) == 0;
}

void upstream_fit_retries(struct upstream *upstream)
{
	size_t share = upstream->bound.in_flight * upstream->rule.retry_percent / 100;

	if (upstream->rule.retry_percent == 0)
		upstream->retries.limit = UINT_MAX;
	else if (share < UPSTREAM_RETRIES_LEAST)
		upstream->retries.limit = UPSTREAM_RETRIES_LEAST;
	else
		upstream->retries.limit = (unsigned)share;
}

void upstream_apply(struct upstream *upstream, const struct upstream_rule *rule, uint64_t now_us)
{
	upstream->rule = *rule;
	upstream->bound.limit = rule->concurrency;
	bucket_set_rate(&upstream->bound.bucket, rule->rate_per_s, now_us);
	upstream_fit_retries(upstream);
	if (rule->breaker.failures > 0)
		return;
	upstream->era += upstream->breaker.state != BREAKER_CLOSED;
	upstream->breaker = (struct breaker){.state = BREAKER_CLOSED};
	upstream->bound.allowance = SIZE_MAX;
}

static struct upstream *make(
	const struct url *url, const struct upstream_rule *rule, uint64_t now_us)
{
	size_t host_len = strlen(url->host), origin_len = strlen(url->origin);
	struct upstream *upstream = mem_try(sizeof *upstream + origin_len + 1 + host_len + 1);

	if (!upstream)
		return NULL;
	memcpy(upstream->origin, url->origin, origin_len + 1);
	upstream->host = memcpy(upstream->origin + origin_len + 1, url->host, host_len + 1);
	upstream->port = url->port;
	upstream->rule = *rule;
	upstream->used_us = now_us;
	bound_init(&upstream->bound, rule->concurrency, rule->rate_per_s, now_us);
	bound_init(&upstream->retries, UINT_MAX, 0, now_us);
	upstream_fit_retries(upstream);
	list_init(&upstream->runs);
	return upstream;
}

static uint64_t key_of(const struct upstream_table *table, const struct url *url)
{
	return hash_bytes(&table->by_origin, url->origin, strlen(url->origin));
}

struct upstream *upstream_find(struct upstream_table *table, const struct url *url)
{
	struct hash_node *found =
		hash_find(&table->by_origin, key_of(table, url), matches, url->origin);
	struct upstream *upstream;

	if (!found)
		return NULL;
	upstream = LIST_OF(found, struct upstream, node);
	if (upstream->refs++ == 0) {
		list_remove(&upstream->idle);
		table->idle_count--;
	}
	return upstream;
}

struct upstream *upstream_make(struct upstream_table *table, const struct url *url,
	const struct upstream_rule *rule, uint64_t now_us)
{
	struct upstream *upstream = make(url, rule, now_us);

	if (!upstream)
		return NULL;
	hash_insert(&table->by_origin, &upstream->node, key_of(table, url));
	upstream->refs = 1;
	return upstream;
}

/* Were it made anew, something would be allowed that is not now. */
static bool matters(const struct upstream *upstream)
{
	return upstream->rule.rate_per_s > 0 || upstream->breaker.state != BREAKER_CLOSED ||
	       upstream->breaker.failures > 0;
}

void upstream_put(struct upstream_table *table, struct upstream *upstream)
{
	REQUIRE(upstream->refs > 0);
	if (--upstream->refs > 0)
		return;
	REQUIRE(upstream->bound.in_flight == 0 && upstream->bound.promised == 0 &&
		list_empty(&upstream->bound.waiters) && upstream->bound.timer.place == 0);
	REQUIRE(upstream->queued + upstream->waiting + upstream->paused == 0);
	list_push_back(matters(upstream) ? &table->idle_kept : &table->idle, &upstream->idle);
	table->idle_count++;
	if (table->idle_count > UPSTREAM_IDLE_MAX)
		forget_first(table, list_empty(&table->idle) ? &table->idle_kept : &table->idle);
}
