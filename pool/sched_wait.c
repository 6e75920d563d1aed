/* sched_wait.c - runs that wait for a bound: an upstream's, or their endpoint's.
 *
 *   bound.waiters ── a caller's turn ── its queues here ── runs (FIFO)
 *
 * The rule that nothing is forgotten: while a bound has room, nobody waits for it. Room that comes
 * is *promised* at once to the run whose turn it is, which moves to ready and finds all that it
 * needs kept, however many come before it is picked. A run that leaves ready without using its
 * promise (emptied, its group blocked) gives the room to the next waiter.
 *
 * Who needs two bounds is promised both or nothing, and holds neither while it waits: a queue whose
 * turn comes at one bound while the other has no room, or has others that came before it, goes to
 * wait at the other as a whole, and keeps its rank: who waited longest is first wherever it stands.
 * So where slots of both are freed, both are freed before anybody is woken, and both are woken. */
#include "pool/sched_internal.h"

struct queue_key {
	const struct sched_caller *caller;
	const struct upstream *upstream;
	const struct sched_endpoint *endpoint;
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
	       queue->endpoint == key->endpoint;
}

static bool turn_matches(const struct hash_node *node, const void *what)
{
	const struct wait_turn *turn = LIST_OF(node, const struct wait_turn, node);
	const struct turn_key *key = what;

	return turn->caller == key->caller && turn->bound == key->bound;
}

static struct wait_turn *get_turn(
	struct sched *sched, struct sched_caller *caller, struct bound *bound)
{
	struct turn_key what = {caller, bound};
	uint64_t key = hash_bytes(&sched->wait_turns, &what, sizeof what);
	struct hash_node *found = hash_find(&sched->wait_turns, key, turn_matches, &what);
	struct wait_turn *turn =
		found ? LIST_OF(found, struct wait_turn, node) : mem_try(sizeof *turn);

	if (!turn)
		return NULL;
	if (!found) {
		turn->caller = caller;
		turn->bound = bound;
		list_init(&turn->queues);
		hash_insert(&sched->wait_turns, &turn->node, key);
	}
	turn->refs++;
	return turn;
}

static void put_turn(struct sched *sched, struct wait_turn *turn)
{
	if (!turn || --turn->refs > 0)
		return;
	REQUIRE(list_empty(&turn->queues) && !list_linked(&turn->link));
	hash_remove(&sched->wait_turns, &turn->node);
	mem_free(turn);
}

static struct wait_queue *make_queue(struct sched *sched, struct sched_caller *caller,
	struct upstream *upstream, struct sched_endpoint *endpoint)
{
	struct wait_queue *queue = mem_try(sizeof *queue);

	if (!queue)
		return NULL;
	queue->caller = caller;
	queue->upstream = upstream;
	queue->endpoint = endpoint;
	list_init(&queue->runs);
	queue->at_upstream = get_turn(sched, caller, &upstream->bound);
	if (endpoint)
		queue->at_endpoint = get_turn(sched, caller, &endpoint->bound);
	if (queue->at_upstream && (queue->at_endpoint || !endpoint))
		return queue;
	put_turn(sched, queue->at_upstream);
	put_turn(sched, queue->at_endpoint);
	mem_free(queue);
	return NULL;
}

struct wait_queue *sched_queue_get(
	struct sched *sched, struct pool_group *group, struct upstream *upstream)
{
	struct queue_key what = {group->caller, upstream, group->endpoint};
	uint64_t key = hash_bytes(&sched->wait_queues, &what, sizeof what);
	struct hash_node *found = hash_find(&sched->wait_queues, key, queue_matches, &what);
	struct wait_queue *queue =
		found ? LIST_OF(found, struct wait_queue, node)
		      : make_queue(sched, group->caller, upstream, group->endpoint);

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
	put_turn(sched, queue->at_upstream);
	put_turn(sched, queue->at_endpoint);
	mem_free(queue);
}

