/* endpoint_describe.h - what callers are told of a named endpoint.
 *
 * Pure; any thread. */
#ifndef HANDLERS_ENDPOINT_DESCRIBE_H
#define HANDLERS_ENDPOINT_DESCRIBE_H
#include "batch/endpoint.h"
#include "common/config.h"

/* Adds what `GET /v1/endpoints/{name}` answers: JSON, no secret in it. Where an add fails
 * out->failed tells. */
void endpoint_describe(
	const struct endpoint *endpoint, const struct config *config, struct buf *out);
#endif
