/* fakeworld.h - a clock, an upstream side and workers that exist only in a test, around the real
 * scheduler.
 *
 * A call picked from the scheduler "flies" for the time its script says and comes back with the
 * outcome it says: success, failure, another attempt, a redirect to another origin. Time jumps from
 * event to event: nothing sleeps, no socket is opened. The world keeps books of its own and fails
 * the test where a bound is passed or a call comes back twice.
 *
 * One thread, the test's. A program that uses it includes fake_guard.h once. */
#ifndef TESTS_FAKEWORLD_H
#define TESTS_FAKEWORLD_H
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "pool/sched_internal.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

enum {
	FAKE_PAUSES_MAX = 8,
	FAKE_ORIGINS_MAX = 64,
	FAKE_ENDPOINTS_MAX = 8,
	FAKE_STEPS_MAX = 6,
	FAKE_RULE = 3
};

/* As ck_assert, which tells its parent about every success too: dear where it is asked a million
 * times. */
#define MUST(cond) ((cond) ? (void)0 : _ck_assert_failed(__FILE__, __LINE__, #cond, NULL))

struct fake_bucket { /* the world's own books of a rate limit */
	double rate, tokens;
	uint64_t at_us;
};

struct fake_breaker { /* the world's own books of a breaker */
	bool open;
	unsigned failures, opens;
	uint64_t until_us;
	const struct fake_call *probe;
	unsigned era; /* counts what it went through; results of an earlier one say nothing */
};

struct fake_pause {
	struct caller *caller;
	uint64_t until_us;
};

struct fake_origin {
	char name[24];
	unsigned limit;
	struct breaker_rule rule; /* failures 0: no breaker */
	unsigned retry_percent;
	size_t flying, retries_flying;
	struct fake_bucket bucket; /* true from the first call on */
	bool used;
	struct fake_breaker breaker;
	struct fake_pause pauses[FAKE_PAUSES_MAX];
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
	uint64_t pause_us;       /* answered 429, with that Retry-After */
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
	unsigned era;                   /* of its upstream's breaker, when its attempt began */
	uint64_t begun_us, returned_us; /* first start; 0: never */
};

struct fake_world {
	uint64_t now_us;
	struct sched *sched;
	size_t max_in_flight, queue_limit, flying, most_flying;
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

extern size_t fake_guard_refs; /* held now: fake_guard.h */

/* ---- what is in it ---- */

void world_init(struct fake_world *world, size_t max_in_flight, size_t queue_limit);

/* Every call must be back and every group closed; the scheduler must hold nothing then. */
void world_free(struct fake_world *world);

/* world_free, when all has happened that will: pauses and breakers outlive the calls. */
void world_end(struct fake_world *world);

/* The one of that name, made where there is none; the world keeps it. */
struct fake_origin *world_origin(struct fake_world *world, const char *name);

/* Likewise; an endpoint that bounds nothing, until the test says something else. */
struct fake_endpoint *world_endpoint(struct fake_world *world, const char *name);

struct caller *world_caller(const char *name); /* gives a reference */

/* Options that bind nothing; the caller's reference is borrowed. */
struct pool_group_options world_options(struct caller *caller);

enum err_code world_group_try(
	struct fake_world *world, struct fake_group *group, struct pool_group_options options);
void world_group(
	struct fake_world *world, struct fake_group *group, struct pool_group_options options);

/* A call that succeeds after 10 ms, until its script says something else. */
struct fake_call *world_call(struct fake_world *world, const char *origin);

enum err_code world_submit(struct fake_world *world, struct fake_group *group,
	struct fake_call *const *fakes, size_t count);

/* Makes `count` calls to `origin` that take `takes_us` each and submits them; the first one is
 * given. */
struct fake_call **world_submit_many(struct fake_world *world, struct fake_group *group,
	const char *origin, size_t count, uint64_t takes_us);
struct fake_call *world_submit_one(
	struct fake_world *world, struct fake_group *group, const char *origin, uint64_t takes_us);

void world_cancel(struct fake_world *world, struct fake_group *group, enum pool_cancel why);
void world_window(struct fake_world *world, struct fake_group *group, uint64_t end);
void world_close(struct fake_world *world, struct fake_group *group);

/* ---- what happens in it ---- */

/* What a worker does whenever it has a moment: what is due, what may start, what ended. */
void world_pump(struct fake_world *world);

/* Calls that ended without an attempt come back as a worker would bring them. */
void world_collect(struct fake_world *world);

/* The call's attempt ends now, as its script says. */
void world_land(struct fake_world *world, struct fake_call *fake);

uint64_t world_next_us(const struct fake_world *world); /* of the next event */

/* Pumps, then jumps to the next event and lets it happen; false where nothing will ever happen any
 * more. */
bool world_step(struct fake_world *world);
void world_run_until(struct fake_world *world, uint64_t until_us);
void world_run(struct fake_world *world); /* until every call is back */

void world_check(const struct fake_world *world);
struct pool_stats world_stats(const struct fake_world *world);

/* What the scheduler tells of an upstream, which it must know. */
struct upstream_info world_info(const struct fake_world *world, const char *origin);

/* ---- what a reload says ---- */

/* Tokens a second; 0: no rate. */
void world_set_rate(const struct fake_world *world, struct fake_bucket *bucket, double rate);

/* What a reload says of the endpoint; sched_set_bounds tells it. */
void world_bound(const struct fake_world *world, struct fake_endpoint *endpoint, unsigned limit,
	double rate);

/* Likewise of a breaker. */
void world_set_breaker(struct fake_origin *origin, struct breaker_rule rule);

/* The rules have changed, the bounds have not. */
void world_reload(const struct fake_world *world);

/* In the bucket now, by the world's own books. */
double world_tokens(const struct fake_bucket *bucket, uint64_t now_us);
#endif
