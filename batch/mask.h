/* mask.h - secrets in bytes that go out: each becomes "***". Pure; any thread. */
#ifndef BATCH_MASK_H
#define BATCH_MASK_H
#include "common/buf.h"
#include "common/config_types.h"

/* In place; as it stands, and as it may stand in a JSON string. Gives the new length. `secrets` are
 * of at least 8 bytes, longest first. */
size_t mask_bytes(const struct config_strings *secrets, char *bytes, size_t len);
#endif
