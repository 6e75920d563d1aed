/* item.h - one item of the request: JSON text in, a call that can be submitted out.
 *
 * A good item is one block of memory (call, lines, retry policy) besides its URL; its body stays in
 * the request's text. What all items share is read once (options.h) and pointed to. One thread
 * while reading; then the call's owner. */
#ifndef BATCH_ITEM_H
#define BATCH_ITEM_H
#include "batch/endpoint_use.h"
#include "batch/options.h"
#include "common/mem.h"
#include "pool/guard.h"

struct item {
	struct call call; /* first: ops->done gets its address */
	void *owner;
	size_t index;
	size_t charged;    /* bytes of the budget */
	struct task *task; /* of a named endpoint's item (task.h); else NULL */
};

struct item_env { /* constant while items are read */
	const struct config *config;
	const struct guard *guard;
	const struct options *options;
	const struct defaults *defaults;
	struct mem_budget *budget;
	const struct call_ops *ops;
	void *owner;
	bool url_known; /* without a path or query of its own, an item is made without a url: the
			   asker has it */
	const struct endpoint_use *use; /* NULL: ad-hoc items. Else what is read is what the
					   `request` template gave: body, query, headers, path */
};

struct item_scratch { /* memory that one item after the other uses */
	struct query query;
	struct header_list headers;
	struct buf query_text, url_text;
	struct buf default_query; /* of items without one of their own; made once */
	const struct url *last;   /* the call's before; NULL: none */
};

struct item_verdict {
	struct span id;      /* JSON text as sent, or "null" */
	enum item_code code; /* ITEM_OK, INVALID_ITEM, BLOCKED_TARGET */
	char host[256];      /* of a blocked one; "" where there is none */
	uint16_t port;       /* where there is a host */
	struct fault fault;  /* what is wrong */
};

enum err_code item_scratch_init(
	struct item_scratch *scratch, const struct defaults *defaults) MUST_CHECK;
void item_scratch_free(struct item_scratch *scratch);

/* Reads one item (proved, writable text). ERR_OK: *ret_item is the call, or NULL and the verdict
 * says why not. ERR_NOMEM; and ERR_LIMIT where the budget has no room. */
enum err_code item_read(const struct item_env *env, struct span text, size_t index,
	struct item_scratch *scratch, struct item **ret_item,
	struct item_verdict *ret_verdict) MUST_CHECK;
/* The id that a result of this item (proved text) has: JSON text in it, or "null". */
struct span item_id(struct span text);
/* Outcome included; NULL is fine. */
void item_destroy(struct item *item, struct mem_budget *budget);
#endif
