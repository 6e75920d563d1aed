/* sched_queue.c - runs, and the one list each stands in: ready in its group, held by its group's
 * window, or waiting for its upstream.
 *
 * The rule that nothing is forgotten: while an upstream has room, nobody waits for it. Room that
 * comes is *promised* at once to the run whose turn it is, which moves to ready and finds its slot
 * kept, however many come before it is picked. A run that leaves ready without using its promise
 * (emptied, its group blocked) gives the room to the next waiter. */
#include "pool/sched_internal.h"

#include <string.h>

struct run_key {
	const struct pool_group *group;
	const struct upstream *upstream;
};

struct wait_key {
	const struct sched_caller *caller;
	const struct upstream *upstream;
};

static bool run_matches(const struct hash_node *node, const void *what)
{
	const struct pool_run *run = LIST_OF(node, const struct pool_run, node);
	const struct run_key *key = what;

	return run->group == key->group && run->upstream == key->upstream;
}

static bool queue_matches(const struct hash_node *node, const void *what)
{
	const struct wait_queue *queue = LIST_OF(node, const struct wait_queue, node);
	const struct wait_key *key = what;

	return queue->caller == key->caller && queue->upstream == key->upstream;
}

static struct wait_queue *get_queue(
	struct sched *sched, struct sched_caller *caller, struct upstream *upstream)
{
	struct wait_key what = {caller, upstream};
	uint64_t key = hash_bytes(&sched->wait_queues, &what, sizeof what);
	struct hash_node *found = hash_find(&sched->wait_queues, key, queue_matches, &what);
	struct wait_queue *queue =
		found ? LIST_OF(found, struct wait_queue, node) : mem_try(sizeof *queue);

	if (!queue)
		return NULL;
	if (!found) {
		queue->caller = caller;
		queue->upstream = upstream;
		list_init(&queue->turn);
		list_init(&queue->runs);
		hash_insert(&sched->wait_queues, &queue->node, key);
	}
	queue->refs++;
	return queue;
}

static void put_queue(struct sched *sched, struct wait_queue *queue)
{
	if (--queue->refs > 0)
		return;
	REQUIRE(list_empty(&queue->runs) && !list_linked(&queue->turn));
	hash_remove(&sched->wait_queues, &queue->node);
	mem_free(queue);
}

static struct pool_run *make_run(
	struct sched *sched, struct pool_group *group, struct upstream *upstream, uint64_t key)
{
	struct wait_queue *queue = get_queue(sched, group->caller, upstream);
	struct pool_run *run = queue ? mem_try(sizeof *run) : NULL;

	if (!run) {
		if (queue)
			put_queue(sched, queue);
		return NULL;
	}
	run->group = group;
	run->upstream = upstream;
	run->queue = queue;
	list_init(&run->link);
	list_init(&run->calls);
	list_push_back(&group->runs, &run->group_link);
	hash_insert(&sched->runs, &run->node, key);
	return run;
}

bool sched_group_blocked(const struct pool_group *group)
{
	return group->in_flight >= group->options.concurrency || group->rate_blocked;
}

/* The run leaves its queue, which keeps its turn among the callers only while others wait in it. */
static void leave_queue(struct pool_run *run)
{
	list_remove(&run->link);
	if (list_empty(&run->queue->runs))
		list_remove(&run->queue->turn);
}

/* The run whose turn it is at an upstream that somebody waits for. */
static struct pool_run *next_waiter(struct upstream *upstream)
{
	struct wait_queue *queue = LIST_OF(list_pop(&upstream->waiters), struct wait_queue, turn);
	struct pool_run *run = LIST_OF(queue->runs.next, struct pool_run, link);

	list_push_back(&upstream->waiters, &queue->turn);
	leave_queue(run);
	return run;
}

/* Promises the room there is to those that wait for it. */
static void wake(struct sched *sched, struct upstream *upstream)
{
	while (upstream_has_room(upstream) && !list_empty(&upstream->waiters)) {
		struct pool_run *run = next_waiter(upstream);
		struct pool_group *group = run->group;

		run->place = RUN_READY;
		if (sched_group_blocked(group)) {
			list_push_back(&group->ready, &run->link);
			continue; /* it will look at the upstream when its group goes on */
		}
		run->promised = true;
		upstream->promised++;
		list_push_front(&group->ready, &run->link);
		sched_group_update(sched, group);
	}
}

struct pool_run *sched_run_get(struct sched *sched, struct pool_group *group, const struct url *url)
{
	size_t rule = 0;
	unsigned limit = sched->options.upstream_rule(sched->options.self, url, &rule);
	struct upstream *upstream = upstream_get(&sched->upstreams, url, limit, rule);
	struct run_key what = {group, upstream};
	struct hash_node *found;
	struct pool_run *run;
	uint64_t key;

	if (!upstream)
		return NULL;
	key = hash_bytes(&sched->runs, &what, sizeof what);
	found = hash_find(&sched->runs, key, run_matches, &what);
	run = found ? LIST_OF(found, struct pool_run, node) : make_run(sched, group, upstream, key);
	if (found || !run) /* the run holds one reference for all its calls */
		upstream_put(&sched->upstreams, upstream);
	if (run)
		run->refs++;
	return run;
}

static void end_promise(struct pool_run *run)
{
	run->upstream->promised -= run->promised;
	run->promised = false;
}

static void set_turn(struct sched *sched, struct pool_group *group, bool wanted)
{
	struct sched_caller *caller = group->caller;

	if (wanted && !list_linked(&group->turn)) {
		list_push_back(&caller->turns, &group->turn);
		if (!list_linked(&caller->turn))
			list_push_back(&sched->turns, &caller->turn);
	} else if (!wanted && list_linked(&group->turn)) {
		list_remove(&group->turn);
		if (list_empty(&caller->turns))
			list_remove(&caller->turn);
	}
}

