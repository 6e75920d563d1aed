/* pause_world.h - a world with two callers, one of whom an upstream asks to wait. */
#ifndef TESTS_UNIT_POOL_PAUSE_WORLD_H
#define TESTS_UNIT_POOL_PAUSE_WORLD_H
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

#define HERE "http://here:80"
#define THERE "http://there:80"
#define START (1000 * SECOND)

static struct fake_world world;
static struct caller *ann, *bob;
static struct fake_origin *here;
static struct fake_group anns, bobs;

static inline void begin(void)
{
	world_init(&world, 1000, 100000);
	ann = world_caller("ann");
	bob = world_caller("bob");
	here = world_origin(&world, HERE);
	world_group(&world, &anns, world_options(ann));
	world_group(&world, &bobs, world_options(bob));
}

static inline void close_both(void)
{
	world_close(&world, &anns);
	world_close(&world, &bobs);
}

static inline void finish(void)
{
	close_both();
	world_end(&world);
	caller_unref(ann);
	caller_unref(bob);
}

static inline struct fake_call *make_throttled(uint64_t takes_us, uint64_t pause_us)
{
	struct fake_call *fake = world_call(&world, HERE);

	fake->steps[0] = (struct fake_step){
		.takes_us = takes_us, .code = ITEM_UPSTREAM_STATUS, .pause_us = pause_us};
	return fake;
}

static inline struct fake_call *submit_throttled(
	struct fake_group *group, uint64_t takes_us, uint64_t pause_us)
{
	struct fake_call *fake = make_throttled(takes_us, pause_us);

	MUST(world_submit(&world, group, &fake, 1) == ERR_OK);
	return fake;
}

/* Ann is asked to wait so long, 1 ms from now. */
static inline void pause_ann(uint64_t pause_us)
{
	submit_throttled(&anns, MS, pause_us);
	world_run_until(&world, world.now_us + MS);
}

static inline struct fake_call *submit_one(struct fake_group *group, const char *origin)
{
	return world_submit_one(&world, group, origin, MS);
}

static inline void ck_end(const struct fake_call *fake, enum call_end end)
{
	ck_assert_uint_eq(fake->returns, 1);
	ck_assert_int_eq(fake->call.sched.end, end);
	ck_assert_int_eq(fake->call.outcome.code,
		end == CALL_END_PAUSED ? ITEM_RATE_LIMITED : fake->call.outcome.code);
}
#endif
