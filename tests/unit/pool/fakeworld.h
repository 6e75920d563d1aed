/* fakeworld.h - a clock, an upstream side and workers that exist only in a test, around the real
 * scheduler.
 *
 * A call picked from the scheduler "flies" for the time its script says and comes back with the
 * outcome it says: success, failure, another attempt, a redirect to another origin. Time jumps from
 * event to event: nothing sleeps, no socket is opened. The world keeps books of its own and fails
 * the test where a bound is passed or a call comes back twice. */
#ifndef TESTS_FAKEWORLD_H
#define TESTS_FAKEWORLD_H
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "pool/sched.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

enum { FAKE_ORIGINS_MAX = 64, FAKE_ENDPOINTS_MAX = 8, FAKE_STEPS_MAX = 6, FAKE_RULE = 3 };

/* As ck_assert, which tells its parent about every success too: dear where it is asked a million
 * times. */
#define MUST(cond) ((cond) ? (void)0 : _ck_assert_failed(__FILE__, __LINE__, #cond, NULL))

struct fake_origin {
	char name[24];
	unsigned limit;
	size_t flying;
};

struct fake_bucket { /* the world's own books of a rate limit */
	double rate, tokens;
	uint64_t at_us;
};

struct fake_endpoint {
	char name[24];
	unsigned limit;
	struct fake_bucket bucket; /* true from the first group on */
	bool used, removed;        /* removed: the configuration has it no more */
	size_t flying;
};

struct fake_step { /* what one attempt does */
	uint64_t takes_us;
	enum item_code code;
	bool again;              /* asks for another attempt … */
	uint64_t wait_us;        /* … after this */
	struct fake_origin *hop; /* … there; NULL: where the call was addressed to */
};

struct fake_group {
	struct pool_group *handle;
	struct pool_group_options options;
	size_t flying, submitted, returned;
	bool closed;
	enum pool_cancel cancelled; /* as the test knows it */
	struct fake_bucket bucket;
	struct fake_endpoint *endpoint;
	uint64_t window_end; /* as the test knows it */
};

struct fake_call {
	struct call call;
	struct fake_world *world;
	struct fake_group *group;
	struct fake_origin *home, *flies_to; /* flies_to: NULL on the ground */
	struct heap_node landing;
	size_t number; /* order of submission in the world */
	struct fake_step steps[FAKE_STEPS_MAX];
	size_t step_count, starts, returns;
	uint64_t begun_us, returned_us; /* first start; 0: never */
};

struct fake_world {
	uint64_t now_us;
	struct sched *sched;
	size_t max_in_flight, flying, most_flying;
	unsigned default_limit;
	bool checks; /* sched_check after every step */
	struct fake_origin *origins;
	size_t origin_count, endpoint_count;
	struct fake_endpoint endpoints[FAKE_ENDPOINTS_MAX];
	struct heap landings;
	struct fake_call **calls; /* every one ever made */
	size_t call_count, call_room, submitted, returned;
	struct fake_call **starts; /* every start, in order */
	size_t start_count, start_room;
};

static size_t
	fake_guard_refs; /* the guard is none of the scheduler's business but for its reference */

struct guard *guard_ref(struct guard *guard)
{
	fake_guard_refs++;
	return guard;
}

void guard_unref(struct guard *guard)
{
	(void)guard;
	ck_assert_uint_gt(fake_guard_refs, 0);
	fake_guard_refs--;
}

static inline struct fake_origin *world_origin(struct fake_world *world, const char *name)
{
	struct fake_origin *origin;

	for (size_t i = 0; i < world->origin_count; i++) {
		if (strcmp(world->origins[i].name, name) == 0)
			return &world->origins[i];
	}
	MUST(world->origin_count < FAKE_ORIGINS_MAX);
	origin = &world->origins[world->origin_count++];
	snprintf(origin->name, sizeof origin->name, "%s", name);
	origin->limit = world->default_limit;
	return origin;
}

static inline unsigned world_rule(void *self, const struct url *url, size_t *ret_rule)
{
	*ret_rule = FAKE_RULE;
	return world_origin(self, url->origin)->limit;
}

/* An endpoint that bounds nothing, until the test says something else. */
static inline struct fake_endpoint *world_endpoint(struct fake_world *world, const char *name)
{
	struct fake_endpoint *endpoint;

	for (size_t i = 0; i < world->endpoint_count; i++) {
		if (strcmp(world->endpoints[i].name, name) == 0)
			return &world->endpoints[i];
	}
	MUST(world->endpoint_count < FAKE_ENDPOINTS_MAX);
	endpoint = &world->endpoints[world->endpoint_count++];
	snprintf(endpoint->name, sizeof endpoint->name, "%s", name);
	endpoint->limit = UINT_MAX;
	return endpoint;
}

