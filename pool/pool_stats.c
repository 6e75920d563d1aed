/* pool_stats.c - what the pool tells of itself: how much there is, and how each upstream does. */
#include <string.h>

#include "common/clock.h"
#include "pool/pool_internal.h"

static struct sched *sched_locked(const struct pool *pool) REQUIRES(pool->lock)
{
	return pool->shared.sched;
}

void pool_stats(struct pool *pool, struct pool_stats *ret_stats)
{
	mutex_lock(&pool->lock);
	sched_stats(sched_locked(pool), ret_stats);
	mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++)
		ret_stats->lanes += worker_lanes(pool->workers[i]);
}

static void rule_stats_locked(
	struct pool *pool, struct upstream_rule_stats *ret_stats, size_t count) REQUIRES(pool->lock)
{
	const struct rules *rules = pool->shared.rules;

	sched_rule_stats(pool->shared.sched, clock_us(), ret_stats, count);
	for (size_t i = 0; i < count && i < rules_count(rules); i++)
		ret_stats[i].counts = *rules_counts(rules, i);
}

void pool_rule_stats(struct pool *pool, struct upstream_rule_stats *ret_stats, size_t count)
{
	memset(ret_stats, 0, count * sizeof *ret_stats);
	mutex_lock(&pool->lock);
	rule_stats_locked(pool, ret_stats, count);
	mutex_unlock(&pool->lock);
}

size_t pool_upstreams(struct pool *pool, struct upstream_info *ret_infos, size_t room)
{
	size_t count;

	mutex_lock(&pool->lock);
	count = sched_upstreams(sched_locked(pool), clock_us(), ret_infos, room);
	mutex_unlock(&pool->lock);
	return count;
}

size_t pool_room(struct pool *pool)
{
	size_t room;

	mutex_lock(&pool->lock);
	room = sched_room(sched_locked(pool));
	mutex_unlock(&pool->lock);
	return room;
}
