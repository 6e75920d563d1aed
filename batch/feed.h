/* feed.h - an open batch: items go in one at a time, results come out as they complete.
 *
 * For work that is larger than memory: only so many items are inside at once (feed_room), and what
 * they hold is charged to the budget. The owner is one thread: it adds, flushes and takes.
 * Results are rendered by the workers, as batch/batch does; they come out as they complete, or with
 * options.input_order in the order of adding, each exactly once. Knows no files, signals or
 * terminals. */
#ifndef BATCH_FEED_H
#define BATCH_FEED_H
#include "batch/batch.h"
#include "batch/envelope.h"

struct feed;

struct feed_options {
	struct batch_env env;         /* references are taken where things are shared by count */
	struct caller *caller;        /* a reference is taken */
	struct envelope *envelope;    /* its defaults move in; its text outlives the feed */
	struct endpoint_use *use;     /* outlives the feed; NULL: ad-hoc items */
	uint64_t deadline_us;         /* CLOCK_NEVER: none */
	const char *cancelled, *lost; /* what results of cancelled and of lost items say, "(host)"
					 is added; cancelled NULL: what the server says */
	/* Writes what stands behind the message of a blocked target, "" for nothing; any thread.
	 * NULL: nothing does. */
	void (*blocked_hint)(const char *host, uint16_t port, char *ret_hint, size_t size);
	/* What follows is called with no lock held, by any thread; `self` outlives the pool.
	 * ready: results wait where none did. starting: the item's call may not be repeated, and is
	 * about to be sent for the first time; false: it is not, and comes back unrun. NULL: nobody
	 * asks. */
	void *self;
	void (*ready)(void *self);
	bool (*starting)(void *self, size_t index);
};

struct feed_item {
	size_t index;
	struct span text; /* proved JSON; copied */
	size_t line;      /* what a refusal's message names; 0: none */
	bool lost; /* it was sent by a process that is gone: where it may not be repeated, it ends
		    */
};

struct feed_result {
	size_t index;
	struct span bytes; /* the result object; until the next feed_take or feed_destroy */
	enum item_code code;
	bool unrun; /* cancelled, and running it again does no harm: it was never sent, or may be
		       repeated */
};

/* ERR_NOMEM; then the envelope's defaults are still the asker's. */
enum err_code feed_new(const struct feed_options *options, struct feed **ret_feed) MUST_CHECK;
void feed_destroy(struct feed *feed); /* everything was taken; NULL is fine */

size_t feed_room(const struct feed *feed); /* items that may be added now */
size_t feed_outstanding(const struct feed *feed);
/* It starts at the next feed_flush, or before. Needs room. ERR_LIMIT: no memory for it now, take
 * results first (an item that is too large for the whole budget ends as overloaded). ERR_NOMEM. */
enum err_code feed_add(struct feed *feed, const struct feed_item *item) MUST_CHECK;
/* The same for what is no JSON: it ends as invalid_item with this message. */
enum err_code feed_refuse(struct feed *feed, size_t index, const char *message) MUST_CHECK;
void feed_flush(struct feed *feed);

bool feed_take(struct feed *feed, struct feed_result *ret_result); /* false: none is ready */
/* An item has failed and options.stop_on_error is set: what has not started comes back unrun. */
bool feed_stopped(const struct feed *feed);
/* As pool_group_cancel. POOL_STOP_ON_ERROR lets what has begun go on. */
void feed_cancel(struct feed *feed, enum pool_cancel why);
#endif
