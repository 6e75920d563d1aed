/* pace.h - how fast items have been ending lately, and so when a refused request may come again.
 *
 * Any thread, without a lock. Time comes from the asker. */
#ifndef HANDLERS_PACE_H
#define HANDLERS_PACE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_SECONDS = 10, PACE_LONGEST_S = 60 };

struct pace {
	atomic_size_t items;                /* that were admitted and have no result yet */
	atomic_uint_fast64_t busy_since_us; /* when they became more than none */
	atomic_uint_fast64_t last_us;       /* the last that took its turn ended then; 0: none */
	atomic_uint_fast64_t ended[PACE_SECONDS]; /* second << 32 | how many in it */
	atomic_uint asked;
};

void pace_init(struct pace *pace);
size_t pace_items(struct pace *pace);                              /* that have no result yet */
void pace_begin(struct pace *pace, size_t items, uint64_t now_us); /* admitted */
void pace_forget(struct pace *pace, size_t items);                 /* they were not, after all */
/* One has its result. `turn`: it was worked on; what was cancelled or refused says nothing about
 * the pace. */
void pace_end(struct pace *pace, bool turn, uint64_t now_us);
/* How long those that are here take at the pace of the last seconds; where none has ended in them,
 * as long again as that has lasted. 1 to PACE_LONGEST_S, spread: see pace_spread_s. */
unsigned pace_retry_after_s(struct pace *pace, uint64_t now_us);
/* `wait_us` or up to half of it more, rounded up, PACE_LONGEST_S at most: each asker gets another
 * value, so that those who were refused together do not come back together. */
unsigned pace_spread_s(struct pace *pace, uint64_t wait_us);
#endif
