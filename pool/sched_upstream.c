/* sched_upstream.c - what an upstream's answers mean for the calls that wait for it: its breaker,
 * and the callers it asked to wait.
 *
 * Nothing waits for an open breaker: what is queued ends when it opens, what comes ends at once.
 * Half open, its bound's allowance lets one call through, and the others wait for what becomes of
 * it. */
#include <stdio.h>

#include "common/clock.h"
#include "common/mem.h"
#include "pool/sched_internal.h"

enum {
	PAUSES_MAX = 1024, /* of a caller: each keeps its upstream in the table */
	EVENTS_AT_FIRST = 8
};

static const uint64_t SHORT_PAUSE_US = 1000000;
static const uint64_t LONGEST_PAUSE_US =
	UINT64_C(3600) * 1000000; /* a caller is not locked out for a day */

static struct upstream *upstream_of(const struct call *call)
{
	return call->sched.run->upstream;
}

/* The breaker's state has changed: what began before says nothing any more. */
static void begin_era(struct upstream *upstream)
{
	static const size_t allowances[] = {
		[BREAKER_CLOSED] = SIZE_MAX, [BREAKER_OPEN] = 0, [BREAKER_HALF_OPEN] = 1};

	upstream->era++;
	upstream->bound.allowance = allowances[upstream->breaker.state];
}

static void tick(struct sched *sched, struct upstream *upstream)
{
	if (breaker_tick(&upstream->breaker, sched->now_us))
		begin_era(upstream);
}

/* What bounds its wait: its own clock, once it has begun. */
static uint64_t latest_us(const struct call *call)
{
	return call->started_us ? call->deadline_us : call->group->options.deadline_us;
}

static bool outlasts(const struct wait_turn *turn, const struct call *call)
{
	return turn->paused && turn->paused_until_us >= latest_us(call);
}

enum call_end sched_upstream_refuses(struct sched *sched, const struct call *call)
{
	struct upstream *upstream = upstream_of(call);

	tick(sched, upstream);
	if (upstream->breaker.state == BREAKER_OPEN)
		return CALL_END_CIRCUIT_OPEN;
	return outlasts(call->sched.run->queue->at_upstream, call) ? CALL_END_PAUSED
								   : CALL_END_NONE;
}

uint64_t sched_upstream_wait_us(const struct sched *sched, const struct call *call)
{
	const struct breaker *breaker = &upstream_of(call)->breaker;
	const struct wait_turn *turn = call->sched.run->queue->at_upstream;

	if (breaker->state == BREAKER_OPEN)
		return breaker->until_us - sched->now_us;
	return turn->paused ? turn->paused_until_us - sched->now_us : 0;
}

static void end_all(
	struct sched *sched, struct upstream *upstream, struct list_node *calls, enum call_end why)
{
	upstream->refs++; /* the last call takes its run along */
	while (!list_empty(calls))
		sched_fail(sched, LIST_OF(list_pop(calls), struct call, sched.link), why);
	upstream_put(&sched->upstreams, upstream);
}

static void move_to(
	struct sched *sched, struct pool_run *run, struct call *call, struct list_node *list)
{
	sched_run_drop(sched, run, call);
	list_push_back(list, &call->sched.link);
}

/* The breaker has opened: nothing waits for it. */
static void end_waiting(struct sched *sched, struct upstream *upstream)
{
	struct list_node all;

	list_init(&all);
	for (struct list_node *at = upstream->runs.next; at != &upstream->runs; at = at->next) {
		struct pool_run *run = LIST_OF(at, struct pool_run, upstream_link);

		while (!list_empty(&run->calls))
			move_to(sched, run, LIST_OF(run->calls.next, struct call, sched.link),
				&all);
	}
	end_all(sched, upstream, &all, CALL_END_CIRCUIT_OPEN);
}

/* Of one run: those that began stand in front, and of the others, who have their batch's clock,
 * none has more time than the next. Notes the soonest clock of those that stay. */
static void find_outlasted(
	struct sched *sched, struct pool_run *run, struct wait_turn *turn, struct list_node *list)
{
	for (struct list_node *node = run->calls.next, *after; node != &run->calls; node = after) {
		struct call *call = LIST_OF(node, struct call, sched.link);
		bool fresh = !call->started_us;

		after = node->next;
		if (outlasts(turn, call)) {
			move_to(sched, run, call, list);
			continue;
		}
		if (turn->soonest_us > latest_us(call))
			turn->soonest_us = latest_us(call);
		if (fresh)
			return;
	}
}

/* The pause became longer than some calls can wait: they end. Where it is short they may as well
 * wait for their clocks: an upstream that asks for a millisecond, again and again, would have all
 * of them looked at each time. */
static void end_outlasted(struct sched *sched, struct upstream *upstream, struct wait_turn *turn)
{
	struct list_node all;

	if (turn->soonest_us > turn->paused_until_us ||
		turn->paused_until_us < clock_add(sched->now_us, SHORT_PAUSE_US))
		return;
	list_init(&all);
	turn->soonest_us = CLOCK_NEVER;
	for (struct list_node *at = upstream->runs.next; at != &upstream->runs; at = at->next) {
		struct pool_run *run = LIST_OF(at, struct pool_run, upstream_link);

		if (run->queue->at_upstream == turn)
			find_outlasted(sched, run, turn, &all);
	}
	end_all(sched, upstream, &all, CALL_END_PAUSED);
}

