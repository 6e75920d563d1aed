/* sched_check.c - the scheduler's invariants, checked one by one. For tests: it looks at
 * everything. */
#include "common/clock.h"
#include "pool/sched_internal.h"

struct totals {
	size_t in_flight, queued, outstanding, callers_queued;
};

static size_t length(const struct list_node *head)
{
	size_t count = 0;

	for (const struct list_node *node = head->next; node != head; node = node->next)
		count++;
	return count;
}

/* A run with calls stands in exactly one list; one without in none. */
static void check_run(const struct pool_run *run, struct totals *totals)
{
	size_t calls = length(&run->calls);

	REQUIRE((calls > 0) == (run->place != RUN_IDLE));
	REQUIRE(list_linked(&run->link) == (run->place != RUN_IDLE));
	REQUIRE(!run->promised || (run->place == RUN_READY && !sched_group_blocked(run->group)));
	REQUIRE(run->place != RUN_HELD || !sched_run_in_window(run));
	REQUIRE(run->queue->caller == run->group->caller && run->queue->upstream == run->upstream);
	REQUIRE(run->refs >= calls && run->refs > 0);
	totals->queued += calls;
}

static void check_group(const struct pool_group *group, struct totals *totals)
{
	bool wants = !sched_group_blocked(group) && !list_empty(&group->ready);
	size_t refs = 0, before = totals->queued;

	REQUIRE(group->in_flight <= group->options.concurrency);
	REQUIRE(list_linked(&group->turn) == wants);
	for (const struct list_node *node = group->runs.next; node != &group->runs;
		node = node->next) {
		const struct pool_run *run = LIST_OF(node, const struct pool_run, group_link);

		check_run(run, totals);
		refs += run->refs;
	}
	totals->queued += length(&group->retrying);
	REQUIRE(refs == group->outstanding);
	REQUIRE(totals->queued - before + group->in_flight == group->outstanding);
	REQUIRE(!group->expired || totals->queued == before);
	totals->in_flight += group->in_flight;
	totals->outstanding += group->outstanding;
}

/* While an upstream has room nobody waits for it, and its promises are its runs'. */
static void check_upstream(const struct sched *sched, const struct upstream *upstream)
{
	size_t promised = 0, waiting = 0, queued = 0;

	REQUIRE(!upstream_has_room(upstream) || list_empty(&upstream->waiters));
	for (size_t i = 0; i < sched->runs.size; i++) {
		for (const struct hash_node *node = sched->runs.buckets[i]; node;
			node = node->next) {
			const struct pool_run *run = LIST_OF(node, const struct pool_run, node);

			promised += run->upstream == upstream && run->promised;
			waiting += run->upstream == upstream && run->place == RUN_WAITING;
		}
	}
	for (const struct list_node *node = upstream->waiters.next; node != &upstream->waiters;
		node = node->next) {
		const struct wait_queue *queue = LIST_OF(node, const struct wait_queue, turn);

		REQUIRE(queue->upstream == upstream && !list_empty(&queue->runs));
		queued += length(&queue->runs);
	}
	REQUIRE(promised == upstream->promised && waiting == queued);
}

void sched_check(const struct sched *sched)
{
	struct totals totals = {0};

	for (const struct list_node *node = sched->groups.next; node != &sched->groups;
		node = node->next)
		check_group(LIST_OF(node, const struct pool_group, link), &totals);
	for (const struct list_node *node = sched->callers.next; node != &sched->callers;
		node = node->next) {
		const struct sched_caller *caller = LIST_OF(node, const struct sched_caller, link);

		REQUIRE(list_linked(&caller->turn) == !list_empty(&caller->turns));
		totals.callers_queued += caller->queued;
	}
	for (size_t i = 0; i < sched->upstreams.by_origin.size; i++) {
		const struct hash_node *node = sched->upstreams.by_origin.buckets[i];

		for (; node; node = node->next)
			check_upstream(sched, LIST_OF(node, const struct upstream, node));
	}
	REQUIRE(totals.in_flight == sched->in_flight);
	REQUIRE(totals.queued == sched->queued && totals.callers_queued == sched->queued);
	REQUIRE(sched->timer_room == totals.outstanding + 2 * length(&sched->groups));
}
