/* upstream_world.h - a world with two callers and an upstream that has a rate or a retry budget. */
#ifndef TESTS_UNIT_POOL_UPSTREAM_WORLD_H
#define TESTS_UNIT_POOL_UPSTREAM_WORLD_H
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

#define HERE "http://here:80"
#define THERE "http://there:80"

static struct fake_world world;
static struct caller *ann, *bob;
static struct fake_origin *here;
static struct fake_group anns, bobs;

static inline void begin(double rate_per_s, unsigned retry_percent)
{
	world_init(&world, 1000, 100000);
	ann = world_caller("ann");
	bob = world_caller("bob");
	here = world_origin(&world, HERE);
	here->bucket.rate = rate_per_s;
	here->retry_percent = retry_percent;
	world_group(&world, &anns, world_options(ann));
	world_group(&world, &bobs, world_options(bob));
}

static inline void finish(void)
{
	world_close(&world, &anns);
	world_close(&world, &bobs);
	world_end(&world);
	caller_unref(ann);
	caller_unref(bob);
}

/* Fails at once, and its second attempt takes so long. */
static inline struct fake_call *make_retried(uint64_t wait_us, uint64_t takes_us)
{
	struct fake_call *fake = world_call(&world, HERE);

	fake->steps[0] = (struct fake_step){
		.takes_us = MS, .code = ITEM_UPSTREAM_STATUS, .again = true, .wait_us = wait_us};
	fake->steps[1] = (struct fake_step){.takes_us = takes_us};
	fake->step_count = 2;
	return fake;
}

static inline struct fake_call *submit_retried(
	struct fake_group *group, uint64_t wait_us, uint64_t takes_us)
{
	struct fake_call *fake = make_retried(wait_us, takes_us);

	MUST(world_submit(&world, group, &fake, 1) == ERR_OK);
	return fake;
}
#endif
