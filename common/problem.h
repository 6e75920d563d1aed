/* problem.h - an error of the request itself (RFC 9457), before it is an HTTP answer.
 *
 * Whoever finds the fault fills a `struct problem`; server/ renders it as application/problem+json.
 * One owner, one thread at a time. At most PROBLEM_ERRORS_MAX entries are kept; `more` counts those
 * left out. */
#ifndef COMMON_PROBLEM_H
#define COMMON_PROBLEM_H
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* name, HTTP status, `code` in JSON, title. Reserved, since clients may know the names already:
 * IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_MISMATCH and JOB_FINISHED for jobs, RATE_LIMITED for limits
 * of a key, INTERNAL; nothing gives these yet. */
#define PROBLEM_CODES(X)                                                                       \
	X(BAD_REQUEST, 400, "bad_request", "Bad Request")                                      \
	X(INVALID_JSON, 400, "invalid_json", "The body is not valid JSON")                     \
	X(INVALID_REQUEST, 400, "invalid_request", "The request is not valid")                 \
	X(DUPLICATE_ID, 400, "duplicate_id", "Two items have the same id")                     \
	X(IDEMPOTENCY_NEEDS_JOB, 400, "idempotency_needs_job", "Idempotency-Key needs a job")  \
	X(UNAUTHORIZED, 401, "unauthorized", "Unauthorized")                                   \
	X(FORBIDDEN, 403, "forbidden", "Forbidden")                                            \
	X(NOT_FOUND, 404, "not_found", "Not Found")                                            \
	X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", "Method Not Allowed")                 \
	X(NOT_ACCEPTABLE, 406, "not_acceptable", "Not Acceptable")                             \
	X(IDEMPOTENCY_IN_PROGRESS, 409, "idempotency_in_progress", "Still being received")     \
	X(JOB_FINISHED, 409, "job_finished", "The job has ended")                              \
	X(BODY_TOO_LARGE, 413, "body_too_large", "The body is too large")                      \
	X(TOO_MANY_ITEMS, 413, "too_many_items", "Too many items")                             \
	X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "Unsupported Media Type")     \
	X(EXPECTATION_FAILED, 417, "expectation_failed", "Expectation Failed")                 \
	X(IDEMPOTENCY_MISMATCH, 422, "idempotency_mismatch", "Another payload under this key") \
	X(RATE_LIMITED, 429, "rate_limited", "Too Many Requests")                              \
	X(INTERNAL, 500, "internal", "Internal Server Error")                                  \
	X(NOT_IMPLEMENTED, 501, "not_implemented", "Not Implemented")                          \
	X(QUEUE_FULL, 503, "queue_full", "The queue is full")                                  \
	X(MEMORY_FULL, 503, "memory_full", "The memory budget is used up")                     \
	X(DRAINING, 503, "draining", "Shutting down")                                          \
	X(VERSION_NOT_SUPPORTED, 505, "bad_request", "HTTP Version Not Supported")

enum problem_code {
	PROBLEM_NONE,
#define X(name, status, code, title) PROBLEM_##name,
	PROBLEM_CODES(X)
#undef X
		PROBLEM_COUNT
};

enum { PROBLEM_ERRORS_MAX = 100 };

struct problem_error {
	char *pointer; /* JSON Pointer (RFC 6901) into the request; "" is the whole */
	char *detail;
	size_t line, column; /* 1-based, in bytes; 0: not a matter of syntax */
};

struct problem {
	enum problem_code code;
	char detail[512];
	struct problem_error errors[PROBLEM_ERRORS_MAX];
	size_t error_count, more;
	unsigned retry_after_s; /* 0: no Retry-After, except that 429 and 503 always have one */
};

unsigned problem_status(enum problem_code code);
const char *problem_code_text(enum problem_code code);

void problem_init(struct problem *problem);
void problem_free(struct problem *problem);
/* Sets code and detail. */
void problem_set(struct problem *problem, enum problem_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Adds an entry; without memory it only counts. `pointer` is copied. */
void problem_add(struct problem *problem, const char *pointer, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void problem_add_syntax(struct problem *problem, size_t line, size_t column, const char *detail);
/* The answer's body: type, title, status, detail, request_id, code, and `errors` where there are
 * any. */
void problem_render(const struct problem *problem, const char *request_id, struct buf *out);
#endif
