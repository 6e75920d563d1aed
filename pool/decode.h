/* decode.h - gzip and deflate of an upstream's answer, decoded as it arrives.
 *
 * Capped, and complete or refused: a body that ends before its trailer is an error (libcurl's own
 * decoder takes it for a success). One owner, one thread. The only file that knows zlib. */
#ifndef POOL_DECODE_H
#define POOL_DECODE_H
#include "common/buf.h"

struct decode;

enum decode_status {
	DECODE_OK,
	DECODE_MALFORMED, /* not what the header said, or bytes behind its end */
	DECODE_FULL,      /* `out` has reached its max */
	DECODE_NOMEM
};

/* `coding` is the field's value: "" or identity, gzip, x-gzip, deflate (zlib or raw), in any case.
 * DECODE_MALFORMED for any other and for more than one. *ret_decode is NULL for identity: the bytes
 * are then the body. */
enum decode_status decode_new(struct span coding, struct decode **ret_decode);
enum decode_status decode_feed(
	struct decode *decode, const char *bytes, size_t len, struct buf *out);
bool decode_complete(const struct decode *decode); /* the trailer was seen, or not a byte was fed */
void decode_destroy(struct decode *decode);        /* NULL is fine */
const char *decode_library_version(void);          /* of zlib; static; any thread */
#endif
