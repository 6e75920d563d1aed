/* value.h - single values of the request, read from their text: integers, words, short strings.
 * Pure; any thread.
 *
 * Texts are proved ones. Decoding happens in place: a request's body is the batch's own memory and
 * every string in it is read once, so that long ones need no second copy. */
#ifndef BATCH_VALUE_H
#define BATCH_VALUE_H
#include <stdint.h>

#include "batch/fault.h"

struct value_range { /* of an integer */
	uint64_t min, max;
	bool clamp; /* more than max is taken as max; else it is refused */
};

/* A JSON integer (10.0 and 1e1 are none); past 2^64 it counts as the largest. A fault at `path`
 * otherwise. */
enum err_code value_integer(struct span value, struct value_range range, const char *path,
	uint64_t *ret_n, struct fault *fault);
enum err_code value_bool(struct span value, const char *path, bool *ret_bool, struct fault *fault);
/* The string's text, decoded over its own bytes: the text must be writable, and `value` is no
 * proved text afterwards. */
struct span value_decode(struct span value);
bool value_is_string(struct span value);
/* Decodes strict RFC 4648 base64 with padding, in place. False where it is not that. */
bool value_decode_base64(struct span value, struct span *ret_bytes);
#endif
