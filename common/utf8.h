/* utf8.h - is this text UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF)?
 * And where it may be cut. Pure functions, any thread. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H
#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *text, size_t len);
/* The length in bytes (1 to 4) of the valid character at `text`, or 0 where there is none within
 * `len`. */
size_t utf8_char(const char *text, size_t len);
/* How many of the `len` bytes of `text` to show where there is room for `max`: all of them, or what
 * fits without a part of a character at the end. Reads no more than `max` bytes, and judges no
 * others than the last. */
size_t utf8_cut(const char *text, size_t len, size_t max);
#endif
