/* http_server_internal.h - what the files http_server*.c share: the server, one connection's
 * client, one exchange.
 *
 *   http_server.c           life cycle, policy
 *   http_server_loop.c      one http thread: a daemon of libmicrohttpd's and its events
 *   http_server_door.c      who comes in: accept, a place, or 503
 *   http_server_idle.c      connections between two requests, and which of them makes way
 *   http_server_exchange.c  libmicrohttpd's callbacks: an exchange from request line to end
 *   http_server_gate.c      the checks of a request, each in its place
 *   http_server_reply.c     exchange_reply*: from any thread to the answer that is queued
 *   http_server_stream.c    answers that grow while they are read
 *
 * An exchange belongs to the http thread of its connection, but for what a reply fills in: while
 * `progress` is not REPLIED that is the handler's, on whatever thread. */
#ifndef SERVER_HTTP_SERVER_INTERNAL_H
#define SERVER_HTTP_SERVER_INTERNAL_H
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>

#include "common/heap.h"
#include "common/list.h"
#include "common/thread.h"
#include "server/auth.h"
#include "server/framing.h"
#include "server/http_server.h"
#include "server/request_id.h"
#include "server/watcher.h"

enum {
	HTTP_THREADS = 2,
	/* Of libmicrohttpd, a connection: request line and headers must fit. */
	HTTP_POOL_BYTES = 32 * 1024,
	HTTP_SPARE = 64, /* connections past max_connections whose request is read */
	HTTP_ROOM = 32,  /* of a thread: those past them, that wait for a word or for their 503 */
	HTTP_BLOCK_BYTES = 64 * 1024,       /* of an answer that is read from its source */
	HTTP_DISCARD_MAX = 64 * 1024 * 1024 /* of a body that was refused */
};

struct policy { /* what a reload replaces; shared by count, immutable */
	atomic_uint refs;
	struct config *config;
	struct auth *auth;
};

struct newcomer { /* a connection without a place */
	int fd;
	bool answered; /* with 503: what it still sends is read and forgotten */
	uint64_t due_us;
};

struct http_door {                       /* a thread's own */
	struct newcomer room[HTTP_ROOM]; /* in the order they came */
	size_t count;
	int surplus[HTTP_SPARE]; /* handed to the daemon since its last turn */
	size_t surplus_count;
	size_t given;             /* connections of this thread that the server's count holds */
	uint64_t closed_until_us; /* 0: open */
};

struct http_loop { /* one http thread */
	struct http_server *server;
	struct MHD_Daemon *daemon;
	pthread_t thread;
	int wake_fd;        /* eventfd: something was resumed, or it is to stop */
	struct heap alarms; /* streams that want to be asked again; the thread's own */
	struct http_door door;
	struct list_node idle; /* clients; the longest idle one first; the thread's own */
	atomic_uint_fast64_t idle_since_us; /* of the first; CLOCK_NEVER: there is none */
	atomic_uint wanted;                 /* idle ones that other threads asked to make way */
	bool running;
	atomic_bool stop;
};

struct http_server {
	struct http_server_options opt; /* constant; `config` is NULL: see policy */
	int listen_fd;                  /* every loop accepts from it */
	uint16_t port;
	unsigned connections_max; /* what the tables were made for */
	struct http_loop loops[HTTP_THREADS];
	struct watcher *watcher;
	int idle_fd; /* eventfd: written when a count fell to 0 while stopping */
	atomic_int state;
	atomic_size_t connections;         /* that have a place, or are being given one */
	atomic_uint_fast64_t door_told_us; /* when the log was last told of a closed door */
	struct mutex lock;
	struct {
		struct policy *policy;
		size_t answering; /* exchanges whose headers are read, and that have not ended */
		size_t repliers;  /* threads inside exchange_reply* */
		bool stopping;
	} shared;
};

struct client {                /* one connection */
	struct list_node idle; /* linked while no request of it is known */
	uint64_t idle_since_us;
	uint64_t header_due_us; /* of its first request */
	struct http_loop *loop;
	struct watch *watch;
	int fd;
	bool surplus; /* past max_connections when it came */
	bool asked; /* its first request line has come: the header deadline of that one counts from
		       accept */
};

struct field {
	struct field *next;
	char *value;
	char name[];
};

