/* ready.h - of a streamed batch: which results wait to be read, and how far the batch may run ahead
 * of its reader.
 *
 * Workers add, one reader takes: ready_add and ready_end are for the thread that filled the slot,
 * ready_take, ready_done and ready_abandon for one thread at a time. The lock is its own, and not
 * held while the pool is called. When much waits, the group's window closes (pool_group_window):
 * what runs goes on, nothing fresh starts, until the reader has caught up. In the order of items
 * the window is always open for the item that is read next, and for some beyond it, so that one
 * slow item does not stop the others. */
#ifndef BATCH_READY_H
#define BATCH_READY_H
#include "batch/batch_internal.h"

/* Much is READY_BYTES_MAX, less where the budget runs low: readers that stop must not use up what
 * others need. */
enum {
	READY_BYTES_MAX = 4 << 20,
	READY_SHARE = 16 /* of what is left of the budget */,
	READY_WINDOW = 1024
};

void ready_init(struct batch *batch);
void ready_free(struct batch *batch);
void ready_open(struct batch *batch); /* its group is there, and nothing submitted yet */
void ready_add(struct batch *batch, size_t index); /* any worker; its slot is filled */
void ready_end(struct batch *batch);               /* all have been added */

enum ready_state { READY_RESULT, READY_LATER, READY_OVER };
/* The reader. RESULT: *ret_index is its own until ready_done. OVER: all were taken, there will be
 * no more. */
enum ready_state ready_take(struct batch *batch, size_t *ret_index);
void ready_done(struct batch *batch, size_t index, bool keep); /* keep: its bytes stay */
/* Nobody will read any more: what waits and what will come is dropped. After it no call of the
 * reader's. */
void ready_abandon(struct batch *batch);
#endif
