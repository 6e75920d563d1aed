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
	REQUIRE(run->queue->endpoint == run->group->endpoint);
	REQUIRE(run->queue->budgeted == run->budgeted);
	REQUIRE(run->upstream->breaker.state != BREAKER_OPEN || calls == 0);
	REQUIRE(run->place != RUN_WAITING || run->queue->at);
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

/* Everybody who waits at the bound stands in its list once, and where somebody does it has no room.
 */
static size_t count_waiters(const struct bound *bound)
{
	size_t waiting = 0;
	uint64_t since = 0;

	REQUIRE(!bound_has_room(bound) || list_empty(&bound->waiters));
	for (const struct list_node *node = bound->waiters.next; node != &bound->waiters;
		node = node->next) {
		const struct wait_turn *turn = LIST_OF(node, const struct wait_turn, link);

		REQUIRE(turn->bound == bound && !list_empty(&turn->queues) && !turn->paused);
		REQUIRE(turn->since >= since);
		since = turn->since;
		for (const struct list_node *at = turn->queues.next; at != &turn->queues;
			at = at->next) {
			const struct wait_queue *queue = LIST_OF(at, const struct wait_queue, link);

			REQUIRE(queue->at == turn && queue->caller == turn->caller);
			REQUIRE(!list_empty(&queue->runs));
			waiting += length(&queue->runs);
		}
	}
	return waiting;
}

static bool needs(const struct pool_run *run, const struct bound *bound)
{
	for (size_t i = 0; i < run->queue->turn_count; i++)
		if (run->queue->turns[i]->bound == bound)
			return true;
	return false;
}

/* Its promises are its runs', and its timer is set while nothing but a token is waited for. */
static void check_bound(const struct sched *sched, const struct bound *bound)
{
	size_t promised = 0, waiting = 0;
	bool wants_timer = !list_empty(&bound->waiters) && bound_lacks_token(bound);

	for (size_t i = 0; i < sched->runs.size; i++) {
		for (const struct hash_node *node = sched->runs.buckets[i]; node;
			node = node->next) {
			const struct pool_run *run = LIST_OF(node, const struct pool_run, node);
			const struct wait_turn *at = run->queue->at;

			promised += run->promised && needs(run, bound);
			waiting += run->place == RUN_WAITING && at->bound == bound && !at->paused;
		}
	}
	REQUIRE(promised == bound->promised && waiting == count_waiters(bound));
	REQUIRE((bound->timer.place != 0) == wants_timer);
}

/* A queue waits at one of its bounds, or has nobody who does. */
static void check_queue(const struct wait_queue *queue)
{
	bool known = queue->at == NULL;

	REQUIRE(list_linked(&queue->link) == !list_empty(&queue->runs));
	REQUIRE((queue->at != NULL) == !list_empty(&queue->runs));
	for (size_t i = 0; i < queue->turn_count; i++)
		known = known || queue->at == queue->turns[i];
	REQUIRE(known && queue->at_upstream->bound == &queue->upstream->bound);
	REQUIRE(queue->turn_count == 1u + (queue->endpoint != NULL) + queue->budgeted);
	REQUIRE(!queue->endpoint || queue->turns[0]->bound == &queue->endpoint->bound);
}

static void check_turn(const struct wait_turn *turn)
{
	REQUIRE((turn->paused != NULL) == (turn->timer.place != 0));
	REQUIRE(!turn->paused || !list_linked(&turn->link));
	REQUIRE(turn->paused || list_linked(&turn->link) == !list_empty(&turn->queues));
}

static void check_upstream(
	const struct sched *sched, const struct upstream *upstream, size_t *in_flight)
{
	size_t queued = 0, runs = 0;

	*in_flight += upstream->bound.in_flight;
	for (const struct list_node *node = upstream->runs.next; node != &upstream->runs;
		node = node->next) {
		queued += length(&LIST_OF(node, const struct pool_run, upstream_link)->calls);
		runs++;
	}
	REQUIRE(queued == upstream->queued && runs + upstream->paused == upstream->refs);
	REQUIRE((upstream->refs == 0) == list_linked(&upstream->idle));
	REQUIRE(upstream->breaker.state != BREAKER_CLOSED || upstream->bound.allowance == SIZE_MAX);
	REQUIRE(upstream->breaker.state == BREAKER_CLOSED || upstream->bound.allowance <= 1);
	check_bound(sched, &upstream->bound);
	check_bound(sched, &upstream->retries);
}

static void check_endpoint(const struct sched *sched, const struct sched_endpoint *endpoint)
{
	size_t in_flight = 0, refs = 0;

	for (const struct list_node *node = sched->groups.next; node != &sched->groups;
		node = node->next) {
		const struct pool_group *group = LIST_OF(node, const struct pool_group, link);

		in_flight += group->endpoint == endpoint ? group->in_flight : 0;
		refs += group->endpoint == endpoint;
	}
	REQUIRE(in_flight == endpoint->bound.in_flight && refs == endpoint->refs);
	check_bound(sched, &endpoint->bound);
}

static void check_bounds(const struct sched *sched)
{
	size_t in_flight = 0;
	const struct hash_node *node;

	for (size_t i = 0; i < sched->upstreams.by_origin.size; i++) {
		for (node = sched->upstreams.by_origin.buckets[i]; node; node = node->next) {
			check_upstream(
				sched, LIST_OF(node, const struct upstream, node), &in_flight);
		}
	}
	REQUIRE(in_flight == sched->in_flight);
	for (size_t i = 0; i < sched->endpoints.size; i++)
		for (node = sched->endpoints.buckets[i]; node; node = node->next)
			check_endpoint(sched, LIST_OF(node, const struct sched_endpoint, node));
	for (size_t i = 0; i < sched->wait_queues.size; i++)
		for (node = sched->wait_queues.buckets[i]; node; node = node->next)
			check_queue(LIST_OF(node, const struct wait_queue, node));
	for (size_t i = 0; i < sched->wait_turns.size; i++)
		for (node = sched->wait_turns.buckets[i]; node; node = node->next)
			check_turn(LIST_OF(node, const struct wait_turn, node));
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
	check_bounds(sched);
	REQUIRE(totals.in_flight == sched->in_flight);
	REQUIRE(totals.queued == sched->queued && totals.callers_queued == sched->queued);
	REQUIRE(sched->timer_room == totals.outstanding + 2 * length(&sched->groups));
}