static inline bool world_endpoint_rule(void *self, const char *name, struct sched_bound *ret_bound)
{
	const struct fake_endpoint *endpoint = world_endpoint(self, name);

	if (endpoint->removed)
		return false;
	*ret_bound = (struct sched_bound){endpoint->limit, endpoint->bucket.rate};
	return true;
}

static inline double world_tokens(const struct fake_bucket *bucket, uint64_t now_us)
{
	double most = bucket->rate > 1 ? bucket->rate : 1;
	double tokens = bucket->tokens + (double)(now_us - bucket->at_us) / 1e6 * bucket->rate;

	return tokens < most ? tokens : most;
}

/* What a reload says of the endpoint; sched_set_bounds tells it. */
static inline void world_bound(
	const struct fake_world *world, struct fake_endpoint *endpoint, unsigned limit, double rate)
{
	struct fake_bucket *bucket = &endpoint->bucket;
	bool had = bucket->rate > 0;
	double tokens = had ? world_tokens(bucket, world->now_us) : 1;

	*bucket = (struct fake_bucket){rate, tokens, world->now_us};
	bucket->tokens = world_tokens(bucket, world->now_us);
	endpoint->limit = limit;
}

static inline void world_init(struct fake_world *world, size_t max_in_flight, size_t queue_limit)
{
	struct sched_options options = {.max_in_flight = max_in_flight,
		.queue_limit = queue_limit,
		.upstream_rule = world_rule,
		.endpoint_rule = world_endpoint_rule,
		.self = world};

	*world = (struct fake_world){.now_us = 1000 * SECOND,
		.max_in_flight = max_in_flight,
		.default_limit = 128,
		.checks = true,
		.origins = mem_new(FAKE_ORIGINS_MAX * sizeof(struct fake_origin))};
	heap_init(&world->landings);
	MUST(sched_new(&options, &world->sched) == ERR_OK);
}

static inline struct caller *world_caller(const char *name)
{
	struct caller *caller = caller_new(name, true, false);

	MUST(caller);
	return caller;
}

/* Options that bind nothing; the caller's reference is borrowed. */
static inline struct pool_group_options world_options(struct caller *caller)
{
	return (struct pool_group_options){
		.caller = caller, .concurrency = 1000000, .deadline_us = CLOCK_NEVER};
}

static inline enum err_code world_group_try(
	struct fake_world *world, struct fake_group *group, struct pool_group_options options)
{
	enum err_code code;

	*group = (struct fake_group){.options = options,
		.bucket = {options.rate_per_s, 1, world->now_us},
		.window_end = UINT64_MAX};
	code = sched_group_new(world->sched, &options, world->now_us, &group->handle);
	if (code != ERR_OK)
		return code;
	group->cancelled = sched_group_cancelled(group->handle);
	if (!options.endpoint)
		return ERR_OK;
	group->endpoint = world_endpoint(world, options.endpoint);
	if (!group->endpoint->used) {
		group->endpoint->bucket.tokens = 1;
		group->endpoint->bucket.at_us = world->now_us;
		group->endpoint->used = true;
	}
	return ERR_OK;
}

static inline void world_group(
	struct fake_world *world, struct fake_group *group, struct pool_group_options options)
{
	MUST(world_group_try(world, group, options) == ERR_OK);
}

/* A call that succeeds after 10 ms, until its script says something else. */
static inline struct fake_call *world_call(struct fake_world *world, const char *origin)
{
	static const struct retry_policy none = {.max_attempts = 1};
	struct fake_call *fake = mem_new(sizeof *fake);

	fake->world = world;
	fake->home = world_origin(world, origin);
	fake->call.request.url = (struct url){
		.text = fake->home->name, .host = fake->home->name, .origin = fake->home->name};
	fake->call.request.timeout_us = 30 * SECOND;
	fake->call.request.retry = &none;
	fake->steps[0] = (struct fake_step){.takes_us = 10 * MS};
	fake->step_count = 1;
	if (world->call_count == world->call_room) {
		world->call_room = world->call_room ? world->call_room * 2 : 64;
		world->calls =
			mem_resize(world->calls, world->call_room * sizeof(struct fake_call *));
	}
	world->calls[world->call_count++] = fake;
	MUST(heap_reserve(&world->landings, world->call_count) == ERR_OK);
	return fake;
}

