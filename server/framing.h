/* framing.h - is this request framed in one way only, so that nobody reads another one out of it?
 *
 * Pure functions, any thread: the header fields are fed one by one, then the whole is judged.
 * libmicrohttpd's own parser lets through what smuggles requests (two Content-Length,
 * Content-Length with Transfer-Encoding, two Host, spaces before a colon); this gate stands in
 * front of everything else. */
#ifndef SERVER_FRAMING_H
#define SERVER_FRAMING_H
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/problem.h"

struct framing {
	unsigned hosts, lengths, codings, expectations, types, keys; /* fields of that name */
	bool chunked;         /* the one Transfer-Encoding says so */
	bool host_valid;      /* the last Host could be one */
	bool length_valid;    /* the last Content-Length is a number */
	bool continue_wanted; /* Expect: 100-continue */
	uint64_t length;      /* of Content-Length; 0 where there is none */
	const char *fault;    /* the first field that cannot be read, or NULL */
};

struct framing_verdict {
	enum problem_code code; /* PROBLEM_NONE: sound */
	const char *detail;     /* static */
};

void framing_init(struct framing *framing);
void framing_add(struct framing *framing, struct span name, struct span value);
/* `target` is the request target as on the wire, query included; NULL: there was none. A
 * Content-Length of 2^63 or more is a 413: programs disagree on what it says. After PROBLEM_NONE,
 * chunked, length and continue_wanted are the truth. */
struct framing_verdict framing_judge(
	struct framing *framing, const char *method, const char *version, const char *target);
bool framing_is_token(struct span text); /* RFC 9110 section 5.6.2 */
#endif
