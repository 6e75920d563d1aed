/* helper.h - work that is done in child processes, because it may crash, loop or run out of memory.
 *
 * A set belongs to one thread, and never makes it wait: the set hands the sockets to watch to
 * `watch`, and goes on in helper_process. The thread asks with opaque bytes; the answer, or why
 * there is none, comes through `done` exactly once for each question, from helper_process. What the
 * processes must know beforehand are *notes*: each process gets them all, a replacement too.
 *
 * A question goes to the process that has the fewest, at most HELPER_WINDOW each; the others wait
 * here within limits, in their order, callers and askers in turns. A process that dies, or is
 * killed because its question took too long, costs that question alone: what was behind it is asked
 * again, before all others. So the work must be one that may be done twice. */
#ifndef POOL_HELPER_H
#define POOL_HELPER_H
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "pool/forker.h"

enum {
	HELPER_WINDOW = 4, /* some lie in the socket while one is worked on: fewer wake-ups */
	HELPER_COUNT_MAX = 16
};

enum helper_outcome {
	HELPER_OK,
	HELPER_LATE,       /* past its limit (its process was killed) or its deadline */
	HELPER_DIED,       /* its process ended over it */
	HELPER_TOO_LARGE,  /* the answer is past answer_max */
	HELPER_UNAVAILABLE /* no process can be had, or no memory */
};

/* `answer` is borrowed for the call, empty unless HELPER_OK. It may ask and forget, and must not
 * destroy the set. */
typedef void helper_done_fn(void *arg, enum helper_outcome outcome, struct span answer);
/* Asked to watch a socket: events of EPOLLIN | EPOLLOUT, 0: no more (it is about to be closed). */
typedef void helper_watch_fn(void *arg, int fd, uint32_t events);

struct helper_options {
	struct forker *forker;        /* borrowed */
	size_t count;                 /* processes, 1 to HELPER_COUNT_MAX */
	size_t queue_max;             /* questions that wait or are worked on */
	size_t queue_bytes;           /* and what they hold */
	size_t answer_max;            /* bytes */
	size_t notes_max, note_bytes; /* how many, and all of them together */
	helper_watch_fn *watch;
	/* What a new process says of itself ("" mostly), for the log; NULL is fine. */
	void (*remark)(void *arg, struct span remarks);
	void *arg; /* of watch and remark */
};

struct helper_question {
	/* Whose it is: where many wait, callers take turns, then each caller's askers. Never looked
	 * at. */
	const void *caller, *asker;
	uint64_t note; /* that it needs: stays while it is under way; 0: none */
	char *bytes;   /* mem_*, taken on ERR_OK */
	size_t len;
	uint64_t limit_us;    /* how long it may be worked on */
	uint64_t deadline_us; /* on clock_us, waiting included; CLOCK_NEVER: none */
	helper_done_fn *done;
	void *arg;
};

struct helper_set;
struct helper_request; /* a question on its way; valid until its `done` begins */

/* The processes start at once. */
enum err_code helper_new(const struct helper_options *options, uint64_t now_us,
	struct helper_set **ret_set, struct err *err) MUST_CHECK;
void helper_destroy(struct helper_set *set); /* no `done` is called any more; NULL is fine */
/* ERR_BUSY where the queue is full, ERR_NOMEM. ret_request may be NULL. */
enum err_code helper_ask(struct helper_set *set, const struct helper_question *question,
	uint64_t now_us, struct helper_request **ret_request) MUST_CHECK;
/* `done` is not called. */
void helper_forget(struct helper_set *set, struct helper_request *request);
/* Bytes are copied. A note stays until it is dropped. An id means the same bytes for ever: told
 * again, nothing happens while it is there. ERR_LIMIT, ERR_NOMEM. */
enum err_code helper_tell(
	struct helper_set *set, uint64_t id, struct span bytes, uint64_t now_us) MUST_CHECK;
/* Not there, or needed by a question under way: nothing. */
void helper_drop(struct helper_set *set, uint64_t id, uint64_t now_us);
/* All notes that no question needs or has needed since the last time: those who still want one tell
 * it again. */
void helper_drop_unused(struct helper_set *set, uint64_t now_us);
/* A watched socket is ready (fd, EPOLL* events), or only time has passed (fd -1). Calls `done`. */
void helper_process(struct helper_set *set, int fd, uint32_t events, uint64_t now_us);
uint64_t helper_due_us(const struct helper_set *set); /* when to call again with -1 */

struct helper_counts {
	size_t questions; /* that wait or are worked on */
	size_t ready;     /* processes */
	uint64_t started; /* processes since the beginning */
};
struct helper_counts helper_counts(const struct helper_set *set);
#endif
