/* proof.h - is a text strict RFC 8259 JSON, and if not, where not? The machine behind scan_check.
 * Pure; any thread. */
#ifndef BATCH_PROOF_H
#define BATCH_PROOF_H
#include <stdbool.h>

#include "common/buf.h"

/* True for valid JSON. Else the offset of the first byte that cannot stand there (text.len: it ends
 * too early), and what is wrong with it (static). */
bool proof_find(struct span text, unsigned depth_max, size_t *ret_offset, const char **ret_what);
#endif
