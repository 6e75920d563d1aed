/* url_parts.c - cuts a URL into its parts, by a grammar narrower than RFC 3986's. */
#include "pool/url_parts.h"

#include <string.h>

#include "pool/host.h"
#include "pool/url.h"

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

bool url_parts_refuses(unsigned char c)
{
	/* one bit each for the printable bytes that no URL may hold as they are */
	static const uint64_t low = 1ull << '"' | 1ull << '<' | 1ull << '>';
	static const uint64_t high = 1ull << ('\\' - 64) | 1ull << ('^' - 64) | 1ull << ('`' - 64) |
				     1ull << ('{' - 64) | 1ull << ('|' - 64) | 1ull << ('}' - 64);

	if (c <= 0x20 || c >= 0x7F)
		return true;
	return ((c < 64 ? low : high) >> (c & 63) & 1) != 0;
}

bool url_parts_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (url_parts_refuses((unsigned char)text.ptr[i]))
			return false;
	return true;
}

static struct span skip(struct span text, size_t n)
{
	return (struct span){text.ptr + n, text.len - n};
}

/* Sets of bytes to stop at; all of them lie below 64. */
#define BIT(c) (1ull << (c))
#define AUTHORITY_END (BIT('/') | BIT('?') | BIT('#'))
#define PATH_END (BIT('?') | BIT('#'))

static size_t until(struct span text, uint64_t stop)
{
	size_t n = 0;

	while (n < text.len && !((unsigned char)text.ptr[n] < 64 && stop >> text.ptr[n] & 1))
		n++;
	return n;
}

/* "localhost:8080/x" is a host and a port without a scheme, though it reads like a scheme. */
static bool looks_like_port(struct span text)
{
	size_t n = 0;

	while (n < text.len && digit(text.ptr[n]))
		n++;
	return n > 0 && (n == text.len || strchr("/?#", text.ptr[n]));
}

static enum item_reason cut_scheme(struct span *text, bool *ret_https)
{
	struct span scheme = {text->ptr, 0}, rest;

	while (scheme.len < text->len &&
		(letter(text->ptr[scheme.len]) || digit(text->ptr[scheme.len]) ||
			strchr("+-.", text->ptr[scheme.len])))
		scheme.len++;
	if (scheme.len == 0 || scheme.len == text->len || text->ptr[scheme.len] != ':' ||
		!letter(*text->ptr))
		return REASON_URL_INVALID;
	rest = skip(*text, scheme.len + 1);
	*ret_https = span_equals_nocase(scheme, "https");
	if (!*ret_https && !span_equals_nocase(scheme, "http"))
		return looks_like_port(rest) ? REASON_URL_INVALID : REASON_SCHEME_DENIED;
	if (rest.len < 3 || rest.ptr[0] != '/' || rest.ptr[1] != '/' || rest.ptr[2] == '/')
		return REASON_URL_INVALID;
	*text = skip(rest, 2);
	return REASON_NONE;
}

static enum item_reason cut_authority(struct span authority, struct url_parts *parts)
{
	struct span rest;

	if (memchr(authority.ptr, '@', authority.len))
		return REASON_USERINFO_DENIED;
	parts->ip6 = authority.len > 0 && authority.ptr[0] == '[';
	if (parts->ip6) {
		const char *end = memchr(authority.ptr, ']', authority.len);

		if (!end)
			return REASON_URL_INVALID;
		parts->host = (struct span){authority.ptr + 1, (size_t)(end - authority.ptr) - 1};
		rest = skip(authority, parts->host.len + 2);
		if (memchr(parts->host.ptr, '%', parts->host.len))
			return REASON_HOST_INVALID; /* a zone */
	} else {
		parts->host = (struct span){authority.ptr, until(authority, BIT(':'))};
		rest = skip(authority, parts->host.len);
	}
	if (parts->host.len == 0 || (rest.len > 0 && rest.ptr[0] != ':'))
		return REASON_URL_INVALID;
	parts->port = parts->https ? 443 : 80;
	if (rest.len > 1 && !host_parse_port(skip(rest, 1), &parts->port))
		return REASON_URL_INVALID;
	return REASON_NONE;
}

enum item_reason url_parts_cut(struct span text, struct url_parts *parts)
{
	enum item_reason reason;
	size_t len;

	if (text.len > URL_MAX_BYTES || !url_parts_plain(text))
		return REASON_URL_INVALID;
	reason = cut_scheme(&text, &parts->https);
	if (reason != REASON_NONE)
		return reason;
	len = until(text, AUTHORITY_END);
	reason = cut_authority((struct span){text.ptr, len}, parts);
	if (reason != REASON_NONE)
		return reason;
	text = skip(text, len);
	parts->path = (struct span){text.ptr, until(text, PATH_END)};
	text = skip(text, parts->path.len);
	parts->query = (struct span){text.ptr, until(text, BIT('#'))};
	return REASON_NONE;
}

bool url_parts_has_scheme(struct span text)
{
	size_t n = until(text, AUTHORITY_END | BIT(':'));

	return n < text.len && text.ptr[n] == ':';
}
