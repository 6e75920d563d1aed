/* bucket.c - a rate limit's tokens: one a start, so and so many a second. */
#include "pool/bucket.h"

#include "common/clock.h"

static const double NEARLY = 1e-9; /* what adding up parts of a token may lose */
static const double LONGEST_US = 1e18;

static double most(const struct bucket *bucket)
{
	return bucket->rate_per_s > 1 ? bucket->rate_per_s : 1;
}

void bucket_init(struct bucket *bucket, double rate_per_s, uint64_t now_us)
{
	*bucket = (struct bucket){.rate_per_s = rate_per_s, .tokens = 1, .at_us = now_us};
}

void bucket_fill(struct bucket *bucket, uint64_t now_us)
{
	if (bucket->rate_per_s <= 0 || now_us <= bucket->at_us)
		return;
	bucket->tokens += (double)(now_us - bucket->at_us) / 1e6 * bucket->rate_per_s;
	bucket->at_us = now_us;
	if (bucket->tokens > most(bucket))
		bucket->tokens = most(bucket);
}

void bucket_set_rate(struct bucket *bucket, double rate_per_s, uint64_t now_us)
{
	if (bucket->rate_per_s <= 0) {
		bucket_init(bucket, rate_per_s, now_us);
		return;
	}
	bucket_fill(bucket, now_us);
	bucket->rate_per_s = rate_per_s;
	if (bucket->tokens > most(bucket))
		bucket->tokens = most(bucket);
}

bool bucket_has(const struct bucket *bucket, size_t count)
{
	return bucket->rate_per_s <= 0 || bucket->tokens >= (double)count - NEARLY;
}

void bucket_take(struct bucket *bucket)
{
	if (bucket->rate_per_s > 0)
		bucket->tokens -= 1;
}

uint64_t bucket_due_us(const struct bucket *bucket, size_t count)
{
	double wait_us;

	if (bucket_has(bucket, count))
		return bucket->at_us;
	if ((double)count > most(bucket))
		return CLOCK_NEVER;
	wait_us = ((double)count - bucket->tokens) / bucket->rate_per_s * 1e6;
	return wait_us < LONGEST_US ? clock_add(bucket->at_us, (uint64_t)wait_us + 1) : CLOCK_NEVER;
}
