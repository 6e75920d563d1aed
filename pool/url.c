/* url.c - the gate for URLs that come from outside: one spelling, one meaning, or refused.
 *
 * The text is cut (url_parts) by a grammar narrower than RFC 3986's, put together again in one
 * spelling, and then read by libcurl's own parser: what that understands must be what was meant
 * here, because it is libcurl that will connect. Path and query pass through byte for byte. */
#include "pool/url.h"

#include <string.h>

#include <curl/curl.h>

#include "common/mem.h"
#include "pool/field.h"
#include "pool/host.h"
#include "pool/url_parts.h"

#define AROUND_HOST (sizeof "https://[]:65535") /* what may stand around the host, and a NUL */

/* The host in its one spelling, and what address it is where it is one. */
static enum item_reason read_host(
	const struct url_parts *parts, char host[HOST_SIZE], struct url *url)
{
	if (parts->ip6) {
		if (!host_parse_ip6(parts->host, &url->address))
			return REASON_URL_INVALID;
		url->literal = true;
		host_print(&url->address.sa, host);
		return REASON_NONE;
	}
	switch (host_parse(parts->host, host, &url->address)) {
	case HOST_NAME:
		return REASON_NONE;
	case HOST_ADDRESS:
		url->literal = true;
		return REASON_NONE;
	case HOST_BAD_FORM:
		return REASON_HOST_INVALID;
	case HOST_BAD_BYTES:
		break;
	}
	return REASON_URL_INVALID;
}

static char *put(char *to, const char *from, size_t len)
{
	if (len > 0)
		memcpy(to, from, len);
	return to + len;
}

static char *put_text(char *to, const char *from)
{
	return put(to, from, strlen(from));
}

static char *put_port(char *to, uint16_t port)
{
	char digits[6];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + port % 10);
		port = (uint16_t)(port / 10);
	} while (port);
	digits[--at] = ':';
	return put(to, digits + at, sizeof digits - at);
}

static char *put_host(char *to, const struct url_parts *parts, const char *host)
{
	to = put_text(to, parts->https ? "https://" : "http://");
	if (parts->ip6)
		*to++ = '[';
	to = put_text(to, host);
	if (parts->ip6)
		*to++ = ']';
	return to;
}

static char *put_target(char *to, const struct url_parts *parts, struct span query)
{
	if (parts->path.len == 0)
		*to++ = '/';
	to = put(to, parts->path.ptr, parts->path.len);
	to = put(to, parts->query.ptr, parts->query.len);
	if (query.len == 0)
		return to;
	if (parts->query.len == 0)
		*to++ = '?';
	else if (to[-1] != '?' && to[-1] != '&')
		*to++ = '&';
	return put(to, query.ptr, query.len);
}

/* text, host and origin share one allocation, which `text` begins. */
static bool build(
	const struct url_parts *parts, const char *host, struct span query, struct url *url)
{
	size_t host_size = strlen(host) + 1;
	size_t target_size = parts->path.len + parts->query.len + query.len + sizeof "/?";
	char *at = mem_try(2 * AROUND_HOST + 3 * host_size + target_size);

	if (!at)
		return false;
	url->https = parts->https;
	url->port = parts->port;
	url->text = at;
	at = put_host(at, parts, host);
	if (url->port != (url->https ? 443 : 80))
		at = put_port(at, url->port);
	at = put_target(at, parts, query);
	*at++ = '\0';
	url->host = at;
	at = put(at, host, host_size);
	url->origin = at;
	at = put_host(at, parts, host);
	at = put_port(at, url->port);
	*at = '\0';
	return true;
}

static bool same_host(const struct url *url, const char *host)
{
	union url_address address;
	size_t len = strlen(host);

	if (!url->literal || url->address.sa.sa_family == AF_INET)
		return strcmp(host, url->host) == 0;
	/* libcurl may write the same IPv6 address in another way */
	return len > 2 && host_parse_ip6((struct span){host + 1, len - 2}, &address) &&
	       memcmp(&address.v6.sin6_addr, &url->address.v6.sin6_addr,
		       sizeof address.v6.sin6_addr) == 0;
}

static bool same_port(const struct url *url, const char *text)
{
	uint16_t port;

	return host_parse_port(span_of(text), &port) && port == url->port;
}

/* Does libcurl see the host and the port that were seen here? */
static CURLUcode compare(CURLU *handle, const struct url *url, bool *ret_same)
{
	char *host = NULL, *port = NULL;
	CURLUcode code = curl_url_set(
		handle, CURLUPART_URL, url->text, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);

	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_HOST, &host, 0);
	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	*ret_same = code == CURLUE_OK && same_host(url, host) && same_port(url, port);
	curl_free(host);
	curl_free(port);
	return code;
}

static enum item_reason check_with_curl(const struct url *url, bool *ret_nomem)
{
	CURLU *handle = curl_url();
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	bool same = false;

	if (handle)
		code = compare(handle, url, &same);
	curl_url_cleanup(handle);
	*ret_nomem = code == CURLUE_OUT_OF_MEMORY;
	if (code != CURLUE_OK)
		return REASON_URL_INVALID;
	return same ? REASON_NONE : REASON_HOST_INVALID;
}

enum item_reason url_parse(
	struct span text, struct span query, struct url *ret_url, bool *ret_nomem)
{
	struct url_parts parts = {0};
	struct url url = {0};
	char host[HOST_SIZE];
	enum item_reason reason;

