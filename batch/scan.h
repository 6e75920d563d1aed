/* scan.h - where things are in a JSON text, without building a tree.
 *
 * scan_check proves that a text is strict RFC 8259: valid UTF-8, paired surrogates, no more than
 * `depth_max` brackets open at once, nothing behind the value. Everything else here walks a text
 * that was proved, and only cuts it: bytes are never rebuilt. Fuzzed against jansson; the
 * differences (integers past 2^63, reals past the double, \u0000) are listed there. Pure functions;
 * any thread. */
#ifndef BATCH_SCAN_H
#define BATCH_SCAN_H
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

enum { SCAN_DEPTH_MAX = 60 };

enum scan_type {
	SCAN_NULL,
	SCAN_FALSE,
	SCAN_TRUE,
	SCAN_NUMBER,
	SCAN_STRING,
	SCAN_ARRAY,
	SCAN_OBJECT
};

struct scan_error {
	size_t offset;    /* of the first byte that cannot stand there */
	const char *what; /* static, for people */
};

/* True where all of `text` is one JSON value with white space around it. */
bool scan_check(struct span text, unsigned depth_max, struct scan_error *ret_error);
/* 1-based line and column (in bytes) of an offset. */
void scan_position(struct span text, size_t offset, size_t *ret_line, size_t *ret_column);

/* What follows takes proved texts only. */
struct span scan_trim(struct span text); /* without the white space around the value */
enum scan_type scan_type(struct span value);

struct scan_walk { /* of one array's or object's elements */
	const char *at, *end;
};
struct scan_member {
	struct span name;  /* quotes included; not for arrays */
	struct span value; /* trimmed */
};
void scan_begin(struct scan_walk *walk, struct span container); /* an array or an object */
bool scan_next(struct scan_walk *walk, struct scan_member *ret_member);
/* The elements in it; counts no further than stop_after + 1. */
size_t scan_count(struct span container, size_t stop_after);
/* The string's text, escapes decoded (UTF-8; a NUL may be in it). ERR_LIMIT, ERR_NOMEM from buf. */
enum err_code scan_string(struct span value, struct buf *out);
/* The same into memory of at least value.len bytes, which may be the value's own: decoded text is
 * shorter. Gives its length. */
size_t scan_decode(struct span value, char *out);
bool scan_name_is(struct span name, const char *text); /* compares decoded */
/* Adds the text with each raw line break (white space between tokens) replaced by a space: a value
 * that stands in one line. */
enum err_code scan_add_line(struct buf *out, struct span value);
#endif
