/* transport.h - calls on the wire: curl easy handles in lanes, driven by a worker's epoll. The only
 * files that know curl are this one's and url's.
 *
 * A *lane* is a curl multi with at most LANE_MAX transfers (libcurl walks all connections of a
 * host: many small lanes cost less than a large one), made and dropped as load asks;
 * transport_lane.c has them. A *transfer* is one easy run: one attempt, or one hop of it. One
 * transport a worker; every function is for that worker's thread. It decides nothing about retries:
 * it says what happened. */
#ifndef POOL_TRANSPORT_H
#define POOL_TRANSPORT_H
#include "common/config.h"
#include "pool/call.h"
#include "pool/decode.h"
#include "pool/guard.h"
#include "pool/resolver.h"

enum { LANE_MAX = 64 };

struct transport;

enum transfer_fault { /* why we ended it ourselves */
	TRANSFER_FAULT_NONE,
	TRANSFER_FAULT_DENIED, /* the guard refused the very address */
	TRANSFER_FAULT_TOO_LARGE,
	TRANSFER_FAULT_NO_MEMORY,
	TRANSFER_FAULT_NO_FILES,
	TRANSFER_FAULT_ENCODING,
	TRANSFER_FAULT_MALFORMED,
	TRANSFER_FAULT_REPEATED, /* libcurl wanted to send again what may not be repeated */
	TRANSFER_FAULT_REFUSED,  /* each time, before it was looked at */
	TRANSFER_FAULT_FLOOD,    /* its connection was cut for holding the worker */
	TRANSFER_FAULT_TURN      /* none: it goes through its lane once more */
};

struct transfer {
	/* The worker's list of what is under way, or the transport's of spare ones. */
	struct list_node link;
	struct call *call;
	/* the worker's */
	struct worker *owner;
	struct config *config; /* holds the rule: a reload may replace the worker's own */
	const struct config_upstream *rule;
	struct resolver_waiter waiter;
	struct heap_node timer;
	bool asks_again; /* for its name, when idle connections have gone for want of files */
	uint64_t began_us, connect_us, resolved_us; /* connect_us: connect_timeout */
	/* the transport's */
	struct transport *transport;
	struct lane *lane;
	void *easy, *resolve; /* CURL *, struct curl_slist * */
	void *headers;        /* struct curl_slist array of header_room */
	size_t header_room;
	struct guard *guard;
	enum transfer_fault fault;
	char error[256];    /* libcurl's words, for telling its codes apart; never shown */
	bool stale;         /* they are from before the request was sent */
	unsigned requests;  /* how often libcurl began to send it */
	unsigned refusals;  /* how many of them provably were not looked at (HTTP/2) */
	unsigned restarted; /* how many of the requests are settled: refused, or repeated */
	unsigned turns;
	bool tried_v4, tried_v6;   /* sockets of that family were opened for it */
	int socket;                /* the last of them */
	bool preparing, resolving; /* the worker's */
	bool special;              /* the handle was told of what no other call may have */
	bool http2, h2c;           /* may be, is spoken */
	bool joining;              /* as transport_again.c has it */
	bool alone;                /* it waits for nobody's connection any more */
	bool elsewhere;            /* the request has left its connection and looks for another */
	bool fresh;                /* the connection it is about to be sent on was made for it */
	bool squeezed;             /* others had to go for want of files; it was tried again */
	bool fault_of_ours;        /* its outcome says nothing of the upstream */
	bool crowded;              /* its connection had no room for it; it gets one of its own */
	bool answered;             /* libcurl was content with the whole of it */
	bool doubtful;             /* though maybe it was not whole */
	bool decode_ready;
	long connects;            /* libcurl's count when it last had a connection */
	unsigned long connection; /* as in struct connection; 0: not known, or HTTP/1.1 */
	struct list_node using;   /* in struct connection */
	uint64_t wait_until_us;   /* for another's connection; 0: it does not wait for one */
	unsigned long taken;      /* the one that it is about to be sent on */
	uint64_t first_us;        /* when the first byte came; 0: none did */
	unsigned long stream;     /* the number of the request begun last; 0: not known */
	struct list_node resting; /* in struct transport */
	uint64_t pieces_call;     /* in which libcurl gave it so many pieces of a body */
	unsigned pieces;
	struct decode *decode;
	size_t burst; /* bytes that it may write at once; 0: that does not matter */
	size_t header_bytes;
	size_t charged; /* of call->budget: the decoder, and header fields that libcurl keeps */
	uint64_t received;
	/* the answer's header section; reset by each status line (1xx) */
	char coding[64];
	char *location;
	bool section_begun, section_over, has_length, has_transfer_encoding;
	uint64_t length, retry_after_us;
};

