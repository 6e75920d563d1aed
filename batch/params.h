#ifndef BATCH_PARAMS_H
#define BATCH_PARAMS_H
#include "batch/fault.h"
#include "common/config_types.h"
enum err_code params_read(struct span value, const struct config_endpoint *endpoint,
	struct buf *ret_text, struct fault *fault);
#endif
