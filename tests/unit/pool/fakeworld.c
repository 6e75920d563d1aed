/* fakeworld.c - a clock, an upstream side and workers that exist only in a test, around the real
 * scheduler. */
#include "tests/unit/pool/fakeworld.h"

#include "tests/unit/pool/fakeworld_books.h"

struct fake_origin *world_origin(struct fake_world *world, const char *name)
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

static void world_rule(void *self, const struct url *url, struct upstream_rule *ret_rule)
{
	static struct upstream_counts sum;
	const struct fake_origin *origin = world_origin(self, url->origin);

	*ret_rule = (struct upstream_rule){.concurrency = origin->limit,
		.rate_per_s = origin->bucket.rate,
		.breaker = origin->rule,
		.retry_percent = origin->retry_percent,
		.index = FAKE_RULE,
		.sum = &sum};
}

struct fake_endpoint *world_endpoint(struct fake_world *world, const char *name)
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

static bool world_endpoint_rule(void *self, const char *name, struct sched_bound *ret_bound)
{
	const struct fake_endpoint *endpoint = world_endpoint(self, name);

	if (endpoint->removed)
		return false;
	*ret_bound = (struct sched_bound){endpoint->limit, endpoint->bucket.rate};
	return true;
}

void world_init(struct fake_world *world, size_t max_in_flight, size_t queue_limit)
{
	struct sched_options options = {.max_in_flight = max_in_flight,
		.queue_limit = queue_limit,
		.upstream_rule = world_rule,
		.endpoint_rule = world_endpoint_rule,
		.self = world};

	*world = (struct fake_world){.now_us = 1000 * SECOND,
		.max_in_flight = max_in_flight,
		.queue_limit = queue_limit,
		.default_limit = 128,
		.checks = true,
		.origins = mem_new(FAKE_ORIGINS_MAX * sizeof(struct fake_origin))};
	heap_init(&world->landings);
	MUST(sched_new(&options, &world->sched) == ERR_OK);
}

struct caller *world_caller(const char *name)
{
	struct caller *caller = caller_new(name, true, false);

	MUST(caller);
	return caller;
}

struct pool_group_options world_options(struct caller *caller)
{
	return (struct pool_group_options){
		.caller = caller, .concurrency = 1000000, .deadline_us = CLOCK_NEVER};
}

enum err_code world_group_try(
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

void world_group(
	struct fake_world *world, struct fake_group *group, struct pool_group_options options)
{
	MUST(world_group_try(world, group, options) == ERR_OK);
}

struct fake_call *world_call(struct fake_world *world, const char *origin)
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

void world_check(const struct fake_world *world)
{
	if (world->checks)
		sched_check(world->sched);
}

enum err_code world_submit(struct fake_world *world, struct fake_group *group,
	struct fake_call *const *fakes, size_t count)
{
	struct call **calls = mem_new(count * sizeof(struct call *));
	enum err_code code;

	for (size_t i = 0; i < count; i++) {
		calls[i] = &fakes[i]->call;
		calls[i]->position = group->submitted + i;
	}
	code = sched_submit(world->sched, group->handle, calls, count, world->now_us);
	for (size_t i = 0; i < count; i++)
		if (!fakes[i]->home->used)
			world_use(world, fakes[i]->home);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		fakes[i]->group = group;
		fakes[i]->number = world->submitted++;
		group->submitted++;
	}
	mem_free(calls);
	world_check(world);
	return code;
}

struct fake_call **world_submit_many(struct fake_world *world, struct fake_group *group,
	const char *origin, size_t count, uint64_t takes_us)
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

struct fake_call *world_submit_one(
	struct fake_world *world, struct fake_group *group, const char *origin, uint64_t takes_us)
{
	return world_submit_many(world, group, origin, 1, takes_us)[0];
}

static void world_returned(struct fake_call *fake)
{
	MUST(++fake->returns == 1);
	fake->returned_us = fake->world->now_us;
	fake->world->returned++;
	fake->group->returned++;
}

void world_collect(struct fake_world *world)
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

static void world_log_start(struct fake_world *world, struct fake_call *fake)
{
	if (world->start_count == world->start_room) {
		world->start_room = world->start_room ? world->start_room * 2 : 256;
		world->starts =
			mem_resize(world->starts, world->start_room * sizeof(struct fake_call *));
	}
	world->starts[world->start_count++] = fake;
}