/* After any change of what is in flight, promised or saved, or of who waits. */
static void set_timer(struct sched *sched, struct bound *bound)
{
	if (bound->bucket.rate_per_s > 0 && !list_empty(&bound->waiters) &&
		bound_lacks_token(bound))
		heap_set(&sched->timers, &bound->timer,
			bucket_due_us(&bound->bucket, bound->promised + 1));
	else
		heap_remove(&sched->timers, &bound->timer);
}

static uint64_t since_of(const struct list_node *link)
{
	return LIST_OF(link, const struct wait_turn, link)->since;
}

/* Who moves from one bound to the other keeps its rank. Those who move together come in order:
 * each looks for its place from that of the one before it (NULL: it is the first). */
static void rank(struct wait_turn *turn, struct wait_turn *before)
{
	struct list_node *all = &turn->bound->waiters, *at = all->prev;

	if (before && before->bound == turn->bound && list_linked(&before->link) &&
		before->since <= turn->since) {
		at = &before->link;
		while (at->next != all && since_of(at->next) <= turn->since)
			at = at->next;
	} else {
		while (at != all && since_of(at) > turn->since)
			at = at->prev;
	}
	list_insert_after(at, &turn->link);
}

static void enter(struct sched *sched, struct wait_queue *queue, struct wait_turn *turn,
	struct wait_turn *before)
{
	queue->at = turn;
	list_push_back(&turn->queues, &queue->link);
	if (!list_linked(&turn->link)) {
		turn->since = queue->since;
		rank(turn, before);
	}
	set_timer(sched, turn->bound);
}

/* The caller keeps its turn only while others of its queues wait there. */
static void leave(struct sched *sched, struct wait_queue *queue)
{
	struct wait_turn *turn = queue->at;

	queue->at = NULL;
	list_remove(&queue->link);
	if (list_empty(&turn->queues))
		list_remove(&turn->link);
	set_timer(sched, turn->bound);
}

/* There is room for who has waited since then, and nobody waits who came before. */
static bool is_free(const struct sched *sched, struct bound *bound, uint64_t since)
{
	if (list_empty(&bound->waiters))
		bucket_fill(&bound->bucket, sched->now_us);
	else if (LIST_OF(bound->waiters.next, struct wait_turn, link)->since < since)
		return false;
	return bound_has_room(bound);
}

/* Where the queue has to wait before it can go on from `at` (NULL: it comes now); NULL: nowhere. */
static struct wait_turn *find_obstacle(
	const struct sched *sched, const struct wait_queue *queue, const struct wait_turn *at)
{
	struct wait_turn *first = queue->at_endpoint, *second = queue->at_upstream;
	uint64_t since = at ? queue->since : UINT64_MAX;

	if (first && first != at && !is_free(sched, first->bound, since))
		return first;
	return second != at && !is_free(sched, second->bound, since) ? second : NULL;
}

bool sched_run_may_start(struct sched *sched, struct pool_run *run)
{
	const struct bound *upstream = &run->upstream->bound;
	const struct sched_endpoint *endpoint = run->group->endpoint;

	if (!run->promised)
		return !find_obstacle(sched, run->queue, NULL);
	/* A promise from before a reload that lowered the bound does not count. */
	return upstream->in_flight < upstream->limit &&
	       (!endpoint || (endpoint->bound.in_flight < endpoint->bound.limit &&
				     bucket_has(&endpoint->bound.bucket, 1)));
}

static void promise(struct pool_run *run)
{
	run->promised = true;
	run->upstream->bound.promised++;
	if (run->group->endpoint)
		run->group->endpoint->bound.promised++;
}

static void unpromise(struct pool_run *run)
{
	if (!run->promised)
		return;
	run->promised = false;
	run->upstream->bound.promised--;
	if (run->group->endpoint)
		run->group->endpoint->bound.promised--;
}

static void wake_both(struct sched *sched, struct pool_run *run)
{
	sched_bound_wake(sched, &run->upstream->bound);
	if (run->group->endpoint)
		sched_bound_wake(sched, &run->group->endpoint->bound);
}