struct reply {
	unsigned status;
	enum problem_code problem; /* NONE: it is no problem document */
	struct field *fields;
	char *body;
	size_t len;
	bool has_source;
	struct http_source source;
	struct http_stream *stream; /* a reference; NULL: the answer's length is known */
	struct http_stream_source stream_source;
	bool broken; /* no memory for a part of it: better none than half of it */
	bool close;
};

enum stage { STAGE_NEW, STAGE_COLLECT, STAGE_DISCARD, STAGE_READY, STAGE_RUN, STAGE_QUEUED };
enum progress { PROGRESS_RUNNING, PROGRESS_SUSPENDED, PROGRESS_REPLIED };

struct exchange {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct client *client;
	struct policy *policy;
	const struct route *route;
	struct http_request request;
	struct framing framing;
	enum stage stage;
	bool at_once; /* refused without reading the body */
	bool armed;   /* its departure is the watcher's */
	bool counted; /* in server->shared.answering */
	uint64_t started_us;
	uint64_t received, discarded; /* bytes of body */
	struct {
		char *ptr;
		size_t len, capacity; /* the capacity is what the budget was charged */
	} body;
	struct departure *departure;
	atomic_int progress;
	struct reply reply;
	char request_id[REQUEST_ID_MAX + 1];
	char *path, *query; /* in `target` */
	char *whole;        /* the target as it came; NULL: there was none */
	char target[];      /* path NUL query NUL whole NUL */
};

/* http_server.c */
struct policy *http_server_policy(struct http_server *server); /* a reference */
void http_server_unref_policy(struct policy *policy);
unsigned http_server_max_connections(const struct http_server *server, const struct policy *policy);
void http_server_count_answer(struct exchange *ex); /* once an exchange */
void http_server_end_answer(struct exchange *ex);
void http_server_begin_reply(struct http_server *server);
/* The server may be gone when this returns. */
void http_server_end_reply(struct http_server *server);

/* http_server_loop.c */
enum err_code http_loop_start(
	struct http_loop *loop, struct http_server *server, unsigned limit, struct err *err);
void http_loop_stop(struct http_loop *loop); /* joins; closes its connections */
void http_loop_resume(struct http_loop *loop, struct MHD_Connection *connection); /* any thread */
void http_loop_wake(struct http_loop *loop);                                      /* any thread */

/* http_server_door.c; its thread, but for the limit */
void http_door_close(struct http_loop *loop);
size_t http_door_fill(struct http_loop *loop, struct pollfd fds[HTTP_ROOM + 1]);
uint64_t http_door_due_us(const struct http_loop *loop); /* CLOCK_NEVER: not by itself */
/* What fill asked for has been polled: lets in, answers, lets go. */
void http_door_turn(struct http_loop *loop, const struct pollfd *fds, size_t count);
void http_door_settle(struct http_loop *loop);                   /* the daemon has had its turn */
bool http_door_is_surplus(const struct http_loop *loop, int fd); /* of one that is being added */

/* http_server_idle.c */
void http_idle_init(struct http_loop *loop);
void http_idle_begin(struct client *client);
void http_idle_end(struct client *client); /* not idle: nothing */
/* Cuts the connection that was idle longest, on whatever thread, if it was for a while; another
 * thread has at most `most` to cut. */
bool http_idle_make_way(struct http_loop *loop, unsigned most);
void http_idle_turn(struct http_loop *loop); /* does what other threads asked for */

/* http_server_exchange.c: the daemon's callbacks; `cls` is the loop */
void *http_server_exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_server_exchange_handle(void *cls, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *data, size_t *size,
	void **request_context);
void http_server_exchange_end(void *cls, struct MHD_Connection *connection, void **request_context,
	enum MHD_RequestTerminationCode reason);
void http_server_client_notice(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode what);

/* http_server_gate.c: false: it has been answered; what is left is to discard the body, but for
 * ex->at_once. */
bool http_server_gate_pass(struct exchange *ex, const char *version);
void http_server_gate_crowd(unsigned max_connections, struct problem *problem);

/* http_server_reply.c */
enum MHD_Result http_server_reply_queue(struct exchange *ex);
unsigned http_server_retry_after_s(struct http_server *server, const struct problem *problem);
void http_server_reply_free(struct reply *reply);
void http_server_arm(struct exchange *ex); /* once: from now on `gone` may be told */

/* http_server_stream.c */
/* Takes the reply's source; NULL without memory. */
struct MHD_Response *http_stream_respond(struct exchange *ex);
void http_stream_ring(struct http_loop *loop, uint64_t now_us); /* alarms that are due */
#endif
