/* task.h - an item of a named endpoint: its data, and the steps that templates take for it before
 * and after its call.
 *
 *   item_check (jq) -> request (jq) -> the call -> response (jq)
 *                                          └ failed ┴-> fallback (jq)
 *
 * A task belongs to its item, and like it to one thread at a time: the one that reads the batch
 * makes it, its steps run on the worker that has the call; they ask the worker's helper processes
 * and never wait. No lock. */
#ifndef BATCH_TASK_H
#define BATCH_TASK_H
#include "batch/item.h"
#include "batch/template.h"

struct caller;
struct helper_request;

/* What a batch's items have in common; lives as long as they do. */
struct task_env {
	struct item_env item; /* use: not NULL; ops and owner: not looked at */
	const struct caller *caller;
	/* The client is gone, so that nobody will read the result: no fallback is made. */
	bool (*unwanted)(const struct item *item);
};

struct task {
	const struct task_env *env;
	struct span data;   /* the item: JSON, the submitter's */
	struct item *made;  /* what the `request` template's output became; NULL: nothing */
	char *output;       /* that output */
	struct span result; /* JSON: of `response` or `fallback`; empty: none */
	size_t charged;     /* bytes of the budget: output and result */
	bool fallback_used;
	/* while a helper process is asked: */
	struct helper_request *asked;
	const struct template *asking;
	size_t asked_charged;
};

/* The call of an item of the endpoint, as far as the configuration alone says it. `data` is proved,
 * and outlives it. ERR_OK, ERR_NOMEM, ERR_LIMIT: as item_read. */
enum err_code task_new(const struct task_env *env, const struct call_ops *ops, void *owner,
	struct span data, size_t index, struct item_scratch *scratch, struct item **ret_item,
	struct item_verdict *ret_verdict) MUST_CHECK;
void task_destroy(struct task *task, struct mem_budget *budget); /* item_destroy does it */

/* For call_ops. */
enum call_step task_prepare(struct call *call);
enum call_step task_finish(struct call *call);
void task_forget(struct call *call);
#endif
