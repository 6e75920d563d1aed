/* url_parts.h - cuts a URL into its parts, by a grammar narrower than RFC 3986's.
 *
 * Pure; any thread. */
#ifndef POOL_URL_PARTS_H
#define POOL_URL_PARTS_H
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/code.h"

struct url_parts { /* the spans point into the caller's text */
	bool https, ip6;
	uint16_t port; /* 0 only where the text says so */
	struct span host;
	struct span path;
	struct span query; /* with its '?'; empty where there is none */
};

/* NONE, URL_INVALID, HOST_INVALID (a zone in brackets), SCHEME_DENIED, USERINFO_DENIED; the host is
 * not judged yet. */
enum item_reason url_parts_cut(struct span text, struct url_parts *ret_parts) MUST_CHECK;
bool url_parts_plain(struct span text);      /* only bytes that a URL may hold as they are */
bool url_parts_refuses(unsigned char c);     /* not such a byte */
bool url_parts_has_scheme(struct span text); /* an absolute reference, not a relative one */
#endif
