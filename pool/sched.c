/* sched.c - who goes next: the pool's queues, bounds and turns as one state machine.
 *
 * States of a call, and who moves it:
 *   NEW -> QUEUED (submit) -> RUNNING (pick) -> [given back] -> the submitter's
 *                    ^            | again: RETRY_WAIT -> (due) QUEUED at the front
 *                    +------------+
 *   QUEUED, RETRY_WAIT -> ENDED (cancel, clock) -> taken by a worker with sched_take_ended */
#include "pool/sched.h"

#include <string.h>

#include "common/clock.h"
#include "pool/sched_internal.h"

enum err_code sched_new(const struct sched_options *options, struct sched **ret_sched)
{
	struct sched *sched = mem_try(sizeof *sched);

	if (!sched)
		return ERR_NOMEM;
	sched->options = *options;
	list_init(&sched->callers);
	list_init(&sched->groups);
	list_init(&sched->turns);
	list_init(&sched->ended);
	heap_init(&sched->timers);
	if (hash_init(&sched->runs, 256) != ERR_OK ||
		hash_init(&sched->wait_queues, 64) != ERR_OK ||
		hash_init(&sched->wait_turns, 64) != ERR_OK ||
		hash_init(&sched->endpoints, 16) != ERR_OK ||
		upstream_table_init(&sched->upstreams) != ERR_OK) {
		hash_free(&sched->runs);
		hash_free(&sched->wait_queues);
		hash_free(&sched->wait_turns);
		hash_free(&sched->endpoints);
		mem_free(sched);
		return ERR_NOMEM;
	}
	*ret_sched = sched;
	return ERR_OK;
}

void sched_destroy(struct sched *sched)
{
	if (!sched)
		return;
	REQUIRE(list_empty(&sched->groups) && list_empty(&sched->ended));
	sched_upstream_unpause_all(sched);
	REQUIRE(sched->timers.count == 0);
	upstream_table_free(&sched->upstreams);
	hash_free(&sched->runs);
	hash_free(&sched->wait_queues);
	hash_free(&sched->wait_turns);
	sched_endpoints_free(sched);
	heap_free(&sched->timers);
	mem_free(sched->events.items);
	mem_free(sched);
}

void sched_set_bounds(
	struct sched *sched, size_t max_in_flight, size_t queue_limit, uint64_t now_us)
{
	sched->now_us = now_us;
	sched->options.max_in_flight = max_in_flight;
	sched->options.queue_limit = queue_limit;
	sched_bounds_review(sched);
}

void sched_set_reserve(struct sched *sched, size_t queue_reserve)
{
	sched->options.queue_reserve = queue_reserve;
}

/* While others wait too and the queue is more than half full, nobody may hold more than an equal
 * share of it. Its reserve is for those who hold little: one who keeps the queue full leaves room
 * for who comes next. */
static bool admits(const struct sched *sched, const struct sched_caller *caller, size_t count)
{
	size_t limit = sched->options.queue_limit, reserve = sched->options.queue_reserve,
	       waiting = 1;

	if (count > limit || sched->queued > limit - count)
		return false;
	if (sched->queued + count <= limit / 2)
		return true;
	if (caller->queued > 0 && caller->queued + count > reserve &&
		sched->queued + count > limit - reserve)
		return false;
	for (const struct list_node *node = sched->callers.next; node != &sched->callers;
		node = node->next) {
		const struct sched_caller *other = LIST_OF(node, const struct sched_caller, link);

		waiting += other != caller && other->queued > 0;
	}
	return waiting == 1 || caller->queued + count <= limit / waiting;
}

/* A call that holds no slot any more, or never did, leaves the scheduler: its run and group forget
 * it. */
static void forget(struct sched *sched, struct call *call)
{
	struct pool_run *run = call->sched.run;
	struct pool_group *group = call->group;

	REQUIRE(group);
	call->sched.run = NULL;
	call->group = NULL; /* it may be gone before the call is looked at again */
	sched_run_put(sched, run);
	sched->timer_room--;
	group->outstanding--;
	sched_group_free_if_over(sched, group);
}

