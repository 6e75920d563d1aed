/* sched_stats.c - what the scheduler tells of itself: how much there is, and how each upstream
 * does. */
#include <stdio.h>
#include <string.h>

#include "pool/sched_internal.h"

void sched_stats(const struct sched *sched, struct pool_stats *ret_stats)
{
	*ret_stats = (struct pool_stats){.in_flight = sched->in_flight,
		.queued = sched->queued,
		.upstreams = sched->upstreams.by_origin.count - sched->upstreams.idle_count};
	for (const struct list_node *node = sched->groups.next; node != &sched->groups;
		node = node->next)
		ret_stats->groups++;
	for (const struct list_node *node = sched->callers.next; node != &sched->callers;
		node = node->next)
		ret_stats->callers += LIST_OF(node, const struct sched_caller, link)->groups > 0;
}

static void add_to(
	struct upstream_rule_stats *stats, const struct upstream *upstream, uint64_t now_us)
{
	stats->in_flight += upstream->bound.in_flight;
	stats->queued += upstream->queued;
	stats->waiting += upstream->waiting;
	stats->open +=
		upstream->breaker.state == BREAKER_OPEN && upstream->breaker.until_us > now_us;
	stats->paused += upstream->paused;
}

void sched_rule_stats(
	const struct sched *sched, uint64_t now_us, struct upstream_rule_stats *stats, size_t count)
{
	const struct hash *table = &sched->upstreams.by_origin;

	for (size_t i = 0; i < table->size; i++) {
		for (struct hash_node *node = table->buckets[i]; node; node = node->next) {
			const struct upstream *upstream =
				LIST_OF(node, const struct upstream, node);

			if (upstream->rule.index < count)
				add_to(&stats[upstream->rule.index], upstream, now_us);
		}
	}
}

static void describe(
	const struct upstream *upstream, uint64_t now_us, struct upstream_info *ret_info)
{
	struct breaker breaker = upstream->breaker;

	breaker_tick(&breaker, now_us); /* as the next call would find it */
	*ret_info = (struct upstream_info){.rule = upstream->rule.index,
		.state = breaker.state,
		.open_us = breaker.state == BREAKER_OPEN ? breaker.until_us - now_us : 0,
		.failures = breaker.failures,
		.in_flight = upstream->bound.in_flight,
		.queued = upstream->queued,
		.waiting = upstream->waiting,
		.retries_in_flight = upstream->retries.in_flight,
		.paused = upstream->paused,
		.paused_us = upstream->paused && upstream->paused_until_us > now_us
				     ? upstream->paused_until_us - now_us
				     : 0,
		.concurrency = upstream->rule.concurrency,
		.rate_per_s = upstream->rule.rate_per_s,
		.retry_percent = upstream->rule.retry_percent,
		.has_breaker = upstream->rule.breaker.failures > 0,
		.attempts_per_s = meter_read(&upstream->attempts, now_us),
		.failures_per_s = meter_read(&upstream->failures, now_us),
		.counts = upstream->counts};
	if (upstream->bound.in_flight == 0 && now_us > upstream->used_us)
		ret_info->idle_us = now_us - upstream->used_us;
	snprintf(ret_info->origin, sizeof ret_info->origin, "%s", upstream->origin);
}

/* ---- the foremost ---- */

static bool precedes(const struct upstream *a, const struct upstream *b)
{
	bool a_closed = a->breaker.state == BREAKER_CLOSED;
	bool b_closed = b->breaker.state == BREAKER_CLOSED;
	size_t a_work = a->bound.in_flight + a->queued, b_work = b->bound.in_flight + b->queued;

	if (a_closed != b_closed)
		return b_closed;
	if (a_work != b_work)
		return a_work > b_work;
	return strcmp(a->origin, b->origin) < 0;
}

struct foremost {
	size_t room, count;
	const struct upstream *chosen[UPSTREAMS_TOLD_MAX]; /* in order */
};

/* There may be a hundred times as many as there is room for: most are looked at once. */
static void consider(struct foremost *foremost, const struct upstream *upstream)
{
	const struct upstream **chosen = foremost->chosen;
	size_t low = 0, high = foremost->count;

	if (high == foremost->room && (high == 0 || !precedes(upstream, chosen[high - 1])))
		return;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (precedes(chosen[middle], upstream))
			low = middle + 1;
		else
			high = middle;
	}
	if (foremost->count < foremost->room)
		foremost->count++;
	memmove(&chosen[low + 1], &chosen[low], (foremost->count - low - 1) * sizeof *chosen);
	chosen[low] = upstream;
}

size_t sched_upstreams(
	const struct sched *sched, uint64_t now_us, struct upstream_info *ret_infos, size_t room)
{
	const struct hash *table = &sched->upstreams.by_origin;
	struct foremost foremost = {.room = room < UPSTREAMS_TOLD_MAX ? room : UPSTREAMS_TOLD_MAX};

	for (size_t i = 0; i < table->size; i++)
		for (struct hash_node *node = table->buckets[i]; node; node = node->next)
			consider(&foremost, LIST_OF(node, const struct upstream, node));
	for (size_t i = 0; i < foremost.count; i++)
		describe(foremost.chosen[i], now_us, &ret_infos[i]);
	return table->count;
}
