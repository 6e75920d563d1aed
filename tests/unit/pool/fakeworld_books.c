/* fakeworld_books.c - the world's own books: what a rate, a breaker, a pause and a retry budget
 * allow, reckoned without the scheduler. */
#include "tests/unit/pool/fakeworld_books.h"

double world_tokens(const struct fake_bucket *bucket, uint64_t now_us)
{
	double most = bucket->rate > 1 ? bucket->rate : 1;
	double tokens = bucket->tokens + (double)(now_us - bucket->at_us) / 1e6 * bucket->rate;

	return tokens < most ? tokens : most;
}

void world_set_rate(const struct fake_world *world, struct fake_bucket *bucket, double rate)
{
	bool had = bucket->rate > 0;
	double tokens = had ? world_tokens(bucket, world->now_us) : 1;

	*bucket = (struct fake_bucket){rate, tokens, world->now_us};
	bucket->tokens = world_tokens(bucket, world->now_us);
}

void world_bound(
	const struct fake_world *world, struct fake_endpoint *endpoint, unsigned limit, double rate)
{
	world_set_rate(world, &endpoint->bucket, rate);
	endpoint->limit = limit;
}

void world_set_breaker(struct fake_origin *origin, struct breaker_rule rule)
{
	origin->rule = rule;
	if (rule.failures == 0)
		origin->breaker =
			(struct fake_breaker){.era = origin->breaker.era + origin->breaker.open};
}

void world_use(const struct fake_world *world, struct fake_origin *origin)
{
	const struct hash *table = &world->sched->upstreams.by_origin;

	for (size_t i = 0; i < table->size && !origin->used; i++)
		for (struct hash_node *node = table->buckets[i]; node; node = node->next)
			if (strcmp(LIST_OF(node, struct upstream, node)->origin, origin->name) == 0)
				origin->used = true;
	if (!origin->used)
		return;
	origin->bucket.tokens = 1;
	origin->bucket.at_us = world->now_us;
}

void world_take_token(struct fake_world *world, struct fake_bucket *bucket)
{
	if (bucket->rate <= 0)
		return;
	bucket->tokens = world_tokens(bucket, world->now_us);
	bucket->at_us = world->now_us;
	MUST(bucket->tokens > 1 - 1e-3); /* else it started past the rate */
	bucket->tokens -= 1;
}

bool world_is_retry(const struct fake_call *fake)
{
	return fake->starts > 1 && !fake->steps[fake->starts - 2].hop;
}

void world_check_upstream(const struct fake_world *world, struct fake_call *fake)
{
	struct fake_origin *origin = fake->flies_to;
	struct fake_breaker *breaker = &origin->breaker;
	size_t share = origin->flying * origin->retry_percent / 100;

	if (origin->retry_percent && world_is_retry(fake))
		MUST(origin->retries_flying < (share > 3 ? share : 3));
	for (size_t i = 0; i < FAKE_PAUSES_MAX; i++)
		MUST(origin->pauses[i].caller != fake->group->options.caller ||
			origin->pauses[i].until_us <= world->now_us);
	if (breaker->open)
		MUST(world->now_us >= breaker->until_us && !breaker->probe);
	if (breaker->open)
		breaker->probe = fake;
	fake->era = breaker->era;
}

static void world_open(const struct fake_world *world, struct fake_origin *origin)
{
	struct fake_breaker *breaker = &origin->breaker;
	uint64_t open_us = origin->rule.open_us * ++breaker->opens;

	breaker->open = true;
	breaker->era++;
	breaker->failures = 0;
	breaker->until_us =
		world->now_us +
		(open_us < origin->rule.max_open_us ? open_us : origin->rule.max_open_us);
}

void world_note_verdict(
	const struct fake_world *world, const struct fake_call *fake, enum verdict verdict)
{
	struct fake_origin *origin = fake->flies_to;
	struct fake_breaker *breaker = &origin->breaker;
	bool probe = breaker->probe == fake;

	if (origin->rule.failures == 0 || fake->era != breaker->era)
		return;
	if (probe)
		breaker->probe = NULL;
	if (verdict == VERDICT_BAD) {
		if (breaker->open ? probe : ++breaker->failures >= origin->rule.failures)
			world_open(world, origin);
	} else if (breaker->open && probe && verdict == VERDICT_GOOD) {
		*breaker = (struct fake_breaker){.era = breaker->era + 1};
	} else if (!breaker->open && verdict == VERDICT_GOOD) {
		breaker->failures = 0;
	}
}

void world_note_pause(
	const struct fake_world *world, const struct fake_call *fake, uint64_t pause_us)
{
	struct caller *caller = fake->group->options.caller;
	struct fake_pause *pause = fake->flies_to->pauses;

	if (pause_us == 0)
		return;
	while (pause->caller && pause->caller != caller)
		MUST(++pause < fake->flies_to->pauses + FAKE_PAUSES_MAX);
	pause->caller = caller;
	if (pause->until_us < world->now_us + pause_us)
		pause->until_us = world->now_us + pause_us;
}

enum verdict world_verdict(const struct fake_step *step)
{
	if (step->code == ITEM_CONNECT_FAILED)
		return VERDICT_BAD;
	return step->code == ITEM_OK || step->code == ITEM_UPSTREAM_STATUS ? VERDICT_GOOD
									   : VERDICT_NONE;
}