void sched_upstream_queued(const struct call *call)
{
	struct wait_turn *turn = call->sched.run->queue->at_upstream;

	if (turn->soonest_us > latest_us(call))
		turn->soonest_us = latest_us(call);
}

/* ---- the breaker ---- */

/* When a name server dies, a turn may find that of every call on the wire. */
static bool make_event_room(struct sched *sched)
{
	size_t room = sched->event_room ? 2 * sched->event_room : EVENTS_AT_FIRST;
	struct sched_event *items;

	if (sched->events.count < sched->event_room)
		return true;
	items = room <= SCHED_EVENTS_MAX ? mem_resize(sched->events.items, room * sizeof *items)
					 : NULL;
	if (!items)
		return false;
	sched->events.items = items;
	sched->event_room = room;
	return true;
}

/* For the log; half open is not worth a line. */
static void note_event(struct sched *sched, const struct upstream *upstream)
{
	struct sched_event *event;

	if (sched->events.lost > 0 || !make_event_room(sched)) {
		sched->events.lost++;
		return;
	}
	event = &sched->events.items[sched->events.count++];
	event->opened = upstream->breaker.state == BREAKER_OPEN;
	event->open_us = event->opened ? upstream->breaker.until_us - sched->now_us : 0;
	snprintf(event->origin, sizeof event->origin, "%s", upstream->origin);
}

/* It opened, or closed. */
static void follow(struct sched *sched, struct upstream *upstream)
{
	begin_era(upstream);
	note_event(sched, upstream);
	if (upstream->breaker.state != BREAKER_OPEN)
		return;
	upstream->counts.opened++;
	upstream->rule.sum->opened++;
	end_waiting(sched, upstream);
}

/* Half open, the only attempts of its era are probes, one after the other. */
static void note_verdict(struct sched *sched, struct call *call)
{
	struct upstream *upstream = upstream_of(call);
	bool probe = upstream->breaker.state == BREAKER_HALF_OPEN;

	if (call->sched.era != upstream->era)
		return;
	if (breaker_note(&upstream->breaker, &upstream->rule.breaker, call->verdict, probe,
		    sched->now_us))
		follow(sched, upstream);
	else if (probe)
		upstream->bound.allowance = 1; /* it said nothing: the next one */
}

/* ---- pauses ---- */

static void pause_until(
	struct sched *sched, struct wait_turn *turn, struct upstream *upstream, uint64_t until_us)
{
	if (!turn->paused) {
		turn->refs++;
		turn->paused = upstream;
		turn->caller->pauses++;
		upstream->refs++;
		upstream->paused++;
		sched_turn_hold(sched, turn);
	}
	turn->paused_until_us = until_us;
	if (upstream->paused == 1 || upstream->paused_until_us < until_us)
		upstream->paused_until_us = until_us;
	heap_set(&sched->timers, &turn->timer, until_us);
	end_outlasted(sched, upstream, turn);
}

static void note_pause(struct sched *sched, struct call *call)
{
	struct wait_turn *turn = call->sched.run->queue->at_upstream;
	uint64_t wait_us = call->pause_us < LONGEST_PAUSE_US ? call->pause_us : LONGEST_PAUSE_US,
		 until_us = clock_add(sched->now_us, wait_us);

	if (wait_us == 0 || (turn->paused && turn->paused_until_us >= until_us))
		return;
	if (turn->paused || turn->caller->pauses < PAUSES_MAX)
		pause_until(sched, turn, upstream_of(call), until_us);
}

void sched_upstream_unpause(struct sched *sched, struct wait_turn *turn)
{
	struct upstream *upstream = turn->paused;
	struct sched_caller *caller = turn->caller;

	heap_remove(&sched->timers, &turn->timer);
	turn->paused = NULL;
	caller->pauses--;
	upstream->paused--;
	sched_turn_release(sched, turn);
	sched_turn_put(sched, turn);
	sched_caller_put(caller);
	upstream_put(&sched->upstreams, upstream);
}

void sched_upstream_unpause_all(struct sched *sched)
{
	for (size_t i = 0; i < sched->wait_turns.size; i++) {
		for (struct hash_node *node = sched->wait_turns.buckets[i], *after; node;
			node = after) {
			struct wait_turn *turn = LIST_OF(node, struct wait_turn, node);

			after = node->next;
			if (turn->paused)
				sched_upstream_unpause(sched, turn);
		}
	}
}

/* ---- attempts ---- */

void sched_upstream_begin(struct sched *sched, struct call *call)
{
	struct upstream *upstream = upstream_of(call);

	call->sched.era = upstream->era;
	if (upstream->breaker.state == BREAKER_HALF_OPEN)
		upstream->bound.allowance = 0;
	upstream->used_us = sched->now_us;
	upstream->counts.attempts++;
	upstream->rule.sum->attempts++;
	upstream->counts.retries += call->retry;
	upstream->rule.sum->retries += call->retry;
	meter_add(&upstream->attempts, sched->now_us);
}

void sched_upstream_end(struct sched *sched, struct call *call)
{
	struct upstream *upstream = upstream_of(call);

	upstream->used_us = sched->now_us;
	upstream->counts.throttled += call->throttled;
	upstream->rule.sum->throttled += call->throttled;
	if (call->verdict == VERDICT_BAD) {
		upstream->counts.failures++;
		upstream->rule.sum->failures++;
		meter_add(&upstream->failures, sched->now_us);
	}
	note_verdict(sched, call);
	note_pause(sched, call);
}
