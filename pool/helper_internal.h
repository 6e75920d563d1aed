/* helper_internal.h - a set's state, shared by helper.c (the questions) and helper_link.c (the
 * processes). */
#ifndef POOL_HELPER_INTERNAL_H
#define POOL_HELPER_INTERNAL_H
#include <stdbool.h>

#include "common/hash.h"
#include "common/heap.h"
#include "common/list.h"
#include "pool/helper.h"
#include "pool/helper_frame.h"

enum helper_timer { HELPER_TIMER_REQUEST, HELPER_TIMER_LINK };

struct helper_line { /* of a caller, or of an asker within it; exists while it has requests, waiting
		      or not */
	struct hash_node node;
	struct helper_line *up; /* an asker's: its caller's; a caller's: NULL */
	struct list_node turn; /* in up->waiting, a caller's in turns; iff `waiting` is not empty */
	struct list_node waiting; /* an asker's: requests; a caller's: turns of its askers */
	const void *who;
	size_t refs; /* requests */
};

struct helper_request {
	struct list_node link; /* of its line's `waiting`, or of its process's sent */
	struct helper_line *line;
	struct heap_node timer; /* set as long as it exists */
	struct helper_frame frame;
	struct helper_note *note; /* or NULL */
	char *bytes;
	uint64_t limit_us, deadline_us, begun_us;
	helper_done_fn *done; /* NULL: nobody waits for it any more */
	void *arg;
	bool sent;
};

struct helper_note {
	struct list_node link; /* of notes: the one used last stands first */
	size_t uses;           /* requests under way that need it */
	bool asked;            /* since helper_drop_unused last looked */
	struct helper_frame frame;
	char bytes[];
};

struct helper_link { /* a process, or the place of one */
	struct helper_set *set;
	int fd; /* -1: none */
	uint64_t child;
	bool ready, wants_out;
	struct list_node sent; /* requests; the first is being worked on */
	size_t sent_count;
	struct helper_request *writing; /* of sent; NULL: all are written */
	size_t written;
	struct buf notes; /* frames that go before the next request */
	size_t notes_written;
	struct buf in;
	struct heap_node timer; /* to start (again), or until it must be ready */
	unsigned failures;      /* processes in a row that were good for nothing */
	uint64_t unkilled;      /* a child that is still to be killed; 0: none */
};

struct helper_set {
	struct helper_options options;
	struct hash lines;      /* by caller, and by caller and asker */
	struct list_node turns; /* callers' lines where requests wait */
	struct list_node notes;
	size_t note_count, note_bytes;
	size_t questions, bytes;
	uint64_t last_id, started;
	struct heap timers;
	struct helper_link links[HELPER_COUNT_MAX];
};

/* helper.c */
void helper_request_end(struct helper_set *set, struct helper_request *request,
	enum helper_outcome outcome, struct span answer); /* calls `done`; frees it */
/* helper_turns.c */
bool helper_turns_join(struct helper_set *set, struct helper_request *request, const void *caller,
	const void *asker); /* false: no memory */
/* `first`: it had its turn before, and is the very next. */
void helper_turns_wait(struct helper_set *set, struct helper_request *request, bool first);
struct helper_request *helper_turns_next(struct helper_set *set); /* waits no more; or NULL */
void helper_turns_leave(struct helper_set *set, struct helper_request *request); /* for good */
/* helper_link.c */
void helper_link_init(struct helper_link *link, struct helper_set *set, uint64_t now_us);
void helper_link_free(struct helper_link *link);
void helper_link_receive(struct helper_link *link, uint64_t now_us);
void helper_link_flush(struct helper_link *link);
void helper_link_send(struct helper_link *link, struct helper_request *request, uint64_t now_us);
void helper_link_add_note(
	struct helper_link *link, struct helper_frame frame, const char *bytes, uint64_t now_us);
void helper_link_timer(struct helper_link *link, uint64_t now_us);
/* What it worked on ends so. */
void helper_link_stop(struct helper_link *link, enum helper_outcome outcome, uint64_t now_us);
bool helper_link_hopeless(const struct helper_link *link); /* none can be had now */
#endif
