/* one_group.h - a world with one caller and one group, and what its tests ask of a call. */
#ifndef TESTS_ONE_GROUP_H
#define TESTS_ONE_GROUP_H
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

static struct fake_world world;
static struct caller *ann;
static struct fake_group group;

static inline void begin_with(size_t max_in_flight, struct pool_group_options options)
{
	world_init(&world, max_in_flight, 100000);
	ann = world_caller("ann");
	options.caller = ann;
	world_group(&world, &group, options);
}

static inline void begin(void)
{
	begin_with(100, world_options(NULL));
}

static inline void finish(void)
{
	if (!group.closed)
		world_close(&world, &group);
	world_run(&world);
	world_free(&world);
	caller_unref(ann);
}

static inline void check_end(
	const struct fake_call *fake, enum item_code code, enum item_reason reason)
{
	ck_assert_uint_eq(fake->returns, 1);
	ck_assert_int_eq(fake->call.outcome.code, code);
	ck_assert_int_eq(fake->call.outcome.reason, reason);
}

/* The first attempt asks for another one after `wait_us`. */
static inline void retry_after(struct fake_call *fake, uint64_t wait_us)
{
	fake->steps[0].code = ITEM_UPSTREAM_STATUS;
	fake->steps[0].again = true;
	fake->steps[0].wait_us = wait_us;
	fake->steps[1] = (struct fake_step){.takes_us = 10 * MS};
	fake->step_count = 2;
}
#endif
