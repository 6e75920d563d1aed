/* sched_place.c - the places where runs wait: a caller's turn at each bound, and the queues of
 * those that need the same bounds; found by key. */
#include "common/clock.h"
#include "pool/sched_internal.h"

struct queue_key {
	const struct sched_caller *caller;
	const struct upstream *upstream;
	const struct sched_endpoint *endpoint;
	size_t budgeted; /* no padding: the key is hashed as bytes */
};

struct turn_key {
	const struct sched_caller *caller;
	const struct bound *bound;
};

static bool queue_matches(const struct hash_node *node, const void *what)
{
	const struct wait_queue *queue = LIST_OF(node, const struct wait_queue, node);
	const struct queue_key *key = what;

	return queue->caller == key->caller && queue->upstream == key->upstream &&
	       queue->endpoint == key->endpoint && queue->budgeted == (key->budgeted != 0);
}

static bool turn_matches(const struct hash_node *node, const void *what)
{
	const struct wait_turn *turn = LIST_OF(node, const struct wait_turn, node);
	const struct turn_key *key = what;

	return turn->caller == key->caller && turn->bound == key->bound;
}

enum err_code sched_reserve(struct sched *sched, size_t more)
{
	return heap_reserve(&sched->timers, sched->timer_room + more + sched->endpoints.count +
						    sched->upstreams.by_origin.count +
						    sched->wait_turns.count);
}

static struct wait_turn *get_turn(
	struct sched *sched, struct sched_caller *caller, struct bound *bound)
{
	struct turn_key what = {caller, bound};
	uint64_t key = hash_bytes(&sched->wait_turns, &what, sizeof what);
	struct hash_node *found = hash_find(&sched->wait_turns, key, turn_matches, &what);
	struct wait_turn *turn = NULL;

	if (found)
		turn = LIST_OF(found, struct wait_turn, node);
	else if (sched_reserve(sched, 1) == ERR_OK)
		turn = mem_try(sizeof *turn);
	if (!turn)
		return NULL;
	if (!found) {
		turn->caller = caller;
		turn->bound = bound;
		turn->timer.kind = TIMER_PAUSE;
		turn->soonest_us = CLOCK_NEVER;
		list_init(&turn->queues);
		hash_insert(&sched->wait_turns, &turn->node, key);
	}
	turn->refs++;
	return turn;
}

void sched_turn_put(struct sched *sched, struct wait_turn *turn)
{
	if (--turn->refs > 0)
		return;
	REQUIRE(list_empty(&turn->queues) && !list_linked(&turn->link) && !turn->paused);
	hash_remove(&sched->wait_turns, &turn->node);
	mem_free(turn);
}

static void free_queue(struct sched *sched, struct wait_queue *queue)
{
	while (queue->turn_count > 0)
		sched_turn_put(sched, queue->turns[--queue->turn_count]);
	mem_free(queue);
}

static bool add_turn(struct sched *sched, struct wait_queue *queue, struct bound *bound)
{
	struct wait_turn *turn = get_turn(sched, queue->caller, bound);

	if (turn)
		queue->turns[queue->turn_count++] = turn;
	return turn != NULL;
}

static struct wait_queue *make_queue(struct sched *sched, const struct queue_key *key,
	struct sched_caller *caller, struct upstream *upstream, struct sched_endpoint *endpoint)
{
	struct wait_queue *queue = mem_try(sizeof *queue);

	if (!queue)
		return NULL;
	queue->caller = caller;
	queue->upstream = upstream;
	queue->endpoint = endpoint;
	queue->budgeted = key->budgeted;
	list_init(&queue->runs);
	if ((endpoint && !add_turn(sched, queue, &endpoint->bound)) ||
		!add_turn(sched, queue, &upstream->bound)) {
		free_queue(sched, queue);
		return NULL;
	}
	queue->at_upstream = queue->turns[queue->turn_count - 1];
	if (queue->budgeted && !add_turn(sched, queue, &upstream->retries)) {
		free_queue(sched, queue);
		return NULL;
	}
	return queue;
}

struct wait_queue *sched_queue_get(
	struct sched *sched, struct pool_group *group, struct upstream *upstream, bool budgeted)
{
	struct queue_key what = {group->caller, upstream, group->endpoint, budgeted};
	uint64_t key = hash_bytes(&sched->wait_queues, &what, sizeof what);
	struct hash_node *found = hash_find(&sched->wait_queues, key, queue_matches, &what);
	struct wait_queue *queue =
		found ? LIST_OF(found, struct wait_queue, node)
		      : make_queue(sched, &what, group->caller, upstream, group->endpoint);

	if (!queue)
		return NULL;
	if (!found)
		hash_insert(&sched->wait_queues, &queue->node, key);
	queue->refs++;
	return queue;
}

void sched_queue_put(struct sched *sched, struct wait_queue *queue)
{
	if (--queue->refs > 0)
		return;
	REQUIRE(list_empty(&queue->runs) && !queue->at);
	hash_remove(&sched->wait_queues, &queue->node);
	free_queue(sched, queue);
}