	*ret_nomem = false;
	if (query.len > URL_MAX_BYTES || !url_parts_plain(query) ||
		(query.len > 0 && memchr(query.ptr, '#', query.len)))
		return REASON_URL_INVALID;
	reason = url_parts_cut(text, &parts);
	if (reason == REASON_NONE)
		reason = read_host(&parts, host, &url);
	if (reason == REASON_NONE && parts.port == 0)
		reason = REASON_PORT_DENIED;
	if (reason != REASON_NONE)
		return reason;
	if (!build(&parts, host, query, &url)) {
		*ret_nomem = true;
		return REASON_URL_INVALID;
	}
	reason = (size_t)(url.host - url.text) > URL_MAX_BYTES + 1
			 ? REASON_URL_INVALID
			 : check_with_curl(&url, ret_nomem);
	if (reason != REASON_NONE) {
		url_free(&url);
		return reason;
	}
	*ret_url = url;
	return REASON_NONE;
}

/* Servers write spaces and raw UTF-8 into Location, and every client encodes them. In an authority
 * the '%' that comes of it is refused by the gate; controls and backslashes stay as they are, and
 * are refused too. */
static void escape(struct buf *out, struct span location)
{
	for (size_t i = 0; i < location.len; i++) {
		unsigned char c = (unsigned char)location.ptr[i];

		if (c != '\\' && c != 0x7F && c >= 0x20 && url_parts_refuses(c))
			buf_addf(out, "%%%02X", c);
		else
			buf_add_char(out, (char)c);
	}
}

/* What libcurl makes of a reference: merged with the base, dot segments resolved. */
static CURLUcode merge(const struct url *base, const char *location, char **ret_text)
{
	CURLU *handle = curl_url();
	CURLUcode code = CURLUE_OUT_OF_MEMORY;

	if (handle)
		code = curl_url_set(handle, CURLUPART_URL, base->text, CURLU_PATH_AS_IS);
	if (code == CURLUE_OK)
		code = curl_url_set(handle, CURLUPART_URL, location, 0);
	if (code == CURLUE_OK)
		code = curl_url_get(handle, CURLUPART_URL, ret_text, 0);
	curl_url_cleanup(handle);
	return code;
}

static enum item_reason resolve(
	const struct url *base, const char *location, struct url *url, bool *ret_nomem)
{
	enum item_reason reason = REASON_URL_INVALID;
	char *merged = NULL;
	CURLUcode code = merge(base, location, &merged);

	*ret_nomem = code == CURLUE_OUT_OF_MEMORY;
	if (code == CURLUE_OK)
		reason = url_parse(span_of(merged), (struct span){0}, url, ret_nomem);
	curl_free(merged);
	return reason;
}

/* Gated before libcurl sees it too: that repairs and normalises what the gate refuses. */
static enum item_reason follow_absolute(
	const struct url *base, struct span location, struct url *url, bool *ret_nomem)
{
	struct url raw = {0};
	enum item_reason reason = url_parse(location, (struct span){0}, &raw, ret_nomem);

	if (reason == REASON_NONE && base->https && !raw.https)
		reason = REASON_SCHEME_DENIED;
	if (reason == REASON_NONE)
		reason = resolve(base, raw.text, url, ret_nomem);
	url_free(&raw);
	return reason;
}

static enum item_reason follow_relative(
	const struct url *base, struct span location, struct url *url, bool *ret_nomem)
{
	struct url merged = {0};
	enum item_reason reason;

	if (!url_parts_plain(location))
		return REASON_URL_INVALID;
	if (location.ptr[0] == '#') /* libcurl 7.88 would drop what stands behind the last '/' */
		return url_parse(span_of(base->text), (struct span){0}, url, ret_nomem);
	reason = resolve(base, location.ptr, &merged, ret_nomem);
	if (reason == REASON_NONE && !url_same_origin(base, &merged))
		reason = REASON_URL_INVALID;
	if (reason == REASON_NONE)
		*url = merged;
	else
		url_free(&merged);
	return reason;
}

enum item_reason url_follow(
	const struct url *base, struct span location, struct url *ret_url, bool *ret_nomem)
{
	enum item_reason reason = REASON_URL_INVALID;
	struct span escaped;
	struct buf text;

	*ret_nomem = false;
	location = span_trim(location);
	if (location.len == 0 || location.len > URL_MAX_BYTES)
		return REASON_URL_INVALID;
	buf_init(&text, 3 * URL_MAX_BYTES + sizeof "https:");
	if (location.len > 1 && memcmp(location.ptr, "//", 2) == 0)
		buf_adds(&text, base->https ? "https:" : "http:");
	escape(&text, location);
	escaped = (struct span){text.ptr, text.len};
	if (text.failed)
		*ret_nomem = true;
	else if (url_parts_has_scheme(escaped))
		reason = follow_absolute(base, escaped, ret_url, ret_nomem);
	else
		reason = follow_relative(base, escaped, ret_url, ret_nomem);
	buf_free(&text);
	return reason;
}

void url_free(struct url *url)
{
	mem_free(url->text);
	*url = (struct url){0};
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return strcmp(a->origin, b->origin) == 0;
}

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

enum err_code url_encode(struct buf *out, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < len && code == ERR_OK; i++) {
		unsigned char c = (unsigned char)text[i];
		char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (unreserved((char)c))
			code = buf_add_char(out, (char)c);
		else
			code = buf_add(out, escaped, sizeof escaped);
	}
	return code;
}

enum item_code url_reason_code(enum item_reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return ITEM_OK;
	case REASON_SCHEME_DENIED:
	case REASON_USERINFO_DENIED:
	case REASON_PORT_DENIED:
	case REASON_HOST_DENIED:
	case REASON_ADDRESS_DENIED:
		return ITEM_BLOCKED_TARGET;
	default:
		return ITEM_INVALID_ITEM;
	}
}
