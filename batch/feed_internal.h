/* feed_internal.h - what a feed is made of; for feed.c and feed_intake.c only. */
#ifndef BATCH_FEED_INTERNAL_H
#define BATCH_FEED_INTERNAL_H
#include <stdatomic.h>

#include "batch/feed.h"
#include "batch/terms.h"
#include "common/thread.h"

enum { FEED_PENDING_MAX = 32, FEED_HINT_MAX = 384 };

struct feed_slot {
	struct list_node link;
	struct feed *feed;
	size_t index, sequence, line;
	char *text; /* NULL where there is none, or not any more */
	size_t charged;
	struct span id;
	char *bytes; /* NULL: brief, which needs the text for the id */
	size_t len;
	struct result_brief brief;
	enum item_code code;
	bool sent, repeatable;
};

struct feed {
	struct feed_options options;
	struct terms terms;
	struct task_env task_env; /* where there is an endpoint */
	struct item_scratch scratch;
	struct pool_group *group;
	size_t max, added, taken;
	struct call *pending[FEED_PENDING_MAX];
	size_t pending_count;
	struct list_node ready;    /* completed, in the order of completion */
	struct feed_slot **window; /* input order: completed ones, by sequence % max */
	struct feed_slot *given;   /* by the last feed_take */
	char brief[RESULT_BRIEF_MAX];
	atomic_bool stopped;
	struct mutex lock;
	struct {
		struct list_node done;
	} shared;
};

extern const struct call_ops feed_call_ops, feed_task_ops;
/* Renders the outcome (and what came of the task; NULL: none) into the slot, or where there is no
 * room leaves it to be told briefly. */
void feed_settle(struct feed_slot *slot, const struct outcome *outcome, const struct task *task);
/* The slot is complete: the owner may take it, and destroy the feed, at once. */
void feed_hand_over(struct feed_slot *slot);
void feed_end_call(struct call *call);
/* What stands behind the message of a blocked target, or "". */
void feed_hint(const struct feed *feed, const char *host, uint16_t port, char ret[FEED_HINT_MAX]);
void feed_free_slot(struct feed_slot *slot); /* NULL is fine */
#endif
