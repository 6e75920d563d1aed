/* accept.h - what a client wants back (Accept) and what it sends (Content-Type).
 *
 * Pure functions, any thread. RFC 9110 sections 12.5.1 and 8.3. */
#ifndef SERVER_ACCEPT_H
#define SERVER_ACCEPT_H
#include <stdbool.h>

/* The one of `produces` (NULL-terminated) with the highest quality; ties go to the earlier one.
 * `accept` is the field's value, several joined by commas; NULL or blank: the first. NULL: none of
 * them is wanted. The most specific range decides a type's quality; parameters but q are passed
 * over; an element that cannot be read counts for nothing. */
const char *accept_choose(const char *accept, const char *const *produces);

enum accept_type {
	ACCEPT_TYPE_OK,
	ACCEPT_TYPE_MISSING,
	ACCEPT_TYPE_OTHER,
	ACCEPT_TYPE_NDJSON,
	ACCEPT_TYPE_CHARSET
};

/* Is a body of this Content-Type one that a route with `consumes` takes? For `application/json` any
 * type that ends in +json will do; a charset other than UTF-8 will not. */
enum accept_type accept_type_check(const char *content_type, const char *consumes);
#endif