static void world_take_off(struct fake_world *world, struct call *call)
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
	world_check_upstream(world, fake);
	MUST(world->flying < world->max_in_flight);
	MUST(fake->flies_to->flying < fake->flies_to->limit);
	MUST(fake->group->flying < fake->group->options.concurrency);
	world->flying++;
	fake->flies_to->flying++;
	fake->flies_to->retries_flying += world_is_retry(fake);
	fake->group->flying++;
	if (world->flying > world->most_flying)
		world->most_flying = world->flying;
	world_take_token(world, &fake->group->bucket);
	world_take_token(world, &fake->flies_to->bucket);
	if (fake->group->endpoint) {
		MUST(fake->group->endpoint->flying++ < fake->group->endpoint->limit);
		world_take_token(world, &fake->group->endpoint->bucket);
	}
	world_log_start(world, fake);
	if (step->takes_us != CLOCK_NEVER)
		heap_set(&world->landings, &fake->landing, world->now_us + step->takes_us);
}

void world_pump(struct fake_world *world)
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

void world_land(struct fake_world *world, struct fake_call *fake)
{
	struct fake_step *step = &fake->steps[fake->starts - 1];
	struct call *call = &fake->call;

	heap_remove(&world->landings, &fake->landing);
	world->flying--;
	fake->flies_to->flying--;
	fake->flies_to->retries_flying -= world_is_retry(fake);
	fake->group->flying--;
	if (fake->group->endpoint)
		fake->group->endpoint->flying--;
	call->verdict = world_verdict(step);
	call->pause_us = step->pause_us;
	call->throttled = step->pause_us > 0;
	world_note_verdict(world, fake, call->verdict);
	world_note_pause(world, fake, step->pause_us);
	fake->flies_to = NULL;
	call->outcome.code = step->code;
	call->outcome.attempts++;
	call->again = step->again;
	call->retry = step->again && !step->hop;
	call->again_us = world->now_us + step->wait_us;
	call->hop = step->again && step->hop ? (struct url){.text = step->hop->name,
						       .host = step->hop->name,
						       .origin = step->hop->name}
					     : (struct url){0};
	sched_give_back(world->sched, call, world->now_us);
	if (step->hop && !step->hop->used)
		world_use(world, step->hop);
	if (!step->again)
		world_returned(fake);
	world_check(world);
}

uint64_t world_next_us(const struct fake_world *world)
{
	uint64_t landing = heap_due(&world->landings), due = sched_due_us(world->sched);

	return landing < due ? landing : due;
}

bool world_step(struct fake_world *world)
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

void world_run_until(struct fake_world *world, uint64_t until_us)
{
	for (world_pump(world); world_next_us(world) <= until_us; world_pump(world))
		world_step(world);
	if (world->now_us < until_us)
		world->now_us = until_us;
}

void world_run(struct fake_world *world)
{
	while (world->returned < world->submitted && world_step(world))
		continue;
	ck_assert_msg(world->returned == world->submitted, "%zu calls are stuck",
		world->submitted - world->returned);
}

void world_cancel(struct fake_world *world, struct fake_group *group, enum pool_cancel why)
{
	sched_cancel(world->sched, group->handle, why);
	if (group->cancelled == POOL_RUNNING || group->cancelled == POOL_STOP_ON_ERROR)
		group->cancelled = why;
	world_check(world);
}

void world_window(struct fake_world *world, struct fake_group *group, uint64_t end)
{
	group->window_end = end;
	sched_window(world->sched, group->handle, end);
	world_check(world);
}

void world_close(struct fake_world *world, struct fake_group *group)
{
	sched_group_close(world->sched, group->handle);
	group->closed = true;
	world_check(world);
}

struct pool_stats world_stats(const struct fake_world *world)
{
	struct pool_stats stats;

	sched_stats(world->sched, &stats);
	return stats;
}

struct upstream_info world_info(const struct fake_world *world, const char *origin)
{
	struct upstream_info infos[FAKE_ORIGINS_MAX];
	size_t count = sched_upstreams(world->sched, world->now_us, infos, FAKE_ORIGINS_MAX);

	for (size_t i = 0; i < count; i++)
		if (strcmp(infos[i].origin, origin) == 0)
			return infos[i];
	ck_abort_msg("%s is not known", origin);
}

void world_reload(const struct fake_world *world)
{
	sched_set_bounds(world->sched, world->max_in_flight, world->queue_limit, world->now_us);
	sched_check(world->sched);
}

void world_free(struct fake_world *world)
{
	struct pool_stats stats;

	ck_assert_uint_eq(world->returned, world->submitted);
	sched_expire(
		world->sched, world->now_us + 24 * 3600 * SECOND); /* pauses outlive the work */
	stats = world_stats(world);
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

void world_end(struct fake_world *world)
{
	world_run(world);
	while (world_step(world))
		continue;
	world_free(world);
}