/* The group may be gone afterwards. */
static void end(struct sched *sched, struct call *call, enum call_end why)
{
	call->sched.state = CALL_ENDED;
	call->sched.end = why;
	list_push_back(&sched->ended, &call->sched.link);
	forget(sched, call);
}

/* Takes references to the runs of all calls, or of none. */
static bool get_runs(
	struct sched *sched, struct pool_group *group, struct call *const *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		calls[i]->sched.run = sched_run_get(sched, group, &calls[i]->request.url, false);
		if (calls[i]->sched.run)
			continue;
		while (i-- > 0) {
			sched_run_put(sched, calls[i]->sched.run);
			calls[i]->sched.run = NULL;
		}
		return false;
	}
	return true;
}

void sched_fail(struct sched *sched, struct call *call, enum call_end why)
{
	struct upstream *upstream = call->sched.run->upstream;

	if (!call->started_us && sched_group_cancelled(call->group) == POOL_STOP_ON_ERROR)
		why = CALL_END_STOP_ON_ERROR; /* another failed in the same breath */
	else if (call->group->options.stop_on_error)
		sched_cancel(sched, call->group,
			POOL_STOP_ON_ERROR); /* the call keeps the group alive */
	if (why == CALL_END_CIRCUIT_OPEN || why == CALL_END_PAUSED)
		call->pause_us = sched_upstream_wait_us(sched, call);
	if (why == CALL_END_CIRCUIT_OPEN) {
		upstream->counts.refused++;
		upstream->rule.sum->refused++;
	}
	end(sched, call, why);
}

/* A call that has just been submitted waits for its turn, unless it can have none. */
static void enter(struct sched *sched, struct call *call)
{
	enum pool_cancel cancelled = sched_group_cancelled(call->group);
	enum call_end refusal = sched_upstream_refuses(sched, call);

	if (cancelled != POOL_RUNNING)
		end(sched, call, sched_group_end_of(cancelled));
	else if (call->group->expired)
		end(sched, call, CALL_END_QUEUE_TIMEOUT);
	else if (refusal != CALL_END_NONE)
		sched_fail(sched, call, refusal);
	else
		sched_run_append(sched, call->sched.run, call, false);
}

enum err_code sched_submit(struct sched *sched, struct pool_group *group, struct call *const *calls,
	size_t count, uint64_t now_us)
{
	REQUIRE(!group->closed);
	sched->now_us = now_us;
	if (!admits(sched, group->caller, count))
		return ERR_BUSY;
	sched->timer_room += count;
	if (sched_reserve(sched, 0) != ERR_OK || !get_runs(sched, group, calls, count)) {
		sched->timer_room -= count;
		return ERR_NOMEM;
	}
	group->outstanding += count;
	for (size_t i = 0; i < count; i++) {
		struct call *call = calls[i];

		call->group = group;
		call->submitted_us = now_us;
		call->sched.sequence = sched->sequence++;
		call->sched.timer = (struct heap_node){.kind = TIMER_CALL};
		enter(sched, call);
	}
	return ERR_OK;
}

/* What a queued call ends as when the batch's clock has run out. */
static enum call_end late(const struct pool_run *run, const struct call *call)
{
	if (run->group->rate_blocked || sched_run_is_limited(run))
		return CALL_END_RATE_LIMITED;
	return call->started_us ? CALL_END_RETRY_WAIT_TIMEOUT : CALL_END_QUEUE_TIMEOUT;
}

/* Before anything is ended: one that goes may make way for others of the same group. */
static void mark_late(struct pool_group *group)
{
	for (struct list_node *at = group->runs.next; at != &group->runs; at = at->next) {
		struct pool_run *run = LIST_OF(at, struct pool_run, group_link);

		for (struct list_node *node = run->calls.next; node != &run->calls;
			node = node->next) {
			struct call *call = LIST_OF(node, struct call, sched.link);

			call->sched.end = late(run, call);
		}
	}
}

/* Ends what is queued, as `why`; NONE: as it was marked. only_fresh: calls that have begun an
 * attempt may go on. The group must not be over before the end: the asker holds it open or counts
 * on nothing of it afterwards. */
static void end_queued(
	struct sched *sched, struct pool_group *group, enum call_end why, bool only_fresh)
{
	struct list_node all;