static inline void world_check(const struct fake_world *world)
{
	if (world->checks)
		sched_check(world->sched);
}

static inline enum err_code world_submit(struct fake_world *world, struct fake_group *group,
	struct fake_call *const *fakes, size_t count)
{
	struct call **calls = mem_new(count * sizeof(struct call *));
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		calls[i] = &fakes[i]->call;
		calls[i]->position = group->submitted + i;
	}
	code = sched_submit(world->sched, group->handle, calls, count, world->now_us);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		fakes[i]->group = group;
		fakes[i]->number = world->submitted++;
		group->submitted++;
	}
	mem_free(calls);
	world_check(world);
	return code;
}

/* Makes `count` calls to `origin` that take `takes_us` each and submits them; the first one is
 * given. */
static inline struct fake_call **world_submit_many(struct fake_world *world,
	struct fake_group *group, const char *origin, size_t count, uint64_t takes_us)
{
	struct fake_call **fakes = mem_new(count * sizeof(struct fake_call *));
	size_t first = world->call_count;

	for (size_t i = 0; i < count; i++) {
		fakes[i] = world_call(world, origin);
		fakes[i]->steps[0].takes_us = takes_us;
	}
	MUST(world_submit(world, group, fakes, count) == ERR_OK);
	mem_free(fakes);
	return &world->calls[first];
}

static inline struct fake_call *world_submit_one(
	struct fake_world *world, struct fake_group *group, const char *origin, uint64_t takes_us)
{
	return world_submit_many(world, group, origin, 1, takes_us)[0];
}

static inline void world_returned(struct fake_call *fake)
{
	MUST(++fake->returns == 1);
	fake->returned_us = fake->world->now_us;
	fake->world->returned++;
	fake->group->returned++;
}

/* Calls that ended without an attempt come back as a worker would bring them. */
static inline void world_collect(struct fake_world *world)
{
	struct list_node ended;

	sched_take_ended(world->sched, &ended);
	MUST(!sched_has_ended(world->sched));
	while (!list_empty(&ended)) {
		struct call *call = LIST_OF(list_pop(&ended), struct call, sched.link);

		MUST(call->sched.end != CALL_END_NONE);
		call_end(call);
		world_returned(LIST_OF(call, struct fake_call, call));
	}
}

static inline void world_take_token(struct fake_world *world, struct fake_bucket *bucket)
{
	if (bucket->rate <= 0)
		return;
	bucket->tokens = world_tokens(bucket, world->now_us);
	bucket->at_us = world->now_us;
	MUST(bucket->tokens > 1 - 1e-3); /* else it started past the rate */
	bucket->tokens -= 1;
}

static inline void world_log_start(struct fake_world *world, struct fake_call *fake)
{
	if (world->start_count == world->start_room) {
		world->start_room = world->start_room ? world->start_room * 2 : 256;
		world->starts =
			mem_resize(world->starts, world->start_room * sizeof(struct fake_call *));
	}
	world->starts[world->start_count++] = fake;
}

static inline void world_take_off(struct fake_world *world, struct call *call)
{
	struct fake_call *fake = LIST_OF(call, struct fake_call, call);
	struct fake_step *step = &fake->steps[fake->starts];
	enum pool_cancel cancelled = sched_group_cancelled(call->group);

	MUST(call->sched.state == CALL_RUNNING);
	MUST(cancelled == POOL_RUNNING || (cancelled == POOL_STOP_ON_ERROR && fake->starts > 0));
	MUST(!fake->flies_to);
	MUST(fake->starts < fake->step_count);
	MUST(fake->starts > 0 || call->position < fake->group->window_end);
	MUST(fake->returns == 0);
	if (fake->starts++ == 0)
		fake->begun_us = world->now_us;
	fake->flies_to = world_origin(world, call_url(call)->origin);
	MUST(world->flying < world->max_in_flight);
	MUST(fake->flies_to->flying < fake->flies_to->limit);
	MUST(fake->group->flying < fake->group->options.concurrency);
	world->flying++;
	fake->flies_to->flying++;
	fake->group->flying++;
	if (world->flying > world->most_flying)
		world->most_flying = world->flying;
	world_take_token(world, &fake->group->bucket);
	if (fake->group->endpoint) {
		MUST(fake->group->endpoint->flying++ < fake->group->endpoint->limit);
		world_take_token(world, &fake->group->endpoint->bucket);
	}
	world_log_start(world, fake);
	if (step->takes_us != CLOCK_NEVER)
		heap_set(&world->landings, &fake->landing, world->now_us + step->takes_us);
}

