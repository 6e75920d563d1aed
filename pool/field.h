/* field.h - header fields and methods of outbound calls: what may be sent (RFC 9110 section 5).
 *
 * Pure; any thread. */
#ifndef POOL_FIELD_H
#define POOL_FIELD_H
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/code.h"

enum { FIELD_COUNT_MAX = 100, FIELD_MAX_BYTES = 8192, FIELD_TOTAL_MAX_BYTES = 32768 };

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHOD_COUNT
};

const char *method_text(enum http_method method);
bool method_parse(struct span text, enum http_method *ret_method); /* exact, upper case */
bool method_idempotent(enum http_method method);                   /* RFC 9110 section 9.2.2 */

/* NONE, HEADER_INVALID (not a token, control bytes), HEADER_DENIED, HEADER_TOO_LARGE. obs-text in a
 * value is allowed. */
enum item_reason field_check(struct span name, struct span value);
bool field_ours(struct span name); /* Accept-Encoding: dropped without an error */
/* Parses a Retry-After (seconds or HTTP-date) or retry-after-ms value: milliseconds from now, or
 * false where it is garbage. At most a year. */
bool field_parse_retry_after(struct span value, uint64_t wall_now_ms, uint64_t *ret_ms);
bool field_parse_retry_after_ms(struct span value, uint64_t *ret_ms);
#endif
