/* sched_group.c - groups and their callers: how they come and go, and what a cancelled one's calls
 * end as. */
#include "pool/sched_internal.h"

#include <string.h>

#include "common/clock.h"

static struct sched_caller *get_caller(struct sched *sched, struct caller *caller)
{
	struct sched_caller *entry;

	for (struct list_node *node = sched->callers.next; node != &sched->callers;
		node = node->next) {
		entry = LIST_OF(node, struct sched_caller, link);
		if (entry->caller == caller || strcmp(entry->caller->name, caller->name) == 0)
			return entry;
	}
	entry = mem_try(sizeof *entry);
	if (!entry)
		return NULL;
	entry->caller = caller_ref(caller);
	list_init(&entry->turn);
	list_init(&entry->turns);
	list_push_back(&sched->callers, &entry->link);
	return entry;
}

void sched_caller_put(struct sched_caller *entry)
{
	if (entry->groups + entry->pauses > 0)
		return;
	REQUIRE(entry->queued == 0 && list_empty(&entry->turns));
	list_remove(&entry->link);
	caller_unref(entry->caller);
	mem_free(entry);
}

static bool get_endpoint(struct sched *sched, struct pool_group *group, const char *name)
{
	if (name)
		group->endpoint = sched_endpoint_get(sched, name);
	return group->endpoint || !name;
}

enum err_code sched_group_new(struct sched *sched, const struct pool_group_options *options,
	uint64_t now_us, struct pool_group **ret_group)
{
	struct pool_group *group = mem_try(sizeof *group);
	struct sched_caller *caller = get_caller(sched, options->caller);

	sched->now_us = now_us;
	if (!group || !caller || sched_reserve(sched, 3) != ERR_OK ||
		!get_endpoint(sched, group, options->endpoint)) {
		mem_free(group);
		if (caller)
			sched_caller_put(caller);
		return ERR_NOMEM;
	}
	sched->timer_room += 2;
	group->sched = sched;
	group->options = *options;
	group->options.caller = caller->caller;
	group->options.guard = guard_ref(options->guard);
	group->options.endpoint = group->endpoint ? group->endpoint->name : NULL;
	group->caller = caller;
	caller->groups++;
	bucket_init(&group->bucket, options->rate_per_s, now_us);
	list_init(&group->turn);
	list_init(&group->ready);
	list_init(&group->held);
	group->window_end = UINT64_MAX;
	list_init(&group->runs);
	list_init(&group->retrying);
	atomic_init(&group->cancelled, (int)sched->cancelled);
	list_push_back(&sched->groups, &group->link);
	group->deadline_timer.kind = TIMER_DEADLINE;
	group->token_timer.kind = TIMER_TOKEN;
	if (options->deadline_us != CLOCK_NEVER)
		heap_set(&sched->timers, &group->deadline_timer, options->deadline_us);
	*ret_group = group;
	return ERR_OK;
}

void sched_group_free_if_over(struct sched *sched, struct pool_group *group)
{
	struct sched_caller *caller = group->caller;

	if (!group->closed || group->outstanding > 0)
		return;
	REQUIRE(list_empty(&group->runs) && list_empty(&group->retrying) && group->in_flight == 0);
	heap_remove(&sched->timers, &group->deadline_timer);
	heap_remove(&sched->timers, &group->token_timer);
	sched->timer_room -= 2;
	list_remove(&group->turn);
	list_remove(&group->link);
	guard_unref(group->options.guard);
	if (group->endpoint)
		sched_endpoint_put(sched, group->endpoint);
	mem_free(group);
	caller->groups--;
	sched_caller_put(caller);
}

void sched_group_close(struct sched *sched, struct pool_group *group)
{
	group->closed = true;
	sched_group_free_if_over(sched, group);
}

enum call_end sched_group_end_of(enum pool_cancel why)
{
	static const enum call_end ends[] = {
		[POOL_STOP_ON_ERROR] = CALL_END_STOP_ON_ERROR,
		[POOL_CLIENT_GONE] = CALL_END_CLIENT_GONE,
		[POOL_DRAIN] = CALL_END_DRAIN,
	};

	REQUIRE(why > POOL_RUNNING && (size_t)why < sizeof ends / sizeof *ends);
	return ends[why];
}

enum pool_cancel sched_group_cancelled(const struct pool_group *group)
{
	return (enum pool_cancel)atomic_load_explicit(&group->cancelled, memory_order_acquire);
}

void *sched_group_self(const struct pool_group *group)
{
	return group->sched->options.self;
}

enum call_end sched_group_abort(const struct pool_group *group)
{
	enum pool_cancel why = sched_group_cancelled(group);

	return why == POOL_RUNNING || why == POOL_STOP_ON_ERROR ? CALL_END_NONE
								: sched_group_end_of(why);
}

struct guard *sched_group_guard(const struct pool_group *group)
{
	return group->options.guard;
}
