/* batch.h - a batch: its items in, its results in order out.
 *
 * batch_parse reads the request and makes the calls; batch_start hands them to the pool, all or
 * none. Each item has a slot; the worker that got its answer renders the result once, as bytes,
 * into it. When the last slot is filled (the submitter holds one count until batch_start has
 * returned) observer->complete is called, once, on the thread that filled it, with no lock held;
 * from then on the document can be read. A *streamed* batch is read while it runs instead
 * (batch/stream.h), and has no document. The batch is shared by count: whoever may still ask it to
 * cancel holds a reference. */
#ifndef BATCH_BATCH_H
#define BATCH_BATCH_H
#include <sys/types.h>

#include "common/caller.h"
#include "common/problem.h"
#include "pool/pool.h"

struct batch;
struct endpoint;
struct endpoint_set;

void batch_library_init(void);           /* once, before the first thread that parses */
const char *batch_library_version(void); /* of jansson; static; any thread */

struct batch_env { /* what a batch needs of the house; it takes references where things are shared
		      by count */
	struct config *config;
	struct guard *guard;
	struct pool *pool;
	struct mem_budget *budget;
};

struct batch_item_report { /* of one finished item, for logs and metrics; borrowed for the call */
	size_t index;
	struct span id; /* JSON text as sent, or "null" */
	enum item_code code;
	enum item_reason reason;
	const char *message; /* NULL for a success */
	const char *host;    /* NULL where there is none */
	unsigned status, attempts;
	uint64_t queue_us, duration_us;
	bool sent;
};

struct batch_observer {
	void *self;
	/* Any worker, as each completes; items refused at parsing: the thread of batch_start. */
	void (*item)(void *self, const struct batch_item_report *report);
	void (*complete)(void *self, struct batch *batch);
};

struct batch_summary {
	size_t total, succeeded, failed;
	size_t by_code[ITEM_CODE_COUNT];
	unsigned concurrency;
	uint64_t duration_us; /* from admission to the last result; 0 before that */
};

/* Reads a request to /v1/batch, or to a named endpoint. Takes the body's memory on ERR_OK
 * (mem_free; its `charged` bytes are given back to env->budget at the end); else *problem says what
 * the client did wrong (ERR_INVALID), or 413, or queue_full (ERR_BUSY), or memory_full (ERR_NOMEM,
 * ERR_LIMIT). traceparent and tracestate (NULL: none) go with every call. Long strings are decoded
 * in place: the body's bytes may be changed, also where it is refused. Results of refused items are
 * rendered here. */
struct batch_input {
	char *body;
	size_t body_len, charged;
	const char *request_id, *traceparent, *tracestate;
	struct caller *caller;
	struct endpoint_set *endpoints;  /* where there is an endpoint: its set */
	const struct endpoint *endpoint; /* NULL: an ad-hoc batch */
	bool streamed;                   /* stream.h reads it; else batch_document_read */
	size_t room;  /* of the queue, now: more items are refused unread; 0: not looked at */
	bool outline; /* results without body, headers and timing, whatever the options say */
};
enum err_code batch_parse(const struct batch_env *env, const struct batch_input *input,
	struct batch **ret_batch, struct problem *problem) MUST_CHECK;
/* Admits all calls or none (queue_full, memory_full, draining in *problem). On ERR_OK the observer
 * is called from now on, maybe before this returns. A refused item is a failed one: with
 * stop_on_error nothing starts after it, wherever it stands. */
enum err_code batch_start(struct batch *batch, const struct batch_observer *observer,
	struct problem *problem) MUST_CHECK;
/* Any thread, any time; not after complete: then without effect. */
void batch_cancel(struct batch *batch, enum pool_cancel why);

/* Any time; while it runs it says what has completed. */
void batch_summary(const struct batch *batch, struct batch_summary *ret_summary);
/* After complete. */
uint64_t batch_document_size(const struct batch *batch);
/* Copies the document's bytes from `pos` on; positions are best asked for in sequence. 0 at the
 * end. One reader at a time. */
size_t batch_document_read(struct batch *batch, uint64_t pos, char *out, size_t max);

struct batch *batch_ref(struct batch *batch);
void batch_unref(struct batch *batch);
#endif
