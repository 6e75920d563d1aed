/* upstream.c - the upstreams in use, each with its bound. */
#include "pool/upstream.h"

#include <string.h>

#include "common/mem.h"

enum err_code upstream_table_init(struct upstream_table *table)
{
	return hash_init(&table->by_origin, 64);
}

void upstream_table_free(struct upstream_table *table)
{
	REQUIRE(table->by_origin.count == 0);
	hash_free(&table->by_origin);
}

static bool matches(const struct hash_node *node, const void *origin)
{
	return strcmp(LIST_OF(node, const struct upstream, node)->origin, origin) == 0;
}

static struct upstream *make(const struct url *url, size_t origin_len)
{
	size_t host_len = strlen(url->host);
	struct upstream *upstream = mem_try(sizeof *upstream + origin_len + 1 + host_len + 1);

	if (!upstream)
		return NULL;
	memcpy(upstream->origin, url->origin, origin_len + 1);
	upstream->host = memcpy(upstream->origin + origin_len + 1, url->host, host_len + 1);
	upstream->port = url->port;
	return upstream;
}

struct upstream *upstream_get(
	struct upstream_table *table, const struct url *url, unsigned limit, size_t rule)
{
	size_t len = strlen(url->origin);
	uint64_t key = hash_bytes(&table->by_origin, url->origin, len);
	struct hash_node *found = hash_find(&table->by_origin, key, matches, url->origin);
	struct upstream *upstream;

	if (found) {
		upstream = LIST_OF(found, struct upstream, node);
	} else {
		upstream = make(url, len);
		if (!upstream)
			return NULL;
		bound_init(&upstream->bound, limit, 0, 0);
		upstream->rule = rule;
		hash_insert(&table->by_origin, &upstream->node, key);
	}
	upstream->refs++;
	return upstream;
}

void upstream_put(struct upstream_table *table, struct upstream *upstream)
{
	REQUIRE(upstream->refs > 0);
	if (--upstream->refs > 0)
		return;
	REQUIRE(upstream->bound.in_flight == 0 && upstream->bound.promised == 0 &&
		list_empty(&upstream->bound.waiters));
	hash_remove(&table->by_origin, &upstream->node);
	mem_free(upstream);
}
