/* servant.h - a helper process's side of its socket: frames in, answers out, one after the other.
 *
 * One thread, blocking. Nothing here is believed to come from an enemy: the owner is the program
 * itself. */
#ifndef POOL_SERVANT_H
#define POOL_SERVANT_H
#include <stdbool.h>

#include "common/buf.h"
#include "pool/helper_frame.h"

struct servant {
	int fd;
	struct buf in;
	size_t at; /* what lies before it was used */
};

void servant_init(struct servant *servant, int fd); /* borrows fd */
void servant_free(struct servant *servant);
/* These are false where the owner is gone, or memory: the process is to end. */
bool servant_ready(struct servant *servant, const char *remarks) MUST_CHECK;
/* Waits. The bytes are valid until the next call. */
bool servant_next(
	struct servant *servant, struct helper_frame *ret_frame, struct span *ret_bytes) MUST_CHECK;
/* Two pieces, so that nothing is copied to put a head before a text. */
bool servant_answer(
	struct servant *servant, uint64_t id, struct span head, struct span text) MUST_CHECK;
bool servant_leave(struct servant *servant) MUST_CHECK;
bool servant_idle(const struct servant *servant); /* nothing more has come yet */
#endif
