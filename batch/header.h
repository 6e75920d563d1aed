/* header.h - `headers` objects: read, merged over the defaults, made into the lines that go
 * upstream.
 *
 * The lines that all items of a batch have in common are made once (header_base) and shared by
 * every call whose item names no headers of its own. One owner while it is built; constant
 * afterwards. */
#ifndef BATCH_HEADER_H
#define BATCH_HEADER_H
#include "batch/fault.h"
#include "pool/field.h"

enum body_kind { BODY_NONE, BODY_JSON, BODY_TEXT, BODY_BYTES, BODY_KIND_COUNT };

/* Content-Type, User-Agent, traceparent, tracestate */
enum { HEADER_OWN_MAX = 4, HEADER_LINES_MAX = FIELD_COUNT_MAX + HEADER_OWN_MAX };

struct header {         /* one line, or none: a name that takes away the default's */
	size_t at, len; /* in the list's text, its NUL not counted; len 0: no line */
	size_t name_at, name_len;
};

struct header_list {
	struct header *items;
	size_t count, capacity;
	struct buf text;
};

void header_list_init(struct header_list *list);
void header_list_free(struct header_list *list);
void header_list_clear(struct header_list *list); /* keeps the memory */
/* Reads an object at "/headers" into an empty list; `null` values only where `can_remove`.
 * ERR_INVALID: faults were added. ERR_NOMEM. */
enum err_code header_read(struct span value, bool can_remove, struct header_list *list,
	struct fault *fault) MUST_CHECK;

/* Adds a line of our own; the name is none of the list's. ERR_NOMEM. */
enum err_code header_add(struct header_list *list, const char *name, const char *value) MUST_CHECK;

struct header_base {
	struct header_list defaults;
	char *traceparent, *tracestate;       /* lines; NULL: none */
	const char **common[BODY_KIND_COUNT]; /* lines of an item without headers of its own */
	size_t common_count[BODY_KIND_COUNT];
	bool common_keyed; /* an Idempotency-Key is among them */
};

/* Once `defaults` is read. Copies the trace fields (NULL: none). ERR_NOMEM. */
enum err_code header_base_init(
	struct header_base *base, const char *traceparent, const char *tracestate) MUST_CHECK;
void header_base_free(struct header_base *base); /* a zeroed one is fine */
/* Puts the lines of an item into `lines` (HEADER_LINES_MAX places): `own` over the defaults;
 * `own_text` is where own->text will stay. Gives their number, or adds a fault (too many, too
 * large) and gives 0. */
size_t header_merge(const struct header_base *base, const struct header_list *own,
	const char *own_text, enum body_kind kind, const char **lines, struct fault *fault);
/* False where it only takes the name away. */
bool header_list_sends(const struct header_list *list, const char *name);
/* A name of `own` that the defaults have too, though it be only to take it away; empty: none. */
struct span header_clash(const struct header_base *base, const struct header_list *own);
bool header_has(const char *const *lines, size_t count, const char *name);
bool header_has_value(const char *const *lines, size_t count, const char *name);
#endif
