/* sched_pick.c - the next call that may start: callers, their groups, their runs in turns. */
#include "common/clock.h"
#include "pool/sched_internal.h"

enum { RUNS_LOOKED_AT = 64 };

/* True where the group may start one call now; else it is blocked until its next token comes. */
static bool has_token(struct sched *sched, struct pool_group *group, uint64_t now_us)
{
	bucket_fill(&group->bucket, now_us);
	if (bucket_has(&group->bucket, 1))
		return true;
	group->rate_blocked = true;
	heap_set(&sched->timers, &group->token_timer, bucket_due_us(&group->bucket, 1));
	sched_group_update(sched, group);
	return false;
}

static struct call *take(struct sched *sched, struct pool_run *run, uint64_t now_us)
{
	struct pool_group *group = run->group;
	struct call *call = sched_run_take(sched, run);

	sched->in_flight++;
	group->in_flight++;
	bucket_take(&group->bucket);
	call->sched.state = CALL_RUNNING;
	if (!call->started_us) {
		call->started_us = now_us;
		call->deadline_us = clock_add(now_us, call->request.timeout_us);
		if (call->deadline_us > group->options.deadline_us)
			call->deadline_us = group->options.deadline_us;
	}
	list_remove(&group->turn); /* its turn is over: to the end of the round, if it has more */
	list_remove(&group->caller->turn);
	if (!list_empty(&group->caller->turns))
		list_push_back(&sched->turns, &group->caller->turn);
	sched_group_update(sched, group);
	return call;
}

/* Of very many runs only the front ones are looked at. */
static struct pool_run *oldest_run(const struct pool_group *group)
{
	struct pool_run *oldest = NULL;
	uint64_t best = UINT64_MAX;
	unsigned looked = 0;

	for (struct list_node *node = group->ready.next;
		node != &group->ready && looked < RUNS_LOOKED_AT; node = node->next, looked++) {
		struct pool_run *run = LIST_OF(node, struct pool_run, link);
		const struct call *first = LIST_OF(run->calls.next, const struct call, sched.link);

		if (first->sched.sequence < best) {
			best = first->sched.sequence;
			oldest = run;
		}
	}
	REQUIRE(oldest);
	return oldest;
}

/* Upstreams take turns at the start of calls, and none of them holds more than an equal share of
 * the batch's slots while others could use them: a dead one does not hold up the other items. But
 * where one item goes after the other, or the first failure ends all, people mean the order they
 * wrote. */
static struct pool_run *next_run(struct pool_group *group)
{
	struct list_node *ready = &group->ready;
	size_t share = group->options.concurrency / group->run_count;

	if (group->options.concurrency == 1 || group->options.stop_on_error)
		return oldest_run(group);
	for (size_t i = 0; i < RUNS_LOOKED_AT && i < group->run_count; i++) {
		struct pool_run *run = LIST_OF(ready->next, struct pool_run, link);

		if (run->promised || run->in_flight < (share > 1 ? share : 1))
			return run;
		list_remove(&run->link);
		list_push_back(ready, &run->link);
	}
	return LIST_OF(ready->next, struct pool_run, link);
}

struct call *sched_pick(struct sched *sched, uint64_t now_us)
{
	sched->now_us = now_us;
	while (sched->in_flight < sched->options.max_in_flight && !list_empty(&sched->turns)) {
		struct sched_caller *caller = LIST_OF(sched->turns.next, struct sched_caller, turn);
		struct pool_group *group = LIST_OF(caller->turns.next, struct pool_group, turn);
		struct pool_run *run = next_run(group);

		if (!sched_run_in_window(run))
			sched_run_hold(sched, run);
		else if (!has_token(sched, group, now_us))
			continue;
		else if (sched_run_may_start(sched, run))
			return take(sched, run, now_us);
		else
			sched_run_park(sched, run);
	}
	return NULL;
}

bool sched_has_ready(const struct sched *sched)
{
	return sched->in_flight < sched->options.max_in_flight && !list_empty(&sched->turns);
}
