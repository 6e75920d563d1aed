/* transport.h - calls on the wire: curl easy handles in lanes, driven by a worker's epoll. The only
 * files that know curl are this one's and url's.
 *
 * A *lane* is a curl multi with at most LANE_MAX transfers (libcurl walks all connections of a
 * host: many small lanes cost less than a large one), made and dropped as load asks. A *transfer*
 * is one easy run: one attempt, or one hop of it. One transport a worker; every function is for
 * that worker's thread. It decides nothing about retries: it says what happened. */
#ifndef POOL_TRANSPORT_H
#define POOL_TRANSPORT_H
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
	TRANSFER_FAULT_REPEATED /* libcurl wanted to send again what may not be repeated */
};

struct transfer {
	struct list_node
		link; /* the worker's list of what is under way, or the transport's of spare ones */
	struct call *call;
	/* the worker's */
	struct worker *owner;
	struct resolver_waiter waiter;
	struct heap_node timer;
	uint64_t began_us, connect_us, resolved_us; /* connect_us: connect_timeout */
	bool preparing, resolving;
	/* the transport's */
	struct transport *transport;
	struct lane *lane;
	void *easy, *resolve; /* CURL *, struct curl_slist * */
	void *headers;        /* struct curl_slist array of header_room */
	size_t header_room;
	struct guard *guard;
	enum transfer_fault fault;
	char error[256];       /* libcurl's words, for telling its codes apart; never shown */
	unsigned requests;     /* how often libcurl began to send it */
	uint64_t repeated_us;  /* when libcurl began to send it again; 0: it did not */
	bool own_ca, answered; /* answered: libcurl was content with the whole of it */
	struct decode *decode;
	bool decode_ready;
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
	void (*over)(void *self, struct transfer *transfer,
		int curl_code); /* a transfer has ended; not called for aborted ones */
	void *self;
};

#define TRANSPORT_EVENT (UINT64_C(1) << 32)

void transport_library_init(void); /* once, before the first transport */
enum err_code transport_new(const struct transport_options *options,
	struct transport **ret_transport, struct err *err) MUST_CHECK;
void transport_destroy(struct transport *transport); /* every transfer must have been given back */

struct transfer *transport_get(struct transport *transport); /* a clean one; NULL without memory */
void transport_put(struct transport *transport, struct transfer *transfer);
/* Begins to send transfer->call's current hop. `addresses` (count 0: the host is a literal) pin the
 * name; connect_ms bounds TCP and TLS, total_ms everything. ERR_NOMEM: nothing was begun. */
struct transport_target {
	const struct resolver_answer *answer; /* NULL: a literal */
	uint64_t connect_ms, total_ms;
	const char *ca_file; /* "": the system's */
};
enum err_code transport_start(
	struct transfer *transfer, const struct transport_target *target) MUST_CHECK;
void transport_abort(struct transfer *transfer); /* under way or not */

void transport_ready(struct transport *transport, int fd,
	uint32_t events); /* an epoll event with TRANSPORT_EVENT */
/* Runs what is due and reports what has ended. Call after transport_ready and transport_start, and
 * at transport_due_us. */
void transport_run(struct transport *transport, uint64_t now_us);
uint64_t transport_due_us(const struct transport *transport);
size_t transport_lanes(const struct transport *transport);

/* transport_outcome.c: what a curl code and the transfer's facts mean for the call. Writes code,
 * reason, retryable, message, status, sent, body, timing of call->outcome. `item_expired`: the
 * item's own clock has run out. */
void transport_judge(struct transfer *transfer, int curl_code, bool item_expired);
void transport_note_facts(
	struct transfer *transfer); /* status, sent, bytes, timing of one under way */
#endif