/* What a worker does whenever it has a moment: what is due, what may start, what ended. */
static inline void world_pump(struct fake_world *world)
{
	struct call *call;

	sched_expire(world->sched, world->now_us);
	world_check(world);
	while ((call = sched_pick(world->sched, world->now_us))) {
		world_take_off(world, call);
		world_check(world);
	}
	MUST(!sched_has_ready(world->sched));
	world_collect(world);
	world_check(world);
}

static inline void world_land(struct fake_world *world, struct fake_call *fake)
{
	struct fake_step *step = &fake->steps[fake->starts - 1];
	struct call *call = &fake->call;

	heap_remove(&world->landings, &fake->landing);
	world->flying--;
	fake->flies_to->flying--;
	fake->group->flying--;
	if (fake->group->endpoint)
		fake->group->endpoint->flying--;
	fake->flies_to = NULL;
	call->outcome.code = step->code;
	call->outcome.attempts++;
	call->again = step->again;
	call->again_us = world->now_us + step->wait_us;
	call->hop = step->again && step->hop ? (struct url){.text = step->hop->name,
						       .host = step->hop->name,
						       .origin = step->hop->name}
					     : (struct url){0};
	sched_give_back(world->sched, call, world->now_us);
	if (!step->again)
		world_returned(fake);
	world_check(world);
}

static inline uint64_t world_next_us(const struct fake_world *world)
{
	uint64_t landing = heap_due(&world->landings), due = sched_due_us(world->sched);

	return landing < due ? landing : due;
}

/* Pumps, then jumps to the next event and lets it happen; false where nothing will ever happen any
 * more. */
static inline bool world_step(struct fake_world *world)
{
	uint64_t next;

	world_pump(world);
	next = world_next_us(world);
	if (next == CLOCK_NEVER)
		return false;
	MUST(next + 1 > world->now_us);
	world->now_us = next;
	while (heap_due(&world->landings) <= world->now_us)
		world_land(world, LIST_OF(heap_first(&world->landings), struct fake_call, landing));
	return true;
}

static inline void world_run_until(struct fake_world *world, uint64_t until_us)
{
	for (world_pump(world); world_next_us(world) <= until_us; world_pump(world))
		world_step(world);
	if (world->now_us < until_us)
		world->now_us = until_us;
}

static inline void world_run(struct fake_world *world)
{
	while (world->returned < world->submitted && world_step(world))
		continue;
	ck_assert_msg(world->returned == world->submitted, "%zu calls are stuck",
		world->submitted - world->returned);
}

static inline void world_cancel(
	struct fake_world *world, struct fake_group *group, enum pool_cancel why)
{
	sched_cancel(world->sched, group->handle, why);
	if (group->cancelled == POOL_RUNNING || group->cancelled == POOL_STOP_ON_ERROR)
		group->cancelled = why;
	world_check(world);
}

static inline void world_window(struct fake_world *world, struct fake_group *group, uint64_t end)
{
	group->window_end = end;
	sched_window(world->sched, group->handle, end);
	world_check(world);
}

static inline void world_close(struct fake_world *world, struct fake_group *group)
{
	sched_group_close(world->sched, group->handle);
	group->closed = true;
	world_check(world);
}

static inline struct pool_stats world_stats(const struct fake_world *world)
{
	struct pool_stats stats;

	sched_stats(world->sched, &stats);
	return stats;
}

/* Every call must be back and every group closed; the scheduler must hold nothing then. */
static inline void world_free(struct fake_world *world)
{
	struct pool_stats stats = world_stats(world);

	ck_assert_uint_eq(world->returned, world->submitted);
	ck_assert_uint_eq(
		stats.in_flight + stats.queued + stats.groups + stats.callers + stats.upstreams, 0);
	ck_assert_uint_eq(sched_due_us(world->sched), CLOCK_NEVER);
	ck_assert_uint_eq(fake_guard_refs, 0);
	sched_destroy(world->sched);
	for (size_t i = 0; i < world->call_count; i++) {
		call_free_outcome(&world->calls[i]->call);
		mem_free(world->calls[i]);
	}
	mem_free(world->calls);
	mem_free(world->starts);
	mem_free(world->origins);
	heap_free(&world->landings);
}
#endif
