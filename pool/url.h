/* url.h - the gate for URLs that come from outside: one spelling, one meaning, or refused.
 *
 * The rule: only printable ASCII, only http and https, no user information, a port from 1 to 65535,
 * libcurl's own parser must agree, and the host it normalises must equal the one that was written.
 * It knows no policy of addresses or ports: that is guard.h. Pure; any thread. */
#ifndef POOL_URL_H
#define POOL_URL_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/code.h"

enum { URL_MAX_BYTES = 8192 };

union url_address { /* an IP address without its port */
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct url {
	char *text;   /* scheme://host[:port]/path[?query], without fragment; what is sent */
	char *host;   /* lower case; IPv6 without brackets */
	char *origin; /* "https://host:port", lower case, port always there, IPv6 in brackets: the
			 upstream's name */
	bool https;
	uint16_t port;
	bool literal; /* the host is an address, below */
	union url_address address;
};

/* Parses `text`; `query` ("a=1&b=2", already encoded, or empty) is appended after the url's own
 * query and before its fragment. REASON_NONE and *ret_url (release with url_free), or why not:
 * URL_INVALID, HOST_INVALID, SCHEME_DENIED, USERINFO_DENIED, PORT_DENIED (port 0). Without memory:
 * REASON_NONE is not returned; *ret_nomem is set. */
enum item_reason url_parse(
	struct span text, struct span query, struct url *ret_url, bool *ret_nomem) MUST_CHECK;
/* A Location against the URL that answered with it (RFC 3986 section 5), through the same gate.
 * URL_INVALID where it is not usable; SCHEME_DENIED also where it would leave https for http. Raw
 * spaces and non-ASCII bytes in it are percent-encoded. */
enum item_reason url_follow(const struct url *base, struct span location, struct url *ret_url,
	bool *ret_nomem) MUST_CHECK;
void url_free(struct url *url); /* and leaves it zeroed; a zeroed one is fine */
bool url_same_origin(const struct url *a, const struct url *b);
/* Adds `text` percent-encoded for a query name or value (RFC 3986 unreserved stays; a space is
 * %20). */
enum err_code url_encode(struct buf *out, const char *text, size_t len);
/* What a reason means for the item: INVALID_ITEM or BLOCKED_TARGET. */
enum item_code url_reason_code(enum item_reason reason);
#endif
