/* helper_frame.h - what a helper process and its owner say to each other: a head, then `len` bytes.
 *
 * Both ends are the same program on the same machine, so the head goes over as it lies in
 * memory. */
#ifndef POOL_HELPER_FRAME_H
#define POOL_HELPER_FRAME_H
#include <stdint.h>

enum helper_kind {
	/* to the process */
	HELPER_ASK = 1, /* wants one HELPER_ANSWER with the same id */
	HELPER_TELL,    /* a note, kept under its id */
	HELPER_DROP,    /* the note of this id is not needed any more; no bytes */
	/* from it */
	HELPER_READY,  /* first of all; the bytes are remarks for the log */
	HELPER_ANSWER, /* in the order of the questions */
	HELPER_LEAVE   /* in good order, between two questions: replace me; no bytes */
};

struct helper_frame {
	uint32_t len;
	uint32_t kind; /* enum helper_kind */
	uint64_t id;
};

enum { HELPER_FRAME_MAX = 256 << 20 }; /* what neither end ever means to send */
#endif
