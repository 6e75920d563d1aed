/* intake.h - reads a request into a new batch: its items become calls, or refusals whose results
 * are rendered at once. */
#ifndef BATCH_INTAKE_H
#define BATCH_INTAKE_H
#include "batch/batch_internal.h"

/* `batch` is zeroed but for env; on failure batch_destroy's work is the caller's. ERR_INVALID:
 * *problem is filled. ERR_NOMEM, ERR_LIMIT (the budget). */
enum err_code intake_read(struct batch *batch, const struct batch_input *input,
	const struct call_ops *ops, struct problem *problem) MUST_CHECK;
#endif
