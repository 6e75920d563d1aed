/* escape.h - the escapes of JSON strings, decoded to UTF-8. Pure functions; any thread. */
#ifndef BATCH_ESCAPE_H
#define BATCH_ESCAPE_H
#include <stdbool.h>
#include <stddef.h>

/* Four hexadecimal digits at *at; stops at the first byte that is none (*at then stands there). */
bool escape_hex4(const char **at, const char *end, unsigned *ret_unit);
/* Decodes the escape at *at (behind its backslash) of a proved text, and moves *at behind it. Gives
 * the length in `out`: at most 4 bytes, fewer than the escape itself has. */
size_t escape_decode(const char **at, const char *end, char out[4]);
#endif
