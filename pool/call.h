/* call.h - one item's outbound work: what to send, and what came of it.
 *
 * Life: the submitter fills `request` and `ops`, hands the call to pool_submit, and gets it back
 * through ops->done: exactly once, on a worker's thread, with no lock held. In between it belongs
 * to the pool; afterwards the pool never touches it again. `outcome` is the worker's until then,
 * the submitter's from then on (call_free_outcome). */
#ifndef POOL_CALL_H
#define POOL_CALL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/code.h"
#include "common/heap.h"
#include "common/list.h"
#include "common/mem.h"
#include "pool/breaker.h"
#include "pool/field.h"
#include "pool/url.h"

struct guard;
struct helper_set;
struct pool_group;
struct transfer;
struct worker;

enum { RETRY_STATUS_FIRST = 100, RETRY_STATUS_LAST = 599, CALL_ATTEMPTS_MAX = 10 };

struct retry_policy {          /* constant; shared by many calls */
	unsigned max_attempts; /* 1 to 10 */
	uint64_t backoff_us, max_backoff_us;
	uint64_t retry_on[8]; /* bit (status - 100) */
};

struct request { /* constant from submission on, but for what `prepare` makes of it; everything it
		    points to is the submitter's and outlives the call */
	enum http_method method;
	bool repeatable; /* an ambiguous failure may be repeated: idempotent method,
			    Idempotency-Key, or the endpoint says so */
	bool has_body;
	struct span body;
	struct url url;
	const char *const *headers; /* lines "Name: value", "Name;" where the value is empty;
				       Content-Type and User-Agent included */
	size_t header_count;
	unsigned max_redirects;
	uint64_t timeout_us; /* the item's clock, from leaving the queue */
	const struct retry_policy *retry;
	bool want_headers, want_timing; /* keep them in the outcome */
	size_t response_max;            /* bytes, decoded */
};

struct call_attempt {
	unsigned status; /* 0: none */
	enum item_code code;
	uint64_t duration_us, wait_us; /* the wait before it */
};

struct call_timing {
	char *url;                /* the last one called */
	char remote_address[64];  /* "192.0.2.1:443", "[2001:db8::1]:443"; "" where nothing was
				     connected */
	const char *http_version; /* "1.1"; NULL where no answer came */
	/* Of the last attempt; 0 where it did not come so far. */
	uint64_t dns_us, connect_us, tls_us, first_byte_us;
	size_t attempt_count;
	struct call_attempt attempts[CALL_ATTEMPTS_MAX];
};

struct outcome {
	enum item_code code; /* ITEM_OK: 2xx, complete */
	enum item_reason reason;
	unsigned status; /* the upstream's last; 0: none came */
	bool retryable, sent;
	unsigned attempts; /* begun */
	/* From submission to leaving the queue, or to the end for what never did. */
	uint64_t queue_us;
	uint64_t duration_us; /* from leaving the queue; 0 for what never did */
	char *message;      /* for people; names the host, no secret; NULL for a success or without
			       memory */
	struct buf body;    /* decoded; empty where none came or the answer was cut short */
	size_t charged;     /* bytes of the pool's budget the body holds */
	char *content_type; /* of the last answer; NULL: none */
	struct buf headers; /* want_headers: "name: value\n" lines of the last answer, names in
			       lower case */
	size_t headers_charged;     /* bytes of the budget they hold, where they are many */
	struct call_timing *timing; /* want_timing; NULL without memory */
};

enum call_step {
	CALL_GO,
	/* call_resume is called later, on the same thread, unless `forget` comes first. */
	CALL_WAIT,
	CALL_FAIL
};

