/* http.h - request, reply, exchange, route: what handlers see of HTTP.
 *
 * Plain values; no libmicrohttpd.
 *
 * An *exchange* is one request and its answer. A route's `run` is called on an http thread when the
 * request is whole and has passed the gates, in this order: framing, 404, 405, 401/403, 503, 406,
 * 415, 413, 400. It calls one of the exchange_reply functions exactly once: before it returns, or
 * later from any thread. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/caller.h"
#include "common/problem.h"

struct exchange;

struct http_request { /* borrowed; valid until the reply */
	/* Path and query as on the wire; query without "?", "" where none. */
	const char *method, *path, *query;
	const char *request_id;
	struct caller *caller;        /* NULL on open routes without a key */
	const char *content_type_out; /* which of route.produces the Accept header chose */
};

/* What is sent back when it is larger than one is willing to hold twice: read on demand by an http
 * thread. */
struct http_source {
	void *self;
	uint64_t size;
	/* 0: cannot go on, the connection is cut. */
	size_t (*read)(void *self, uint64_t pos, char *out, size_t max);
	void (*destroy)(void *self); /* exactly once, whatever happens; NULL is fine */
};

/* An answer that grows while it is read. Shared by count: the exchange holds it until it has ended,
 * and whoever wakes it. */
struct http_stream;

#define HTTP_STREAM_END SIZE_MAX
#define HTTP_STREAM_CUT (SIZE_MAX - 1)

struct http_stream_source {
	void *self;
	/* On an http thread: copies what there is to say now, at most `max` bytes (128 or more).
	 * HTTP_STREAM_END: that was all. HTTP_STREAM_CUT: it cannot go on, the connection is cut.
	 * 0: nothing now; it is asked again after http_stream_wake, or at *ret_again_us
	 * (CLOCK_NEVER: not by itself). */
	size_t (*read)(void *self, char *out, size_t max, uint64_t *ret_again_us);
	void (*destroy)(void *self); /* exactly once, whatever happens; http thread */
};

enum route_access { ROUTE_OPEN, ROUTE_CALLER, ROUTE_AD_HOC, ROUTE_ADMIN };

struct route {                     /* constant */
	const char *method, *path; /* GET routes answer HEAD too */
	const char *operation;     /* operationId in openapi.yaml */
	enum route_access access;
	bool health;          /* answered while draining too */
	const char *consumes; /* "application/json": a body is read (and "+json" accepted); NULL:
				 none is taken */
	const char *const *produces; /* NULL-terminated, first is the default; NULL: no 406 */
	/* Asked before the body is read; may refuse by filling *problem: with a 503 and the like
	 * before 406, with a 400 after 413. NULL: never. */
	bool (*admit)(void *service, struct exchange *ex, struct problem *problem);
	void (*run)(void *service, struct exchange *ex);
};

const struct http_request *exchange_request(const struct exchange *ex);
/* The route with its path, whether it takes the method or not (405, OPTIONS); NULL: none, 404. */
const struct route *exchange_route(const struct exchange *ex);
/* What it was refused with, once it was replied to; NONE where it was not. */
enum problem_code exchange_problem(const struct exchange *ex);
/* NULL: not there; the first of many. */
const char *exchange_header(const struct exchange *ex, const char *name);
/* The body, with its memory and the bytes charged to the server's budget for it: the asker's from
 * now on. */
char *exchange_take_body(struct exchange *ex, size_t *ret_len, size_t *ret_charged);
/* What belongs to this exchange: `gone` (may be NULL) is called at most once, on the watcher's
 * thread, when the client left before the reply; `destroy` once, when nothing can call `gone` any
 * more. To be called from run, before it returns and before whatever may reply on another thread is
 * started. `gone` is not called before run has returned; one that has begun may still be running
 * when another thread replies. Who else uses the context past the reply holds it by a reference of
 * its own. */
void exchange_attach(struct exchange *ex, void *context, void (*gone)(void *context),
	void (*destroy)(void *context));

/* A header of the answer; before the reply. Copied. */
void exchange_set_header(struct exchange *ex, const char *name, const char *value);
void exchange_reply(struct exchange *ex, unsigned status, const char *content_type,
	const char *body, size_t len); /* copied */
void exchange_reply_buf(struct exchange *ex, unsigned status, const char *content_type,
	struct buf *body); /* takes its memory */
void exchange_reply_source(struct exchange *ex, unsigned status, const char *content_type,
	const struct http_source *source); /* takes */
/* An answer without a known length: chunked, or ended by the connection for HTTP/1.0. `gone` of
 * exchange_attach may be called until the exchange has ended. Takes source->self; borrows the
 * stream. */
void exchange_reply_stream(struct exchange *ex, unsigned status, const char *content_type,
	struct http_stream *stream, const struct http_stream_source *source);
/* Before the reply; a reference; NULL without memory. */
struct http_stream *http_stream_new(struct exchange *ex);
/* Any thread, before the reply too, and after the client has left: there is something to read. The
 * server must not have been stopped. */
void http_stream_wake(struct http_stream *stream);
struct http_stream *http_stream_ref(struct http_stream *stream);
void http_stream_unref(struct http_stream *stream);
void exchange_reply_problem(struct exchange *ex, struct problem *problem); /* takes what it holds */
#endif
