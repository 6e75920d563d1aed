/* field.c - header fields and methods of outbound calls: what may be sent (RFC 9110 section 5). */
#include "pool/field.h"

#include <string.h>
#include <strings.h>

#include "pool/httpdate.h"

#define YEAR_MS (365ull * 24 * 3600 * 1000)

static const char *const methods[HTTP_METHOD_COUNT] = {[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS"};

const char *method_text(enum http_method method)
{
	return methods[method];
}

bool method_parse(struct span text, enum http_method *ret_method)
{
	for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++) {
		if (span_equals(text, methods[i])) {
			*ret_method = (enum http_method)i;
			return true;
		}
	}
	return false;
}

bool method_idempotent(enum http_method method)
{
	return method != HTTP_POST && method != HTTP_PATCH;
}

static bool token_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!token_byte(text.ptr[i]))
			return false;
	return text.len > 0;
}

static bool has_control(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7F)
			return true;
	}
	return false;
}

/* Framing, hop-by-hop, and what cloud metadata services take for proof of a friendly caller. */
static bool denied(struct span name)
{
	static const char *const names[] = {"host", "content-length", "transfer-encoding",
		"connection", "keep-alive", "te", "trailer", "upgrade", "http2-settings", "expect",
		"metadata-flavor", "metadata", "x-google-metadata-request"};
	static const char *const prefixes[] = {"proxy-", "x-aws-ec2-metadata-token"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_equals_nocase(name, names[i]))
			return true;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t len = strlen(prefixes[i]);

		if (name.len >= len && strncasecmp(name.ptr, prefixes[i], len) == 0)
			return true;
	}
	return false;
}

enum item_reason field_check(struct span name, struct span value)
{
	if (!is_token(name))
		return REASON_HEADER_INVALID;
	if (denied(name))
		return REASON_HEADER_DENIED;
	if (name.len > FIELD_MAX_BYTES || value.len > FIELD_MAX_BYTES - name.len)
		return REASON_HEADER_TOO_LARGE;
	return has_control(value) ? REASON_HEADER_INVALID : REASON_NONE;
}

bool field_ours(struct span name)
{
	return span_equals_nocase(name, "accept-encoding");
}

/* Digits in front of `text`, capped far above what anybody waits; how many there are. */
static size_t read_number(struct span text, uint64_t *ret_number)
{
	size_t n = 0;
	uint64_t number = 0;

	for (; n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9'; n++)
		if (number < YEAR_MS)
			number = number * 10 + (uint64_t)(text.ptr[n] - '0');
	*ret_number = number;
	return n;
}

static uint64_t cap(uint64_t ms)
{
	return ms < YEAR_MS ? ms : YEAR_MS;
}

bool field_parse_retry_after(struct span value, uint64_t wall_now_ms, uint64_t *ret_ms)
{
	uint64_t seconds, date_ms;

	value = span_trim(value);
	if (value.len > 0 && read_number(value, &seconds) == value.len) {
		*ret_ms = cap(cap(seconds) * 1000);
		return true;
	}
	if (!httpdate_parse(value, wall_now_ms, &date_ms))
		return false;
	*ret_ms = date_ms > wall_now_ms ? cap(date_ms - wall_now_ms) : 0;
	return true;
}

/* Some write a fraction; a started millisecond counts. */
bool field_parse_retry_after_ms(struct span value, uint64_t *ret_ms)
{
	uint64_t ms, fraction = 0;
	size_t n;

	value = span_trim(value);
	n = read_number(value, &ms);
	if (n == 0)
		return false;
	if (n < value.len) {
		size_t more;

		if (value.ptr[n] != '.')
			return false;
		value = (struct span){value.ptr + n + 1, value.len - n - 1};
		more = read_number(value, &fraction);
		if (more == 0 || more != value.len)
			return false;
	}
	*ret_ms = cap(ms + (fraction > 0));
	return true;
}
