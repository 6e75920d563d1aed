/* envelope.h - the request around the items: is it JSON, what do its top-level members say? One
 * thread. */
#ifndef BATCH_ENVELOPE_H
#define BATCH_ENVELOPE_H
#include "batch/endpoint_use.h"
#include "batch/options.h"

struct envelope {
	struct options options;
	struct defaults defaults; /* options_free_defaults */
	struct span items;        /* the array */
	size_t item_count;
};

struct envelope_trace { /* NULL: none */
	const char *traceparent, *tracestate;
};

/* Proves the text (writable: value.h) and reads all but the items. `use` NULL: an ad-hoc batch;
 * else its params are read, and the defaults are the endpoint's. ERR_INVALID: *problem says why
 * (400 or 413), with all faults of options, defaults and params. ERR_NOMEM. */
enum err_code envelope_read(struct span text, const struct config *config, struct endpoint_use *use,
	const struct envelope_trace *trace, struct envelope *ret_envelope,
	struct problem *problem) MUST_CHECK;
#endif
