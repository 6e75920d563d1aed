/* test_sched_random.c - thousands of random schedules: whatever happens, every call comes back
 * once, no bound is passed and nothing is left waiting that could start. A failure names its loop
 * of worlds (random:name:N); SCHED_LOOP=N runs that one again. */
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

#ifdef __SANITIZE_THREAD__
enum { WORLDS = 1000 }; /* one thread: there is no race to be found here */
#else
enum { WORLDS = 3000 };
#endif

enum {
	WORLDS_A_LOOP = 50,
	CALLERS = 3,
	GROUPS = 8,
	ORIGINS = 4,
	ENDPOINTS = 2,
	CALLS = 150,
	OPERATIONS = 120
};

static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * UINT64_C(2685821657736338717) >> 11;
}

static uint64_t below(uint64_t n)
{
	return draw() % n;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

struct place { /* one random world and who lives in it */
	struct fake_world world;
	struct caller *callers[CALLERS];
	struct fake_group groups[GROUPS];
	size_t group_count, in_step;
	struct fake_origin *origins[ORIGINS];
	struct fake_endpoint *endpoints[ENDPOINTS];
	bool ended;  /* cancel_all was called */
	bool stormy; /* much in flight at few origins, most of it retries */
};

/* It never bounds nothing at all, so that the scheduler keeps it, and its tokens, to the end. */
static void bound_endpoint(struct place *place, struct fake_endpoint *endpoint)
{
	static const double rates[] = {0, 0, 0.7, 5, 40, 1000};
	double rate = rates[below(sizeof rates / sizeof *rates)];

	world_bound(&place->world, endpoint,
		chance(20) && rate > 0 ? UINT_MAX : 1 + (unsigned)below(chance(50) ? 2 : 10), rate);
}

static double random_rate(void)
{
	static const double rates[] = {0, 0, 0, 0, 3, 40, 1000};

	return rates[below(sizeof rates / sizeof *rates)];
}

static struct breaker_rule random_breaker(void)
{
	uint64_t open_us = 1 + below(200 * MS);

	if (chance(50))
		return (struct breaker_rule){0};
	return (struct breaker_rule){1 + (unsigned)below(4), open_us, open_us + below(500 * MS)};
}

static struct pool_group_options random_options(struct place *place)
{
	static const double rates[] = {0, 0, 0, 0.7, 5, 40, 1000};

	return (struct pool_group_options){.caller = place->callers[below(CALLERS)],
		.concurrency = 1 + (unsigned)below(chance(50) ? 3 : 30),
		.deadline_us = chance(70) ? CLOCK_NEVER : place->world.now_us + below(2 * SECOND),
		.rate_per_s = rates[below(sizeof rates / sizeof *rates)],
		.stop_on_error = chance(20),
		.endpoint = chance(40) ? NULL : place->endpoints[below(ENDPOINTS)]->name};
}

/* An outcome of one attempt; the last one asks for no other. */
static struct fake_step random_step(struct place *place, bool last)
{
	struct fake_step step = {.takes_us = below(chance(90) ? 30 * MS : SECOND)};

	step.code = chance(70)   ? ITEM_OK
		    : chance(40) ? ITEM_UPSTREAM_STATUS
		    : chance(80) ? ITEM_CONNECT_FAILED
				 : ITEM_TIMEOUT;
	if (step.code == ITEM_UPSTREAM_STATUS && chance(30))
		step.pause_us = 1 + below(chance(90) ? 200 * MS : 3 * SECOND);
	if (last)
		return step;
	step.again = true;
	step.wait_us = chance(40) ? 0 : below(200 * MS);
	step.hop = chance(30) ? place->origins[below(ORIGINS)] : NULL;
	return step;
}

static struct fake_call *random_call(struct place *place)
{
	size_t origin = place->stormy && chance(80) ? 0 : below(ORIGINS);
	struct fake_call *fake = world_call(&place->world, place->origins[origin]->name);

	fake->call.request.timeout_us = chance(80) ? 30 * SECOND : 1 + below(300 * MS);
	fake->step_count = chance(place->stormy ? 10 : 70) ? 1 : 1 + below(FAKE_STEPS_MAX);
	for (size_t i = 0; i < fake->step_count; i++)
		fake->steps[i] = random_step(place, i + 1 == fake->step_count);
	return fake;
}

static struct fake_group *open_group(struct place *place)
{
	size_t from = below(place->group_count ? place->group_count : 1);

	for (size_t i = 0; i < place->group_count; i++) {
		struct fake_group *group = &place->groups[(from + i) % place->group_count];

		if (!group->closed)
			return group;
	}
	return NULL;
}

static void do_submit(struct place *place)
{
	struct fake_group *group = open_group(place);
	struct fake_call *fakes[30];
	size_t count = 1 + below(chance(80) ? 5 : 30), before = world_stats(&place->world).queued;
	enum err_code code;

	if (!group || place->world.call_count + count > CALLS)
		return;
	for (size_t i = 0; i < count; i++)
		fakes[i] = random_call(place);
	mem_fail_at(chance(10) ? 1 + below(20) : 0);
	code = world_submit(&place->world, group, fakes, count);
	MUST(code == ERR_OK || code == ERR_BUSY || (code == ERR_NOMEM && mem_failed()));
	mem_fail_at(0);
	if (code != ERR_OK)
		MUST(world_stats(&place->world).queued == before);
	if (code == ERR_NOMEM) {
		code = world_submit(&place->world, group, fakes, count);
		MUST(code == ERR_OK);
	} else if (code == ERR_BUSY) {
		for (size_t i = 0; i < count; i++)
			fakes[i]->starts = SIZE_MAX; /* it will never be called */
	}
}

static void do_group(struct place *place)
{
	struct fake_group *group = &place->groups[place->group_count];
	enum err_code code;

	if (place->group_count == GROUPS)
		return;
	mem_fail_at(chance(10) ? 1 + below(4) : 0);
	code = world_group_try(&place->world, group, random_options(place));
	MUST(code == ERR_OK || mem_failed());
	mem_fail_at(0);
	sched_check(place->world.sched);
	place->group_count += code == ERR_OK;
}

static void do_cancel(struct place *place)
{
	static const enum pool_cancel whys[] = {POOL_STOP_ON_ERROR, POOL_CLIENT_GONE, POOL_DRAIN};
	struct fake_group *group = open_group(place);

	if (group)
		world_cancel(&place->world, group, whys[below(3)]);
}

static void do_window(struct place *place)
{
	struct fake_group *group = open_group(place);

	if (group)
		world_window(&place->world, group, chance(30) ? UINT64_MAX : below(40));
}

static void do_close(struct place *place, struct fake_group *group)
{
	world_window(&place->world, group, UINT64_MAX); /* else it would wait for ever */
	world_close(&place->world, group);
}

/* Something waits for nothing but its group's window. */
static bool any_held(const struct place *place)
{
	for (size_t i = 0; i < place->world.call_count; i++) {
		const struct fake_call *fake = place->world.calls[i];

		if (fake->group && !fake->returns && fake->call.position >= fake->group->window_end)
			return true;
	}
	return false;
}

/* A draw a statement: the same seed is the same world with every compiler. */
static void reload_rate(struct place *place)
{
	struct fake_origin *origin = place->origins[below(ORIGINS)];

	world_set_rate(&place->world, &origin->bucket, random_rate());
}

static void reload_breaker(struct place *place)
{
	struct fake_origin *origin = place->origins[below(ORIGINS)];

	world_set_breaker(origin, random_breaker());
}

static void do_reload(struct place *place)
{
	place->world.max_in_flight = 1 + below(12);
	place->origins[below(ORIGINS)]->limit = 1 + (unsigned)below(6);
	if (chance(30))
		reload_rate(place);
	if (chance(30))
		reload_breaker(place);
	if (chance(70))
		bound_endpoint(place, place->endpoints[below(ENDPOINTS)]);
	sched_set_bounds(place->world.sched, place->world.max_in_flight, 20 + below(100),
		place->world.now_us);
	sched_check(place->world.sched);
}

static void do_cancel_all(struct place *place)
{
	sched_cancel_all(place->world.sched, POOL_DRAIN);
	for (size_t i = 0; i < place->group_count; i++) {
		if (place->groups[i].cancelled <= POOL_STOP_ON_ERROR)
			place->groups[i].cancelled = POOL_DRAIN;
	}
	place->ended = true;
	sched_check(place->world.sched);
}

static bool lacks_token(const struct fake_world *world, const struct fake_bucket *bucket)
{
	return bucket->rate > 0 && world_tokens(bucket, world->now_us) < 1 + 3e-6 * bucket->rate;
}

static bool is_paused(const struct fake_world *world, const struct fake_origin *origin,
	const struct fake_group *group)
{
	for (size_t i = 0; i < FAKE_PAUSES_MAX; i++)
		if (origin->pauses[i].caller == group->options.caller &&
			origin->pauses[i].until_us > world->now_us)
			return true;
	return false;
}

/* Its breaker, or the budget of its retries, keeps the call. */
static bool is_kept(const struct fake_origin *origin, const struct fake_call *fake)
{
	size_t share = origin->flying * origin->retry_percent / 100;

	MUST(!origin->breaker.open || origin->breaker.until_us <= fake->world->now_us);
	if (origin->breaker.open && origin->breaker.probe)
		return true;
	return origin->retry_percent && fake->call.retry &&
	       origin->retries_flying >= (share > 3 ? share : 3);
}

/* Nothing that could start is left over, by the books of the world alone. */
static void check_nothing_waits_in_vain(struct place *place)
{
	struct fake_world *world = &place->world;

	if (world->flying >= world->max_in_flight)
		return;
	for (size_t i = 0; i < world->call_count; i++) {
		struct fake_call *fake = world->calls[i];
		struct fake_group *group = fake->group;
		const struct fake_origin *origin =
			world_origin(world, call_url(&fake->call)->origin);

		if (!group || fake->returns || fake->flies_to ||
			fake->call.sched.state != CALL_QUEUED ||
			(!fake->starts && fake->call.position >= group->window_end))
			continue;
		MUST(group->flying >= group->options.concurrency ||
			lacks_token(world, &group->bucket) || origin->flying >= origin->limit ||
			lacks_token(world, &origin->bucket) || is_paused(world, origin, group) ||
			is_kept(origin, fake) ||
			(group->endpoint && (group->endpoint->flying >= group->endpoint->limit ||
						    lacks_token(world, &group->endpoint->bucket))));
	}
}

/* Starts since the last look were allowed: not of a cancelled group (but for what stop_on_error
 * lets finish), not past the batch's clock, in the order of submission within a run. */
static void check_starts(struct place *place, size_t from)
{
	struct fake_world *world = &place->world;

	for (size_t i = from; i < world->start_count; i++) {
		struct fake_call *fake = world->starts[i];

		ck_assert(fake->group->cancelled == POOL_RUNNING ||
			  (fake->group->cancelled == POOL_STOP_ON_ERROR && fake->starts > 1));
		MUST(world->now_us < fake->group->options.deadline_us);
		if (fake->starts > 1) {
			MUST(world->now_us < fake->call.deadline_us);
			continue;
		}
		for (size_t j = 0; j < world->call_count; j++) {
			struct fake_call *other = world->calls[j];

			MUST(other->group != fake->group || other->home != fake->home ||
				other->number > fake->number || other->starts || other->returns);
		}
	}
}

/* A failed call of a stop_on_error group stops it: the scheduler knows first. */
static void learn_stops(struct place *place)
{
	world_collect(&place->world); /* a closed group whose calls are back is gone */
	for (size_t i = 0; i < place->group_count; i++) {
		struct fake_group *group = &place->groups[i];

		if (!group->closed || group->returned < group->submitted)
			group->cancelled = sched_group_cancelled(group->handle);
	}
}

static void move_on(struct place *place)
{
	struct fake_world *world = &place->world;
	struct pool_stats stats;
	uint64_t next;
	size_t from = world->start_count;

	learn_stops(place);
	world_pump(world);
	sched_check(world->sched);
	check_starts(place, from);
	check_nothing_waits_in_vain(place);
	stats = world_stats(world);
	MUST(stats.in_flight == world->flying);
	MUST(stats.in_flight + stats.queued == world->submitted - world->returned);
	next = world_next_us(world);
	if (world->flying == 0 && stats.queued > 0 && !any_held(place))
		MUST(next > world->now_us && next != CLOCK_NEVER);
	if (next == CLOCK_NEVER)
		return;
	mem_fail_at(chance(3) ? 1 + below(3) : 0);
	if (chance(10) && next > world->now_us)
		world->now_us += below(next - world->now_us);
	else
		world_step(world);
	mem_fail_at(0);
}

static void do_anything(struct place *place)
{
	uint64_t what = below(100);

	if (what < 30)
		do_submit(place);
	else if (what < 40)
		do_group(place);
	else if (what < 42)
		do_cancel(place);
	else if (what < 45)
		do_reload(place);
	else if (what < 48 && place->group_count > 0) {
		struct fake_group *group = open_group(place);

		if (group)
			do_close(place, group);
	} else if (what < 54) {
		do_window(place);
	} else if (what == 54 && chance(3)) {
		do_cancel_all(place);
	} else {
		move_on(place);
	}
}

static void run_world(uint64_t seed)
{
	struct place *place = mem_new(sizeof *place);
	struct fake_world *world = &place->world;

	state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	place->stormy = chance(15);
	world_init(world, 1 + below(place->stormy ? 60 : 12), 40 + below(80));
	for (size_t i = 0; i < CALLERS; i++)
		place->callers[i] = world_caller((const char *[]){"ann", "bob", "cy"}[i]);
	for (size_t i = 0; i < ORIGINS; i++) {
		place->origins[i] = world_origin(world, (const char *[]){"a", "b", "c", "d"}[i]);
		place->origins[i]->limit = 1 + (unsigned)below(place->stormy ? 40
							       : chance(50)  ? 2
									     : 10);
		place->origins[i]->bucket.rate = random_rate();
		place->origins[i]->rule = random_breaker();
		place->origins[i]->retry_percent = chance(50) ? 0 : 1 + (unsigned)below(60);
	}
	for (size_t i = 0; i < ENDPOINTS; i++) {
		place->endpoints[i] = world_endpoint(world, (const char *[]){"x", "y"}[i]);
		bound_endpoint(place, place->endpoints[i]);
	}
	world->checks = false; /* after every operation is often enough */
	do_group(place);
	for (size_t i = 0; i < OPERATIONS; i++) {
		do_anything(place);
		sched_check(world->sched);
	}
	for (size_t i = 0; i < place->group_count; i++) {
		if (!place->groups[i].closed)
			do_close(place, &place->groups[i]);
	}
	for (size_t i = 0; world->returned < world->submitted; i++) {
		MUST(i < 100000);
		move_on(place);
	}
	world_free(world);
	for (size_t i = 0; i < CALLERS; i++)
		caller_unref(place->callers[i]);
	mem_free(place);
}

START_TEST(whatever_happens_every_call_comes_back_once_and_no_bound_is_passed)
{
	for (int i = 1; i <= WORLDS_A_LOOP; i++)
		run_world((uint64_t)_i * WORLDS_A_LOOP + (uint64_t)i);
}
END_TEST

int main(void)
{
	const char *one = getenv("SCHED_LOOP");
	int first = one ? atoi(one) : 0, last = one ? first + 1 : WORLDS / WORLDS_A_LOOP;
	Suite *suite = suite_create("sched_random");
	TCase *tcase = tcase_create("random");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 280);
	tcase_add_loop_test(tcase,
		whatever_happens_every_call_comes_back_once_and_no_bound_is_passed, first, last);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
