/* glance.h - the few members of a rendered result that people and programs ask for again: read out
 * of its bytes. Pure; any thread. */
#ifndef BATCH_GLANCE_H
#define BATCH_GLANCE_H
#include <stdbool.h>
#include <stdint.h>

#include "batch/scan.h"

struct glance { /* spans point into the result */
	uint64_t index;
	struct span id; /* JSON text; "null" where there is none */
	bool success, sent;
	struct span code, message; /* JSON strings; empty for a success */
	uint64_t duration_ms;
};

/* `result` is proved JSON (scan_check). False where it is no result object: `index`, `id` or
 * `success` are missing or of another type. */
bool glance_read(struct span result, struct glance *ret_glance);
#endif