	list_init(&all);
	for (struct list_node *at = group->runs.next; at != &group->runs; at = at->next) {
		struct pool_run *run = LIST_OF(at, struct pool_run, group_link);

		for (struct list_node *node = run->calls.next, *after; node != &run->calls;
			node = after) {
			struct call *call = LIST_OF(node, struct call, sched.link);

			after = node->next;
			if (only_fresh && call->started_us)
				continue;
			sched_run_drop(sched, run, call);
			list_push_back(&all, &call->sched.link);
		}
	}
	while (!list_empty(&all)) {
		struct call *call = LIST_OF(list_pop(&all), struct call, sched.link);

		end(sched, call, why == CALL_END_NONE ? call->sched.end : why);
	}
}

static void unwait(struct sched *sched, struct call *call)
{
	list_remove(&call->sched.link);
	heap_remove(&sched->timers, &call->sched.timer);
	sched->queued--;
	call->group->caller->queued--;
	call->sched.run->upstream->waiting--;
}

static void end_retrying(struct sched *sched, struct pool_group *group, enum call_end why)
{
	struct list_node all;

	list_init(&all);
	while (!list_empty(&group->retrying)) {
		struct call *call = LIST_OF(group->retrying.next, struct call, sched.link);

		unwait(sched, call);
		list_push_back(&all, &call->sched.link);
	}
	while (!list_empty(&all))
		end(sched, LIST_OF(list_pop(&all), struct call, sched.link), why);
}

void sched_cancel(struct sched *sched, struct pool_group *group, enum pool_cancel why)
{
	bool only_fresh = why == POOL_STOP_ON_ERROR;
	enum pool_cancel before = sched_group_cancelled(group);

	/* Somebody who leaves after stop_on_error still stops what stop_on_error let go on. */
	if (before != POOL_RUNNING && (before != POOL_STOP_ON_ERROR || only_fresh))
		return;
	atomic_store_explicit(&group->cancelled, (int)why, memory_order_release);
	group->outstanding++; /* so that ending the last call does not free the group under our feet
			       */
	end_queued(sched, group, sched_group_end_of(why), only_fresh);
	if (!only_fresh)
		end_retrying(sched, group, sched_group_end_of(why));
	group->outstanding--;
	sched_group_free_if_over(sched, group);
}

void sched_window(struct sched *sched, struct pool_group *group, uint64_t end)
{
	group->window_end = end;
	sched_runs_review(sched, group);
}

void sched_cancel_all(struct sched *sched, enum pool_cancel why)
{
	sched->cancelled = why;
	for (struct list_node *node = sched->groups.next, *after; node != &sched->groups;
		node = after) {
		after = node->next;
		sched_cancel(sched, LIST_OF(node, struct pool_group, link), why);
	}
}

/* A call that has begun and whose time has come stands in its run's queue, unless it can have no
 * turn.
 */
static void queue_again(struct sched *sched, struct call *call)
{
	enum call_end refusal = sched_upstream_refuses(sched, call);

	if (refusal != CALL_END_NONE) {
		sched_fail(sched, call, refusal);
		return;
	}
	sched_run_append(sched, call->sched.run, call, !call->sched.run->budgeted);
	heap_set(&sched->timers, &call->sched.timer, call->deadline_us);
}

/* A call that holds no slot any more waits for another attempt: until again_us, then in its run's
 * queue. */
static void requeue(struct sched *sched, struct call *call, uint64_t now_us)
{
	struct pool_group *group = call->group;

	if (call->again_us <= now_us) {
		queue_again(sched, call);
		return;
	}
	call->sched.state = CALL_RETRY_WAIT;
	list_push_back(&group->retrying, &call->sched.link);
	sched->queued++;
	group->caller->queued++;
	call->sched.run->upstream->waiting++;
	heap_set(&sched->timers, &call->sched.timer, call->again_us);
}

/* The next attempt may go to another upstream than the last: a redirect's, or back to the first. */
static bool move_run(struct sched *sched, struct call *call)
{
	struct pool_run *run = sched_run_get(sched, call->group, call_url(call), call->retry);

	if (!run)
		return false;
	sched_run_put(sched, call->sched.run);
	call->sched.run = run;
	return true;
}

