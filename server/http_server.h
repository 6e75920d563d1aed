/* http_server.h - the HTTP front: listens, frames, gates, and hands whole requests to routes.
 *
 * The only files that know libmicrohttpd are http_server*.c. Owns the listening socket, two http
 * threads and the watcher. */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H
#include "common/config.h"
#include "common/mem.h"
#include "server/http.h"

struct http_server;

enum http_state {
	HTTP_READY,
	HTTP_UNREADY, /* readyz says 503, all else as before */
	HTTP_DRAINING /* everything but health answers 503 `draining` and closes; the listener stays
			 open */
};

struct http_server_options {
	struct config *config;             /* of the start; the server takes a reference */
	const struct route *const *routes; /* NULL-terminated */
	void *service;                     /* handed to the routes */
	struct mem_budget *budget;         /* bodies are charged to it */
	/* For a 503 that does not say itself when to try again: seconds, 1 or more. Any thread. May
	 * be NULL: 1. */
	unsigned (*retry_after_s)(void *service, enum problem_code code);
	/* Called once for each answer that was handed to the network, when the last of it is
	 * written or the client is gone, on an http thread: for logs and metrics. May be NULL. */
	void (*answered)(
		void *service, const struct exchange *ex, unsigned status, uint64_t duration_us);
};

const char *http_server_library_version(void); /* of libmicrohttpd; static; any thread */
/* Does the library itself refuse requests that two parsers read differently? Any thread. */
bool http_server_library_is_strict(void);

/* Binds but takes no connection yet; http_server_port tells the port (config port 0: a free one),
 * so that the guard can know it. */
enum err_code http_server_new(const struct http_server_options *options,
	struct http_server **ret_server, struct err *err) MUST_CHECK;
enum err_code http_server_start(struct http_server *server, struct err *err) MUST_CHECK;
uint16_t http_server_port(const struct http_server *server);
/* Reload: keys, limits, time-outs, CORS, for requests that begin from now on. ERR_NOMEM: nothing
 * has changed. max_connections cannot rise above what it was at the start. */
enum err_code http_server_configure(struct http_server *server, struct config *config) MUST_CHECK;
void http_server_set_state(struct http_server *server, enum http_state state);
enum http_state http_server_state(const struct http_server *server);
/* How many there can be at once where `max_connections` is set, those that get a 503 included; each
 * is an open file. */
size_t http_server_connection_limit(unsigned max_connections);
size_t http_server_connections(const struct http_server *server);
/* Closes the listener, waits at most `grace_ms` for requests whose headers have been read and for
 * answers that are being written, then cuts.
 * Every exchange must have been replied to. */
void http_server_stop(struct http_server *server, uint64_t grace_ms);
void http_server_destroy(struct http_server *server); /* after stop, or instead of start */
#endif
