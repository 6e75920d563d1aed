/* intake.h - reads a request into a new batch: its items become calls, or refusals whose results
 * are rendered at once. */
#ifndef BATCH_INTAKE_H
#define BATCH_INTAKE_H
#include "batch/batch_internal.h"

/* `batch` has no items yet, but all that they need, its endpoint included. On failure it is left
 * for the caller to destroy, half filled. ERR_INVALID (the request) and ERR_BUSY (input->room):
 * *problem is filled. ERR_NOMEM, ERR_LIMIT (the budget). */
enum err_code intake_read(struct batch *batch, const struct batch_input *input,
	const struct call_ops *ops, struct problem *problem) MUST_CHECK;
#endif
