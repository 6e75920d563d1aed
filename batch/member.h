/* member.h - the names a request may use, where each may stand, and a hint for those that stand
 * wrong. Pure; any thread. */
#ifndef BATCH_MEMBER_H
#define BATCH_MEMBER_H
#include <stdint.h>

#include "batch/fault.h"

enum member_place {
	PLACE_TOP = 1,
	PLACE_DEFAULTS = 2,
	PLACE_ITEM = 4,
	PLACE_OPTIONS = 8,
	PLACE_RETRY = 16,
	PLACE_NAMED_TOP = 32,     /* of a request to a named endpoint */
	PLACE_NAMED_OPTIONS = 64, /* its options */
	PLACE_REQUEST = 128       /* what an endpoint's `request` template gave */
};

#define PLACE_CALL (PLACE_DEFAULTS | PLACE_ITEM)
#define PLACE_NAMED (PLACE_NAMED_TOP | PLACE_NAMED_OPTIONS | PLACE_REQUEST)
#define PLACE_ANY_OPTIONS (PLACE_OPTIONS | PLACE_NAMED_OPTIONS)
#define PLACE_ANY_TOP (PLACE_TOP | PLACE_NAMED_TOP)

/* name, text, places */
#define MEMBERS(X)                                                    \
	X(URL, "url", PLACE_CALL)                                     \
	X(METHOD, "method", PLACE_CALL)                               \
	X(BODY, "body", PLACE_CALL | PLACE_REQUEST)                   \
	X(ID, "id", PLACE_ITEM)                                       \
	X(HEADERS, "headers", PLACE_CALL | PLACE_REQUEST)             \
	X(QUERY, "query", PLACE_CALL | PLACE_REQUEST)                 \
	X(BODY_TEXT, "body_text", PLACE_CALL)                         \
	X(BODY_BASE64, "body_base64", PLACE_CALL)                     \
	X(TIMEOUT_MS, "timeout_ms", PLACE_CALL | PLACE_NAMED_OPTIONS) \
	X(MAX_REDIRECTS, "max_redirects", PLACE_CALL)                 \
	X(RETRY, "retry", PLACE_CALL | PLACE_ANY_OPTIONS)             \
	X(PATH, "path", PLACE_REQUEST)                                \
	X(CONCURRENCY, "concurrency", PLACE_ANY_OPTIONS)              \
	X(BATCH_TIMEOUT_MS, "batch_timeout_ms", PLACE_ANY_OPTIONS)    \
	X(RATE_LIMIT, "rate_limit", PLACE_ANY_OPTIONS)                \
	X(STOP_ON_ERROR, "stop_on_error", PLACE_ANY_OPTIONS)          \
	X(STRICT, "strict", PLACE_ANY_OPTIONS)                        \
	X(INCLUDE_HEADERS, "include_headers", PLACE_ANY_OPTIONS)      \
	X(INCLUDE_TIMING, "include_timing", PLACE_ANY_OPTIONS)        \
	X(INCLUDE_BODY, "include_body", PLACE_ANY_OPTIONS)            \
	X(ORDER, "order", PLACE_ANY_OPTIONS)                          \
	X(LABEL, "label", PLACE_ANY_OPTIONS)                          \
	X(MAX_ATTEMPTS, "max_attempts", PLACE_RETRY)                  \
	X(BACKOFF_MS, "backoff_ms", PLACE_RETRY)                      \
	X(MAX_BACKOFF_MS, "max_backoff_ms", PLACE_RETRY)              \
	X(RETRY_ON, "retry_on", PLACE_RETRY)                          \
	X(ITEMS, "items", PLACE_ANY_TOP)                              \
	X(DEFAULTS, "defaults", PLACE_TOP)                            \
	X(PARAMS, "params", PLACE_NAMED_TOP)                          \
	X(OPTIONS, "options", PLACE_ANY_TOP)

enum member {
#define X(name, text, places) MEMBER_##name,
	MEMBERS(X)
#undef X
		MEMBER_COUNT
};

struct member_set {
	uint32_t seen; /* bit of each member that is there */
	struct span values[MEMBER_COUNT];
};

static inline bool member_has(const struct member_set *set, enum member member)
{
	return set->seen >> member & 1;
}

/* Cuts `object` (proved text) into what may stand in `place`. Unknown, misplaced and repeated names
 * are faults at `path` + name; where an item's `id` is repeated it is left out. Reads on behind a
 * fault, so that all that is known is there. */
void member_read(struct span object, enum member_place place, const char *path,
	struct member_set *ret_set, struct fault *fault);
const char *member_text(enum member member);
#endif
