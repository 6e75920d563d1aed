/* batch_internal.h - what a batch is made of; for the files of the batch only: batch.c, intake.c,
 * document.c, ready.c, stream.c. */
#ifndef BATCH_BATCH_INTERNAL_H
#define BATCH_BATCH_INTERNAL_H
#include <stdatomic.h>

#include "batch/batch.h"
#include "batch/envelope.h"
#include "batch/terms.h"
#include "common/thread.h"

struct slot { /* the place of item i's result; written once, read when it is ready, or after
		 `missing` has reached 0 */
	struct span id; /* JSON text, in the body */
	char *bytes;    /* NULL once filled: brief */
	size_t len;     /* where `bytes` is there, mem_block(len) of the budget is held for it */
	struct result_brief brief;
	atomic_bool filled;
	bool failed;
	bool ready;          /* under ready.lock: it waits to be read */
	uint32_t next_ready; /* behind it, in the order of completion */
};

struct refusal { /* an item that cannot be a call; kept until batch_start has reported it */
	struct refusal *next;
	size_t index, charged;
	enum item_code code;
	enum item_reason reason;
	const char *host; /* in `text`; NULL: none */
	char text[];      /* message, NUL, host, NUL */
};

struct ready { /* of a streamed batch: which results wait to be read; ready.c */
	struct mutex lock;
	struct {
		uint32_t first, last; /* in the order of completion; while `count` > 0 */
		size_t count;
		size_t next;              /* the one that is read next, in the order of items */
		size_t waiting_bytes;     /* of results that are not read yet */
		bool over;                /* there will be no more */
		bool abandoned;           /* nobody reads any more */
		uint64_t window, applied; /* what the group's window should be, and is */
		bool applying;            /* some thread is making it so */
	} shared;
};

struct document { /* the answer's pieces, and where its reader stands; piece 2i: slot i, 2i+1: what
		     follows it */
	uint64_t size, piece_pos; /* piece_pos: of piece `piece` */
	size_t piece;
	struct buf tail;
	size_t brief_index; /* whose text `brief` holds, + 1; 0: nobody's */
	char brief[RESULT_BRIEF_MAX];
};

struct batch {
	atomic_uint refs;
	struct terms terms;
	struct task_env task_env; /* where there is an endpoint */
	char *request_id, *body;
	size_t charged; /* of the budget: body, slots, calls */
	size_t count;
	struct slot *slots;
	struct call **calls; /* until they are the pool's */
	size_t call_count;
	struct refusal *refusals;
	size_t refused;

	struct batch_observer observer;
	uint64_t admitted_us;
	atomic_uint_fast64_t ended_us; /* 0 while it runs; a reader of its summary may ask */
	atomic_size_t missing;         /* results, + 1 until batch_start has returned */
	atomic_size_t rendered;        /* bytes of results */
	atomic_size_t by_code[ITEM_CODE_COUNT];
	atomic_int cancelled;      /* enum pool_cancel; the first reason */
	struct pool_group *group;  /* valid while somebody holds it: */
	atomic_size_t group_holds; /* whoever drops the last closes it */
	struct document document;
	bool streamed; /* results are read as they complete; else the document at the end */
	struct ready ready;
};

/* What became of an item: code, reason and message as they stand in the result. */
struct settled {
	enum item_code code;
	enum item_reason reason;
	const char *message; /* borrowed from the outcome, or static; NULL for a success */
};

/* The slot's result as bytes; `room` is used where they have to be rendered. */
struct span batch_result(struct batch *batch, size_t index, char room[RESULT_BRIEF_MAX]);
void batch_drop_result(struct batch *batch, size_t index); /* its memory is given back */
/* So many calls do not fit into the queue: now, or never. */
void batch_queue_full(const struct batch *batch, size_t calls, struct problem *problem);
/* Moves the group's window where there still is a group. */
void batch_window(struct batch *batch, uint64_t end);

/* Renders the outcome (and what came of the task; NULL: none) into its slot, or where there is no
 * room leaves it to be rendered briefly; counts the item. */
void batch_settle(struct batch *batch, size_t index, const struct outcome *outcome,
	const struct task *task, struct settled *ret_settled);
#endif
