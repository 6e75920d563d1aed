/* sched_queue.c - runs, and the one list each stands in: ready in its group, held by its group's
 * window, or waiting for one of its bounds. */
#include "pool/sched_internal.h"

#include <string.h>

struct run_key {
	const struct pool_group *group;
	const struct upstream *upstream;
	size_t budgeted; /* no padding: the key is hashed as bytes */
};

static bool run_matches(const struct hash_node *node, const void *what)
{
	const struct pool_run *run = LIST_OF(node, const struct pool_run, node);
	const struct run_key *key = what;

	return run->group == key->group && run->upstream == key->upstream &&
	       run->budgeted == (key->budgeted != 0);
}

static struct pool_run *make_run(struct sched *sched, struct pool_group *group,
	struct upstream *upstream, bool budgeted, uint64_t key)
{
	struct wait_queue *queue = sched_queue_get(sched, group, upstream, budgeted);
	struct pool_run *run = queue ? mem_try(sizeof *run) : NULL;

	if (!run) {
		if (queue)
			sched_queue_put(sched, queue);
		return NULL;
	}
	run->group = group;
	run->upstream = upstream;
	run->queue = queue;
	run->budgeted = budgeted;
	list_init(&run->link);
	list_init(&run->calls);
	list_push_back(&group->runs, &run->group_link);
	group->run_count++;
	list_push_back(&upstream->runs, &run->upstream_link);
	hash_insert(&sched->runs, &run->node, key);
	return run;
}

bool sched_group_blocked(const struct pool_group *group)
{
	return group->in_flight >= group->options.concurrency || group->rate_blocked;
}

static struct upstream *get_upstream(struct sched *sched, const struct url *url)
{
	struct upstream_rule rule;
	struct upstream *upstream = upstream_find(&sched->upstreams, url);

	if (upstream)
		return upstream; /* a reload has seen to its rule: looking for one is not cheap */
	if (sched_reserve(sched, 1) != ERR_OK)
		return NULL;
	sched->options.upstream_rule(sched->options.self, url, &rule);
	upstream = upstream_make(&sched->upstreams, url, &rule, sched->now_us);
	if (upstream)
		upstream->bound.timer.kind = TIMER_BOUND;
	return upstream;
}

struct pool_run *sched_run_get(
	struct sched *sched, struct pool_group *group, const struct url *url, bool retry)
{
	struct upstream *upstream = get_upstream(sched, url);
	bool budgeted = retry && upstream && upstream->rule.retry_percent > 0;
	struct run_key what = {group, upstream, budgeted};
	struct hash_node *found;
	struct pool_run *run;
	uint64_t key;

	if (!upstream)
		return NULL;
	key = hash_bytes(&sched->runs, &what, sizeof what);
	found = hash_find(&sched->runs, key, run_matches, &what);
	run = found ? LIST_OF(found, struct pool_run, node)
		    : make_run(sched, group, upstream, budgeted, key);
	if (found || !run) /* the run holds one reference for all its calls */
		upstream_put(&sched->upstreams, upstream);
	if (run)
		run->refs++;
	return run;
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
		sched_promise_end(sched, run);
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
		sched_run_leave(sched, run);
	else
		list_remove(&run->link);
	run->place = RUN_IDLE;
	sched_promise_end(sched, run);
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
	sched_promise_end(sched, run);
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
	run->upstream->queued++;
	sched_upstream_queued(call);
	if (run->place == RUN_IDLE || (run->place == RUN_HELD && sched_run_in_window(run)))
		make_ready(sched, run);
}

static void unqueue(struct sched *sched, struct call *call)
{
	list_remove(&call->sched.link);
	heap_remove(&sched->timers, &call->sched.timer);
	sched->queued--;
	call->sched.run->group->caller->queued--;
	call->sched.run->upstream->queued--;
}

struct call *sched_run_take(struct sched *sched, struct pool_run *run)
{
	struct call *call = LIST_OF(run->calls.next, struct call, sched.link);

	REQUIRE(!list_empty(&run->calls) && sched_run_may_start(sched, run));
	unqueue(sched, call);
	sched_upstream_begin(sched, call);
	sched_run_enter_flight(sched, run);
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

void sched_run_put(struct sched *sched, struct pool_run *run)
{
	struct upstream *upstream = run->upstream;

	REQUIRE(run->refs > 0);
	if (--run->refs > 0)
		return;
	REQUIRE(list_empty(&run->calls) && run->place == RUN_IDLE && run->in_flight == 0);
	list_remove(&run->group_link);
	run->group->run_count--;
	list_remove(&run->upstream_link);
	hash_remove(&sched->runs, &run->node);
	sched_queue_put(sched, run->queue);
	upstream_put(&sched->upstreams, upstream);
	mem_free(run);
}
