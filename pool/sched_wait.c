/* sched_wait.c - runs that wait for a bound: an upstream's, its retries', or their endpoint's.
 *
 *   bound.waiters ── a caller's turn ── its queues here ── runs (FIFO)
 *
 * The rule that nothing is forgotten: while a bound has room, nobody waits for it. Room that comes
 * is *promised* at once to the run whose turn it is, which moves to ready and finds all that it
 * needs kept, however many come before it is picked. A run that leaves ready without using its
 * promise (emptied, its group blocked) gives the room to the next waiter.
 *
 * Who needs several bounds is promised all or nothing, and holds none while it waits: a queue whose
 * turn comes at one bound while another has no room, or has others that came before it, goes to
 * wait at that one as a whole, and keeps its rank: who waited longest is first wherever it stands.
 * So where slots of several are freed, all are freed before anybody is woken, and all are woken.
 *
 * A caller's turn that is paused stands in no list of waiters; its queues stay with it. */
#include "pool/sched_internal.h"

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
	if (!list_linked(&turn->link) && !turn->paused) {
		turn->since = queue->since;
		rank(turn, before);
	}
	set_timer(sched, turn->bound);
}

void sched_turn_hold(struct sched *sched, struct wait_turn *turn)
{
	list_remove(&turn->link);
	set_timer(sched, turn->bound);
}

void sched_turn_release(struct sched *sched, struct wait_turn *turn)
{
	if (list_empty(&turn->queues))
		return;
	turn->since = LIST_OF(turn->queues.next, struct wait_queue, link)->since;
	rank(turn, NULL);
	sched_bound_wake(sched, turn->bound);
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
static bool is_free(const struct sched *sched, const struct wait_turn *turn, uint64_t since)
{
	struct bound *bound = turn->bound;

	if (turn->paused)
		return false;
	if (list_empty(&bound->waiters))
		bucket_fill(&bound->bucket, sched->now_us);
	else if (since_of(bound->waiters.next) < since)
		return false;
	return bound_has_room(bound);
}

/* Where the queue has to wait before it can go on from `at` (NULL: it comes now); NULL: nowhere. */
static struct wait_turn *find_obstacle(
	const struct sched *sched, const struct wait_queue *queue, const struct wait_turn *at)
{
	uint64_t since = at ? queue->since : UINT64_MAX;

	for (size_t i = 0; i < queue->turn_count; i++)
		if (queue->turns[i] != at && !is_free(sched, queue->turns[i], since))
			return queue->turns[i];
	return NULL;
}

bool sched_run_may_start(struct sched *sched, struct pool_run *run)
{
	const struct wait_queue *queue = run->queue;

	if (!run->promised)
		return !find_obstacle(sched, queue, NULL);
	for (size_t i = 0; i < queue->turn_count; i++)
		if (queue->turns[i]->paused || !bound_keeps_promise(queue->turns[i]->bound))
			return false;
	return true;
}

static void promise(struct pool_run *run)
{
	run->promised = true;
	for (size_t i = 0; i < run->queue->turn_count; i++)
		run->queue->turns[i]->bound->promised++;
}

static void unpromise(struct pool_run *run)
{
	if (!run->promised)
		return;
	run->promised = false;
	for (size_t i = 0; i < run->queue->turn_count; i++)
		run->queue->turns[i]->bound->promised--;
}

static void wake_all(struct sched *sched, struct pool_run *run)
{
	for (size_t i = run->queue->turn_count; i-- > 0;)
		sched_bound_wake(sched, run->queue->turns[i]->bound);
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
		wake_all(sched, run);
	sched_group_update(sched, run->group);
}

void sched_run_leave(struct sched *sched, struct pool_run *run)
{
	list_remove(&run->link);
	if (list_empty(&run->queue->runs))
		leave(sched, run->queue);
}

/* The bound of an upstream's retries follows what it has in flight. */
static void fit_retries(struct sched *sched, struct upstream *upstream)
{
	upstream_fit_retries(upstream);
	sched_bound_wake(sched, &upstream->retries);
}

void sched_run_enter_flight(struct sched *sched, struct pool_run *run)
{
	unpromise(run);
	run->in_flight++;
	for (size_t i = 0; i < run->queue->turn_count; i++) {
		struct bound *bound = run->queue->turns[i]->bound;

		bound->in_flight++;
		bucket_fill(&bound->bucket, sched->now_us); /* what it cannot save is lost now */
		bucket_take(&bound->bucket);
	}
	fit_retries(sched, run->upstream);
	wake_all(sched, run);
}

void sched_run_leave_flight(struct sched *sched, struct pool_run *run)
{
	run->in_flight--;
	for (size_t i = 0; i < run->queue->turn_count; i++)
		run->queue->turns[i]->bound->in_flight--;
	fit_retries(sched, run->upstream);
	wake_all(sched, run);
}

void sched_promise_end(struct sched *sched, struct pool_run *run)
{
	if (!run->promised)
		return;
	unpromise(run);
	wake_all(sched, run);
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

bool sched_run_is_limited(const struct pool_run *run)
{
	return run->place == RUN_WAITING &&
	       (run->queue->at->paused || bound_lacks_token(run->queue->at->bound));
}
