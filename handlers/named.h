/* named.h - which named endpoint a request means, and whether its caller may use it. */
#ifndef HANDLERS_NAMED_H
#define HANDLERS_NAMED_H
#include "batch/endpoint.h"
#include "handlers/service.h"

/* The endpoint that the last segment of the path names; lives as long as the snapshot. NULL: there
 * is none, or it is not this caller's; *problem says so (404, 403). */
const struct endpoint *named_find(
	const struct snapshot *snapshot, const struct exchange *ex, struct problem *problem);
#endif
