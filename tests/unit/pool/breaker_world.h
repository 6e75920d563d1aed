/* breaker_world.h - a world in which one upstream has a breaker, to be opened and watched. */
#ifndef TESTS_UNIT_POOL_BREAKER_WORLD_H
#define TESTS_UNIT_POOL_BREAKER_WORLD_H
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

#define DEAD "http://dead:80"
#define WELL "http://well:80"

static const struct breaker_rule usual = {5, 30 * SECOND, 70 * SECOND};

static struct fake_world world;
static struct caller *ann, *bob;
static struct fake_origin *dead;
static struct fake_group killers; /* nothing is said about these */

static inline void begin(size_t max_in_flight)
{
	world_init(&world, max_in_flight, 100000);
	ann = world_caller("ann");
	bob = world_caller("bob");
	dead = world_origin(&world, DEAD);
	dead->rule = usual;
	world_group(&world, &killers, world_options(ann));
}

static inline void finish(void)
{
	world_close(&world, &killers);
	world_end(&world);
	caller_unref(ann);
	caller_unref(bob);
}

static inline void reload(const struct breaker_rule *rule)
{
	world_set_breaker(dead, *rule);
	world_reload(&world);
}

static inline struct fake_call *submit(
	struct fake_group *group, const char *origin, uint64_t takes_us, enum item_code code)
{
	struct fake_call *fake = world_call(&world, origin);

	fake->steps[0] = (struct fake_step){.takes_us = takes_us, .code = code};
	MUST(world_submit(&world, group, &fake, 1) == ERR_OK);
	return fake;
}

static inline void submit_failing(struct fake_group *group, size_t count, uint64_t takes_us)
{
	for (size_t i = 0; i < count; i++)
		submit(group, DEAD, takes_us, ITEM_CONNECT_FAILED);
}

static inline void ck_state(enum breaker_state state)
{
	ck_assert_str_eq(
		breaker_state_text(world_info(&world, DEAD).state), breaker_state_text(state));
}

/* Five failures, 1 ms from now. */
static inline void kill_upstream(void)
{
	submit_failing(&killers, 5, MS);
	world_run_until(&world, world.now_us + MS);
	ck_state(BREAKER_OPEN);
}

static inline void wait_until_half_open(void)
{
	world_run_until(&world, dead->breaker.until_us);
	ck_state(BREAKER_HALF_OPEN);
}

static inline void ck_refused(const struct fake_call *fake, size_t starts)
{
	ck_assert_uint_eq(fake->returns, 1);
	ck_assert_uint_eq(fake->starts, starts);
	ck_assert_int_eq(fake->call.sched.end, CALL_END_CIRCUIT_OPEN);
	ck_assert_int_eq(fake->call.outcome.code, ITEM_CIRCUIT_OPEN);
}

static inline void ck_all_refused(struct fake_call *const *fakes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_refused(fakes[i], 0);
}

/* Ten calls of ann and bob, in turns, of which the first goes ahead and the others wait. */
static inline void submit_to_half_open(
	struct fake_group *anns, struct fake_group *bobs, struct fake_call **ret_calls)
{
	world_group(&world, anns, world_options(ann));
	world_group(&world, bobs, world_options(bob));
	for (size_t i = 0; i < 10; i++)
		ret_calls[i] = submit(i % 2 ? bobs : anns, DEAD, 10 * MS, ITEM_OK);
	world_pump(&world);
	ck_assert_uint_eq(dead->flying, 1);
	ck_assert_uint_eq(ret_calls[0]->starts, 1);
	ck_assert_uint_eq(world_info(&world, DEAD).queued, 9);
}
#endif