static void give_back_again(struct sched *sched, struct call *call, uint64_t now_us)
{
	enum pool_cancel cancelled = sched_group_cancelled(call->group);

	if (cancelled != POOL_RUNNING && cancelled != POOL_STOP_ON_ERROR)
		end(sched, call, sched_group_end_of(cancelled));
	else if (call->group->expired)
		end(sched, call, CALL_END_RETRY_WAIT_TIMEOUT);
	else if (!move_run(sched, call))
		sched_fail(sched, call, CALL_END_NO_MEMORY);
	else
		requeue(sched, call, now_us);
}

void sched_give_back(struct sched *sched, struct call *call, uint64_t now_us)
{
	struct pool_group *group = call->group;
	bool stops = group->options.stop_on_error && !call->again && call->outcome.code != ITEM_OK;

	REQUIRE(call->sched.state == CALL_RUNNING);
	sched->now_us = now_us;
	sched->in_flight--;
	group->in_flight--;
	sched_upstream_end(sched, call);
	sched_group_update(sched, group);
	sched_run_leave_flight(sched, call->sched.run);
	if (call->again) {
		give_back_again(sched, call, now_us);
		return;
	}
	call->sched.state = CALL_ENDED;
	if (stops)
		sched_cancel(
			sched, group, POOL_STOP_ON_ERROR); /* our own call keeps the group alive */
	forget(sched, call);
}

static void expire_group(struct sched *sched, struct pool_group *group)
{
	group->expired = true;
	group->outstanding++;
	mark_late(group);
	end_queued(sched, group, CALL_END_NONE, false);
	end_retrying(sched, group, CALL_END_RETRY_WAIT_TIMEOUT);
	group->outstanding--;
	sched_group_free_if_over(sched, group);
}

static void expire_call(struct sched *sched, struct call *call)
{
	enum call_end why = CALL_END_RETRY_WAIT_TIMEOUT;

	if (call->sched.state == CALL_RETRY_WAIT) {
		unwait(sched, call);
		queue_again(sched, call);
		return;
	}
	REQUIRE(call->sched.state == CALL_QUEUED);
	if (call->deadline_us == call->group->options.deadline_us)
		why = late(call->sched.run, call); /* as expire_group, whichever comes first */
	sched_run_drop(sched, call->sched.run, call);
	sched_fail(sched, call, why);
}

static void expire_timer(struct sched *sched, struct heap_node *timer)
{
	struct pool_group *group;

	switch ((enum timer_kind)timer->kind) {
	case TIMER_CALL:
		expire_call(sched, LIST_OF(timer, struct call, sched.timer));
		break;
	case TIMER_DEADLINE:
		expire_group(sched, LIST_OF(timer, struct pool_group, deadline_timer));
		break;
	case TIMER_BOUND:
		sched_bound_wake(sched, LIST_OF(timer, struct bound, timer));
		break;
	case TIMER_PAUSE:
		sched_upstream_unpause(sched, LIST_OF(timer, struct wait_turn, timer));
		break;
	case TIMER_TOKEN:
		group = LIST_OF(timer, struct pool_group, token_timer);
		group->rate_blocked = false;
		sched_group_update(sched, group);
		break;
	}
}

void sched_expire(struct sched *sched, uint64_t now_us)
{
	sched->now_us = now_us;
	while (heap_due(&sched->timers) <= now_us) {
		struct heap_node *timer = heap_first(&sched->timers);

		heap_remove(&sched->timers, timer);
		expire_timer(sched, timer);
	}
}

uint64_t sched_due_us(const struct sched *sched)
{
	return heap_due(&sched->timers);
}

void sched_take_events(struct sched *sched, struct sched_events *ret_events)
{
	*ret_events = sched->events;
	sched->events = (struct sched_events){.items = NULL};
	sched->event_room = 0;
}

void sched_take_ended(struct sched *sched, struct list_node *ret_list)
{
	list_init(ret_list);
	list_move_all(ret_list, &sched->ended);
}

bool sched_has_ended(const struct sched *sched)
{
	return !list_empty(&sched->ended);
}

size_t sched_room(const struct sched *sched)
{
	size_t limit = sched->options.queue_limit;

	return sched->queued < limit ? limit - sched->queued : 0;
}
