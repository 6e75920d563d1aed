/* terms.h - what all items of a batch, or of a feed, have in common, and what follows from it for
 * each of them.
 *
 * One owner, who fills it and leaves it alone while items run; then any thread reads it. */
#ifndef BATCH_TERMS_H
#define BATCH_TERMS_H
#include "batch/batch.h"
#include "batch/result.h"
#include "batch/task.h"

struct terms {
	struct batch_env env;  /* references held */
	struct caller *caller; /* likewise */
	struct options options;
	struct defaults defaults;
	struct endpoint_use *use; /* the owner's; NULL: ad-hoc items */
};

/* Takes references; there are no options, defaults and endpoint yet. */
void terms_init(struct terms *terms, const struct batch_env *env, struct caller *caller);
void terms_free(struct terms *terms); /* but for `use` */

/* How items are read; borrows from the terms, as do the following. */
struct item_env terms_item_env(const struct terms *terms, const struct call_ops *ops, void *owner);
/* The same where there is an endpoint. */
struct task_env terms_task_env(const struct terms *terms);
struct pool_group_options terms_group(const struct terms *terms, uint64_t deadline_us);
/* What is shown of an item, and of what came of its task (NULL: none, or none any more). */
struct result_view terms_view(
	const struct terms *terms, size_t index, struct span id, const struct task *task);
/* As result_render, with mem_block(measure->bytes) of the budget taken before. ERR_LIMIT: there is
 * no room; where there is an error nothing is taken. */
enum err_code terms_render(const struct terms *terms, const struct result_view *view,
	const struct outcome *outcome, const struct result_measure *measure, char **ret_bytes,
	size_t *ret_len) MUST_CHECK;
#endif
