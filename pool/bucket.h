/* bucket.h - a rate limit's tokens: one a start, so and so many a second.
 *
 * It starts with one token, else the first second could start twice what the rate allows, and saves
 * one second's worth at most (at least one token). It has no clock and no timer: its owner fills it
 * and asks when the next token is due. One owner, one lock or thread. */
#ifndef POOL_BUCKET_H
#define POOL_BUCKET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket {
	double rate_per_s; /* 0: no limit, there is always a token */
	double tokens;
	uint64_t at_us; /* when `tokens` was true */
};

void bucket_init(struct bucket *bucket, double rate_per_s, uint64_t now_us);
void bucket_set_rate(struct bucket *bucket, double rate_per_s, uint64_t now_us); /* from now on */
void bucket_fill(struct bucket *bucket, uint64_t now_us);   /* what has come since the last time */
bool bucket_has(const struct bucket *bucket, size_t count); /* as it was filled last */
void bucket_take(struct bucket *bucket);                    /* one */
/* When it will have `count`, if nobody takes one before; CLOCK_NEVER: it does not save so many. */
uint64_t bucket_due_us(const struct bucket *bucket, size_t count);
#endif