struct call;
/* All on the worker's thread, with no lock held; NULL, but for done: nobody asks. */
struct call_ops {
	void (*done)(struct call *call);
	/* Before the first attempt: makes the request what is to be sent; its origin stays. FAIL:
	 * the outcome says why, and no attempt is made. */
	enum call_step (*prepare)(struct call *call);
	/* Just before the first attempt. False: it must not be made, and ends as cancelled. */
	bool (*starting)(struct call *call);
	/* Once there will be no other attempt, also where there was none: may change the outcome,
	 * which it must leave complete before it waits. Never FAIL. */
	enum call_step (*finish)(struct call *call);
	void (*forget)(struct call *call); /* a step that waits is over: cancelled */
};

/* Why a call ended without (another) attempt; pool/sched says it, call_end makes the outcome of
 * it. */
enum call_end {
	CALL_END_NONE,
	CALL_END_STOP_ON_ERROR,
	CALL_END_CLIENT_GONE,
	CALL_END_DRAIN,
	CALL_END_QUEUE_TIMEOUT,
	CALL_END_RATE_LIMITED,
	CALL_END_RETRY_WAIT_TIMEOUT,
	CALL_END_CIRCUIT_OPEN,
	CALL_END_PAUSED, /* its upstream asked for a longer wait than it has time for */
	CALL_END_NO_MEMORY
};

enum call_state { CALL_NEW, CALL_QUEUED, CALL_RETRY_WAIT, CALL_RUNNING, CALL_ENDED };

struct call_sched {            /* where the scheduler has it; only pool/sched looks here */
	struct list_node link; /* in its run's queue, its group's `retrying`, or a hand-over list */
	struct pool_run *run;
	struct heap_node timer; /* a retry's begin, or the item's clock while it waits for a slot */
	uint64_t sequence;      /* the order of submission */
	enum call_state state;
	enum call_end end;
	unsigned era; /* of its upstream, when its attempt began */
};

struct call {
	struct request request;
	const struct call_ops *ops;
	uint64_t position; /* in its group, for pool_group_window */
	struct outcome outcome;
	/* From here on the pool's alone. */
	struct pool_group *group;
	struct mem_budget *budget;
	struct call_sched sched;
	uint64_t submitted_us, started_us; /* started 0: never left the queue */
	uint64_t deadline_us;              /* min(item's clock, batch's clock), once started */
	uint64_t attempt_us;               /* when the current attempt began */
	bool again;           /* handed back for another attempt or hop, not before again_us */
	bool retry;           /* `again` is another attempt */
	enum verdict verdict; /* what the attempt that is handed back says of its upstream */
	bool throttled;       /* it was answered 429 … */
	uint64_t pause_us; /* … and asked for this wait, 0: for none; when it ended as CIRCUIT_OPEN
			      or PAUSED, how long that lasts */
	uint64_t again_us, wait_us; /* wait: the one before the current attempt */
	struct url hop;             /* the redirect's target; text NULL: request.url */
	unsigned hops;              /* redirects followed in this attempt */
	bool stripped; /* a redirect left the origin: only Accept, Accept-Language and User-Agent go
			  along */
	struct worker *worker;     /* that has it now */
	struct transfer *transfer; /* while it is being prepared or is on the wire */
	bool prepared;
};

/* Gives the answer's body back to the budget. */
void call_drop_body(struct call *call);
/* Releases what the outcome holds and gives its bytes back to the budget; it is empty then. */
void call_free_outcome(struct call *call);
const struct url *call_url(const struct call *call); /* the hop's, else the request's */
/* Fills code, reason, retryable and message (printf-like; NULL leaves none). `sent` and the rest
 * stay. */
void call_fail(struct call *call, enum item_code code, enum item_reason reason, bool retryable,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Fills the outcome of a call that ended as sched.end says. */
void call_end(struct call *call);

/* worker_step.c; for the submitter's steps, on their thread. */
void call_resume(struct call *call, enum call_step step); /* GO or FAIL: what it waited for */
struct helper_set *call_helpers(struct call *call);       /* the worker's; NULL: none can be had */
uint64_t call_now_us(const struct call *call);
#endif
