/* endpoint_world.h - a world with three callers and one named endpoint, "chat". */
#ifndef TESTS_UNIT_POOL_ENDPOINT_WORLD_H
#define TESTS_UNIT_POOL_ENDPOINT_WORLD_H
#include "tests/unit/pool/fake_guard.h"
#include "tests/unit/pool/fakeworld.h"

static struct fake_world world;
static struct caller *ann, *bob, *cy;
static struct fake_endpoint *chat;

static inline void begin(unsigned limit, double rate_per_s)
{
	world_init(&world, 1000, 100000);
	ann = world_caller("ann");
	bob = world_caller("bob");
	cy = world_caller("cy");
	chat = world_endpoint(&world, "chat");
	world_bound(&world, chat, limit, rate_per_s);
}

static inline void finish(void)
{
	world_run(&world);
	world_free(&world);
	caller_unref(ann);
	caller_unref(bob);
	caller_unref(cy);
}

static inline void reload(unsigned limit, double rate_per_s)
{
	world_bound(&world, chat, limit, rate_per_s);
	world_reload(&world);
}

static inline void open_group(struct fake_group *group, struct caller *caller, const char *endpoint)
{
	struct pool_group_options options = world_options(caller);

	options.endpoint = endpoint;
	world_group(&world, group, options);
}
#endif
