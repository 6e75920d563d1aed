/* run_bar.h - the progress bar of `batchgate run` on standard error, and what is said at the
 * end. */
#ifndef CLI_RUN_BAR_H
#define CLI_RUN_BAR_H
#include "batch/feed.h"
#include "batch/progress.h"

enum { RUN_BAR_FAILED_MAX = 20 };

struct run_bar {
	bool drawn; /* somebody is to see a bar */
	struct span label;
	struct progress_meter meter;
	size_t total; /* PROGRESS_UNKNOWN */
	size_t succeeded, failed;
	size_t by_code[ITEM_CODE_COUNT];
	size_t known_failed; /* lines in `lines` */
	struct buf lines;    /* of the first failed items */
	size_t columns;      /* of the bar that stands there */
	size_t shown;        /* items it counted */
	uint64_t next_us;
};

struct run_bar_end {                    /* what else the summary tells */
	size_t earlier, earlier_failed; /* results that were there already */
	size_t unrun;                   /* PROGRESS_UNKNOWN: nobody knows how many */
	bool stopped;                   /* not all were run */
	bool resumable;                 /* --resume can run the rest */
};

void run_bar_begin(struct run_bar *bar, bool drawn, struct span label, size_t total);
void run_bar_free(struct run_bar *bar);
void run_bar_count(struct run_bar *bar, const struct feed_result *result);
/* Draws where it is time to; gives when it is next. */
uint64_t run_bar_draw(struct run_bar *bar, uint64_t now_us);
/* Takes the bar away, so that something else can be written to the terminal; the next draw brings
 * it back. */
void run_bar_clear(struct run_bar *bar);
/* Once more, and to a new line. */
void run_bar_finish(struct run_bar *bar);
/* The last words: a line of figures, and the first failed items. */
void run_bar_summary(const struct run_bar *bar, const struct run_bar_end *end);
#endif