/* A blocked group's runs cannot use the room they were promised: it goes to the next waiter. */
static void pass_on(struct sched *sched, struct pool_group *group)
{
	while (!list_empty(&group->ready)) {
		struct pool_run *run = LIST_OF(group->ready.next, struct pool_run, link);

		if (!run->promised)
			return;
		list_remove(&run->link);
		list_push_back(&group->ready, &run->link);
		end_promise(run);
		wake(sched, run->upstream);
	}
}

void sched_group_update(struct sched *sched, struct pool_group *group)
{
	bool blocked = sched_group_blocked(group);

	set_turn(sched, group, !blocked && !list_empty(&group->ready));
	if (blocked)
		pass_on(sched, group);
}

static void unplace(struct sched *sched, struct pool_run *run)
{
	if (run->place == RUN_WAITING)
		leave_queue(run);
	else
		list_remove(&run->link);
	run->place = RUN_IDLE;
	end_promise(run);
	wake(sched, run->upstream);
	sched_group_update(sched, run->group);
}

bool sched_run_in_window(const struct pool_run *run)
{
	const struct call *first = LIST_OF(run->calls.next, const struct call, sched.link);

	return first->started_us || first->position < run->group->window_end;
}

void sched_run_hold(struct sched *sched, struct pool_run *run)
{
	list_remove(&run->link);
	run->place = RUN_HELD;
	list_push_back(&run->group->held, &run->link);
	end_promise(run);
	wake(sched, run->upstream);
	sched_group_update(sched, run->group);
}

static void make_ready(struct sched *sched, struct pool_run *run)
{
	list_remove(&run->link);
	run->place = RUN_READY;
	list_push_back(&run->group->ready, &run->link);
	sched_group_update(sched, run->group);
}

void sched_runs_review(struct sched *sched, struct pool_group *group)
{
	for (struct list_node *node = group->held.next, *after; node != &group->held;
		node = after) {
		struct pool_run *run = LIST_OF(node, struct pool_run, link);

		after = node->next;
		if (sched_run_in_window(run))
			make_ready(sched, run);
	}
}

void sched_run_append(struct sched *sched, struct pool_run *run, struct call *call, bool front)
{
	call->sched.run = run;
	call->sched.state = CALL_QUEUED;
	if (front)
		list_push_front(&run->calls, &call->sched.link);
	else
		list_push_back(&run->calls, &call->sched.link);
	sched->queued++;
	run->group->caller->queued++;
	if (run->place == RUN_IDLE || (run->place == RUN_HELD && sched_run_in_window(run)))
		make_ready(sched, run);
}

static void unqueue(struct sched *sched, struct call *call)
{
	list_remove(&call->sched.link);
	heap_remove(&sched->timers, &call->sched.timer);
	sched->queued--;
	call->sched.run->group->caller->queued--;
}

bool sched_run_may_start(const struct pool_run *run)
{
	const struct upstream *upstream = run->upstream;

	/* A promise from before a reload that lowered the bound does not count. */
	return run->promised ? upstream->in_flight < upstream->limit : upstream_has_room(upstream);
}

struct call *sched_run_take(struct sched *sched, struct pool_run *run)
{
	struct call *call = LIST_OF(run->calls.next, struct call, sched.link);

	REQUIRE(!list_empty(&run->calls) && sched_run_may_start(run));
	unqueue(sched, call);
	end_promise(run);
	run->upstream->in_flight++;
	list_remove(&run->link); /* to the end of its group's ready ones, or out of it */
	run->place = RUN_IDLE;
	if (!list_empty(&run->calls)) {
		run->place = RUN_READY;
		list_push_back(&run->group->ready, &run->link);
	}
	return call;
}

void sched_run_drop(struct sched *sched, struct pool_run *run, struct call *call)
{
	unqueue(sched, call);
	if (list_empty(&run->calls))
		unplace(sched, run);
}

void sched_run_park(struct sched *sched, struct pool_run *run)
{
	struct wait_queue *queue = run->queue;

	end_promise(run);
	list_remove(&run->link);
	run->place = RUN_WAITING;
	list_push_back(&queue->runs, &run->link);
	if (!list_linked(&queue->turn))
		list_push_back(&run->upstream->waiters, &queue->turn);
	sched_group_update(sched, run->group);
}

void sched_upstream_free(struct sched *sched, struct upstream *upstream)
{
	upstream->in_flight--;
	wake(sched, upstream);
}

void sched_upstreams_review(struct sched *sched)
{
	for (size_t i = 0; i < sched->upstreams.by_origin.size; i++) {
		for (struct hash_node *node = sched->upstreams.by_origin.buckets[i]; node;
			node = node->next) {
			struct upstream *upstream = LIST_OF(node, struct upstream, node);
			struct url url = {.origin = upstream->origin,
				.host = upstream->host,
				.port = upstream->port};

			upstream->limit = sched->options.upstream_rule(
				sched->options.self, &url, &upstream->rule);
			wake(sched, upstream);
		}
	}
}

void sched_run_put(struct sched *sched, struct pool_run *run)
{
	struct upstream *upstream = run->upstream;

	REQUIRE(run->refs > 0);
	if (--run->refs > 0)
		return;
	REQUIRE(list_empty(&run->calls) && run->place == RUN_IDLE);
	list_remove(&run->group_link);
	hash_remove(&sched->runs, &run->node);
	put_queue(sched, run->queue);
	upstream_put(&sched->upstreams, upstream);
	mem_free(run);
}