void sched_run_park(struct sched *sched, struct pool_run *run)
{
	struct wait_queue *queue = run->queue;
	struct wait_turn *obstacle;
	bool had = run->promised;

	unpromise(run);
	obstacle = queue->at ? queue->at : find_obstacle(sched, queue, NULL);
	list_remove(&run->link);
	if (obstacle) {
		run->place = RUN_WAITING;
		list_push_back(&queue->runs, &run->link);
		if (!queue->at) {
			queue->since = sched->waits++;
			enter(sched, queue, obstacle, NULL);
		}
	} else { /* nothing but a promise that did not count was in its way */
		list_push_back(&run->group->ready, &run->link);
	}
	if (had)
		wake_both(sched, run);
	sched_group_update(sched, run->group);
}

void sched_run_leave(struct sched *sched, struct pool_run *run)
{
	list_remove(&run->link);
	if (list_empty(&run->queue->runs))
		leave(sched, run->queue);
}

void sched_run_enter_flight(struct sched *sched, struct pool_run *run)
{
	struct sched_endpoint *endpoint = run->group->endpoint;

	unpromise(run);
	run->upstream->bound.in_flight++;
	if (!endpoint)
		return;
	endpoint->bound.in_flight++;
	bucket_fill(&endpoint->bound.bucket, sched->now_us); /* what it cannot save is lost now */
	bucket_take(&endpoint->bound.bucket);
	sched_bound_wake(sched, &endpoint->bound);
}

void sched_run_leave_flight(struct sched *sched, struct pool_run *run)
{
	run->upstream->bound.in_flight--;
	if (run->group->endpoint)
		run->group->endpoint->bound.in_flight--;
	wake_both(sched, run);
}

void sched_promise_end(struct sched *sched, struct pool_run *run)
{
	if (!run->promised)
		return;
	unpromise(run);
	wake_both(sched, run);
}

/* The first run of the queue whose turn it is goes on; true where it was promised what it needs. */
static bool let_go_on(struct sched *sched, struct wait_queue *queue)
{
	struct pool_run *run = LIST_OF(queue->runs.next, struct pool_run, link);
	struct pool_group *group = run->group;

	sched_run_leave(sched, run);
	run->place = RUN_READY;
	if (sched_group_blocked(group)) { /* it will look again when its group goes on */
		list_push_back(&group->ready, &run->link);
		return false;
	}
	promise(run);
	list_push_front(&group->ready, &run->link);
	sched_group_update(sched, group);
	return true;
}

static void end_turn(struct sched *sched, struct wait_turn *turn, struct wait_queue *queue)
{
	queue->since = turn->since = sched->waits++;
	if (queue->at == turn) {
		list_remove(&queue->link);
		list_push_back(&turn->queues, &queue->link);
	}
	if (list_linked(&turn->link)) {
		list_remove(&turn->link);
		list_push_back(&turn->bound->waiters, &turn->link);
	}
}

void sched_bound_wake(struct sched *sched, struct bound *bound)
{
	struct wait_turn *moved = NULL;

	bucket_fill(&bound->bucket, sched->now_us);
	while (bound_has_room(bound) && !list_empty(&bound->waiters)) {
		struct wait_turn *turn = LIST_OF(bound->waiters.next, struct wait_turn, link);
		struct wait_queue *queue = LIST_OF(turn->queues.next, struct wait_queue, link);
		struct wait_turn *obstacle = find_obstacle(sched, queue, turn);

		if (obstacle) {
			leave(sched, queue);
			enter(sched, queue, obstacle, moved);
			moved = obstacle;
		} else if (let_go_on(sched, queue)) {
			end_turn(sched, turn, queue);
		}
	}
	set_timer(sched, bound);
}

bool sched_run_lacks_token(const struct pool_run *run)
{
	const struct wait_turn *at = run->queue->at;

	return run->place == RUN_WAITING && at == run->queue->at_endpoint &&
	       bound_lacks_token(at->bound);
}