struct transport_options {
	int epoll;           /* watched sockets carry TRANSPORT_EVENT | fd in epoll_data.u64 */
	size_t buffer_bytes; /* libcurl's read buffer of each transfer */
	size_t idle_files;   /* what connections may take that no call needs */
	/* A transfer has ended; not called for aborted ones. */
	void (*over)(void *self, struct transfer *transfer, int curl_code);
	void (*waits)(void *self, struct transfer *transfer); /* transport_end_wait is to be called
								 at its wait_until_us */
	void *self;
};

#define TRANSPORT_EVENT (UINT64_C(1) << 32)

void transport_library_init(void);           /* once, before the first transport */
const char *transport_library_version(void); /* of libcurl; static; any thread */
enum err_code transport_new(const struct transport_options *options,
	struct transport **ret_transport, struct err *err) MUST_CHECK;
void transport_destroy(struct transport *transport); /* every transfer must have been given back */
void transport_set_idle_files(struct transport *transport, size_t idle_files);
/* transport_watchdog.c: by the thread that uses it from now on, and at its end */
void transport_begin_watch(struct transport *transport);
void transport_end_watch(struct transport *transport);

struct transfer *transport_get(struct transport *transport); /* a clean one; NULL without memory */
void transport_put(struct transport *transport, struct transfer *transfer);
/* Begins to send transfer->call's current hop, as transfer->rule says. The answer pins the name,
 * the proxy's where there is one (NULL: a literal); connect_us from began_us on bounds TCP and TLS,
 * the call's deadline everything. ERR_NOMEM: nothing was begun. */
enum err_code transport_start(
	struct transfer *transfer, const struct resolver_answer *answer) MUST_CHECK;
void transport_abort(struct transfer *transfer); /* under way or not */

/* Files are short: idle connections go before another is opened, and those of lanes without a
 * transfer in the next transport_run. False: for this transfer that was done before. */
bool transport_squeeze(struct transfer *transfer);

/* False: it does not wait, or may yet. */
bool transport_end_wait(struct transfer *transfer, uint64_t now_us);

/* An epoll event with TRANSPORT_EVENT. */
void transport_ready(struct transport *transport, int fd, uint32_t events);
/* Runs what is due and reports what has ended. Call after transport_ready and transport_start, and
 * at transport_due_us. */
void transport_run(struct transport *transport, uint64_t now_us);
uint64_t transport_due_us(const struct transport *transport);
size_t transport_lanes(const struct transport *transport);

/* transport_outcome.c: what a curl code and the transfer's facts mean for the call. Writes code,
 * reason, retryable, message, status, sent, body, timing of call->outcome. `item_expired`: the
 * item's own clock has run out. */
void transport_judge(struct transfer *transfer, int curl_code, bool item_expired);
/* It has got no connection in time, and libcurl, with which it may have waited for another's, will
 * not say so. */
void transport_judge_late(struct transfer *transfer, bool item_expired);
/* Status, sent, bytes, timing of one under way. */
void transport_note_facts(struct transfer *transfer);
/* This attempt's request may have been looked at. */
bool transport_was_sent(const struct transfer *transfer);
#endif
