/* result.h - what came of a call, as the bytes of one result object. Pure; any
 * thread. */
#ifndef BATCH_RESULT_H
#define BATCH_RESULT_H
#include "batch/options.h"
#include "pool/call.h"

struct result_view { /* which item, and what the batch wants to see of it */
	size_t index;
	struct span id; /* JSON text, at most 1.6 KB */
	bool include_headers, include_timing;
	enum include_body include_body;
	/* of a named endpoint: it has a `result`; the upstream's body only where it failed, cut,
	 * and only if `expose_errors` */
	bool named, expose_errors, fallback_used;
	struct span result; /* JSON text; empty: the body is the result of a success, null that of a
			       failure */
};

enum { RESULT_EXPOSED_MAX = 4096 }; /* bytes of a body that a failed named call shows */

struct result_measure {
	unsigned encoding; /* result.c's own */
	bool payload;      /* it shows a body or headers */
	size_t body_bytes; /* exactly */
	/* Of the whole object: an upper estimate, but for headers with many escapes. */
	size_t bytes;
};

void result_measure(const struct result_view *view, const struct outcome *outcome,
	struct result_measure *ret_measure);
/* The whole object in one allocation of its size (mem_free). ERR_NOMEM. */
enum err_code result_render(const struct result_view *view, const struct outcome *outcome,
	const struct result_measure *measure, char **ret_bytes, size_t *ret_len) MUST_CHECK;

/* Parts that templates are given: the `error` object; the answer's body as a JSON value, a string
 * where it is none (base64 where it is no UTF-8), null where it is empty. */
void result_add_error(struct buf *out, const struct outcome *outcome);
void result_add_value(struct buf *out, const struct outcome *outcome);

/* The error's message; never NULL but for a success. */
const char *result_message(const struct outcome *outcome);

/* A result there was no room for: rendered when it is read, from what its slot remembers. */
struct result_brief {
	enum item_code code; /* OVERLOADED or RESPONSE_TOO_LARGE */
	unsigned status, attempts;
	bool sent;
	uint64_t queue_us, duration_us;
};
enum { RESULT_BRIEF_MAX = 3072 };
struct result_brief result_brief_of(enum item_code code, const struct outcome *outcome);
bool result_brief_retryable(const struct result_brief *brief);
const char *result_brief_message(const struct result_brief *brief); /* static */
size_t result_render_brief(const struct result_view *view, const struct result_brief *brief,
	char out[RESULT_BRIEF_MAX]);
#endif
