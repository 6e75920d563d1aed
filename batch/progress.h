/* progress.h - how far a batch is: a smoothed rate, the time that is left, and the bar that shows
 * them.
 *
 * The rate is an exponential moving average over the last updates, as tqdm's: alpha 0.3, corrected
 * for its beginning. Plain values; one thread. */
#ifndef BATCH_PROGRESS_H
#define BATCH_PROGRESS_H
#include "common/buf.h"

#define PROGRESS_UNKNOWN SIZE_MAX /* as a total: nobody knows how many there are */

struct progress_meter {
	uint64_t started_us, seen_us;
	size_t seen;                   /* items that were completed at seen_us */
	double items, seconds, weight; /* the averages, and what part of them is not yet theirs */
};

struct progress { /* at one moment */
	size_t total, succeeded, failed;
	uint64_t elapsed_us, eta_us; /* CLOCK_NEVER: not known */
	double items_per_second;     /* 0: not known */
};

void progress_start(struct progress_meter *meter, uint64_t now_us);
void progress_read(struct progress_meter *meter, size_t total, size_t succeeded, size_t failed,
	uint64_t now_us, struct progress *ret_progress);

/* {"total","completed","succeeded","failed","elapsed_ms","eta_ms","items_per_second"}; null where
 * it is not known. */
void progress_add_json(struct buf *out, const struct progress *progress);
/* `Processing:  45%|████▌     | 45/100 [00:12<00:14, 3.71 items/s, 2 failed]`, without a line
 * break. `columns` is the terminal's width, which the bar fills; 0 draws ten cells. Gives the
 * columns it takes. */
size_t progress_add_bar(
	struct buf *out, const struct progress *progress, struct span label, size_t columns);
#endif
