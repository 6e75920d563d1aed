/* transport_header.c - an answer's header section, line by line: what the engine needs of it, what
 * the result shows, and what makes it untrustworthy. */
#include "pool/transport_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
	LOCATION_MAX = 16 * 1024,
	CONTENT_TYPE_MAX = 1024, /* more of it says nothing */
	HEADERS_STEP = 16 * 1024
};

/* In steps, and not at all where they are as few as usual. libcurl keeps a copy of every field. */
static bool charge_headers(struct transfer *transfer)
{
	struct outcome *outcome = &transfer->call->outcome;
	size_t kept = outcome->headers.capacity;

	if (transfer->header_bytes > TRANSFER_HEADERS_FREE + transfer->charged &&
		!transport_charge(transfer, HEADERS_STEP))
		return false;
	if (kept <= TRANSFER_HEADERS_FREE || kept <= outcome->headers_charged)
		return true;
	if (!mem_take(transfer->call->budget, kept - outcome->headers_charged))
		return false;
	outcome->headers_charged = kept;
	return true;
}

/* A status line begins a header section: what an earlier one (1xx) said does not count. */
static void begin_section(struct transfer *transfer)
{
	struct outcome *outcome = &transfer->call->outcome;

	transfer->coding[0] = '\0';
	transfer->section_begun = true;
	transfer->section_over = transfer->has_length = transfer->has_transfer_encoding = false;
	transfer->retry_after_us = 0;
	mem_free(transfer->location);
	transfer->location = NULL;
	mem_free(outcome->content_type);
	outcome->content_type = NULL;
	buf_clear(&outcome->headers);
}

static bool is_digits(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
	return value.len > 0 && value.len < 20;
}

/* Two lengths that differ, or a length beside a transfer coding: somebody between us could read
 * another message. */
static bool note_length(struct transfer *transfer, struct span value)
{
	uint64_t length = 0;

	if (!is_digits(value))
		return false;
	for (size_t i = 0; i < value.len; i++)
		length = length * 10 + (uint64_t)(value.ptr[i] - '0');
	if (transfer->has_transfer_encoding || (transfer->has_length && transfer->length != length))
		return false;
	transfer->has_length = true;
	transfer->length = length;
	return true;
}

static void note_retry_after(struct transfer *transfer, struct span value, bool in_ms)
{
	uint64_t wait_ms = 0;
	bool good = in_ms ? field_parse_retry_after_ms(value, &wait_ms)
			  : field_parse_retry_after(value, clock_wall_ms(), &wait_ms);

	if (good && wait_ms * 1000 > transfer->retry_after_us)
		transfer->retry_after_us = wait_ms * 1000;
}

/* A second Content-Encoding field adds a coding; decode refuses more than one. */
static bool note_coding(struct transfer *transfer, struct span value)
{
	size_t have = strlen(transfer->coding), comma = have ? 1 : 0;

	if (have + comma + value.len >= sizeof transfer->coding)
		return false;
	memcpy(transfer->coding + have, ",", comma);
	memcpy(transfer->coding + have + comma, value.ptr, value.len);
	transfer->coding[have + comma + value.len] = '\0';
	return true;
}

static enum transfer_fault note_field(
	struct transfer *transfer, struct span name, struct span value)
{
	struct outcome *outcome = &transfer->call->outcome;

	switch (name.len) {
	case 8:
		if (span_equals_nocase(name, "location") && value.len <= LOCATION_MAX &&
			!transfer->location)
			transfer->location = mem_copy(value.ptr, value.len);
		break;
	case 11:
		if (span_equals_nocase(name, "retry-after"))
			note_retry_after(transfer, value, false);
		break;
	case 12:
		if (span_equals_nocase(name, "content-type") && !outcome->content_type)
			outcome->content_type = mem_copy(value.ptr,
				value.len < CONTENT_TYPE_MAX ? value.len : CONTENT_TYPE_MAX);
		break;
	case 14:
		if (span_equals_nocase(name, "content-length") && !note_length(transfer, value))
			return TRANSFER_FAULT_MALFORMED;
		if (span_equals_nocase(name, "retry-after-ms"))
			note_retry_after(transfer, value, true);
		break;
	case 16:
		if (span_equals_nocase(name, "content-encoding") && !note_coding(transfer, value))
			return TRANSFER_FAULT_ENCODING;
		break;
	case 17:
		if (!span_equals_nocase(name, "transfer-encoding"))
			break;
		/* libcurl takes a body in a coding it does not know for one without any */
		if (transfer->has_length || transfer->has_transfer_encoding ||
			!span_equals_nocase(value, "chunked"))
			return TRANSFER_FAULT_MALFORMED;
		transfer->has_transfer_encoding = true;
		break;
	default:
		break;
	}
	return TRANSFER_FAULT_NONE;
}

static bool is_hop_by_hop(struct span name)
{
	static const char *const names[] = {"connection", "keep-alive", "proxy-authenticate",
		"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
		"upgrade"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_equals_nocase(name, names[i]))
			return true;
	return false;
}

static enum transfer_fault keep_field(
	struct transfer *transfer, struct span name, struct span value)
{
	struct buf *headers = &transfer->call->outcome.headers;
	size_t at = headers->len;

	if (!transfer->call->request.want_headers || is_hop_by_hop(name))
		return TRANSFER_FAULT_NONE;
	buf_add(headers, name.ptr, name.len);
	for (; at < headers->len; at++)
		if (headers->ptr[at] >= 'A' && headers->ptr[at] <= 'Z')
			headers->ptr[at] = (char)(headers->ptr[at] + 'a' - 'A');
	buf_adds(headers, ": ");
	buf_add(headers, value.ptr, value.len);
	buf_add_char(headers, '\n');
	return headers->failed ? TRANSFER_FAULT_NO_MEMORY : TRANSFER_FAULT_NONE;
}

static struct span without_end(struct span line)
{
	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	return line;
}

static enum transfer_fault add_field(struct transfer *transfer, struct span line)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct span name = {line.ptr, colon ? (size_t)(colon - line.ptr) : 0}, value;
	enum transfer_fault fault;

	/* Without a name, or a folded line (RFC 9112 section 5.2), which would be read as a field
	 * of its own: whoever sends it could hide a length from us. */
	if (name.len == 0 || line.ptr[0] == ' ' || line.ptr[0] == '\t')
		return TRANSFER_FAULT_MALFORMED;
	value = span_trim(without_end((struct span){colon + 1, line.len - name.len - 1}));
	fault = note_field(transfer, name, value);
	if (fault == TRANSFER_FAULT_NONE)
		fault = keep_field(transfer, name, value);
	if (fault == TRANSFER_FAULT_NONE && !charge_headers(transfer))
		fault = TRANSFER_FAULT_NO_MEMORY;
	return fault;
}

/* In the versions that we asked for. HTTP/2's line is libcurl's own, but it believes one that comes
 * over HTTP/1.1, too. */
static bool is_status_line(const struct transfer *transfer, struct span line)
{
	if (line.len > 7 && memcmp(line.ptr, "HTTP/1.", 7) == 0)
		return !transfer->h2c;
	return transfer->http2 && (transfer->stream > 0 || !transport_knows_libcurl()) &&
	       line.len > 7 && memcmp(line.ptr, "HTTP/2 ", 7) == 0;
}

/* libcurl gives the status line, each field, the empty line, and trailers, a line a call. */
size_t transport_header(char *bytes, size_t size, size_t count, void *transfer_arg)
{
	struct transfer *transfer = transfer_arg;
	struct span line = {bytes, size * count};
	bool first = !transfer->section_begun || transfer->section_over;
	enum transfer_fault fault;

	if (transfer->received == 0 && transfer->call->outcome.timing)
		transfer->first_us = clock_us();
	transfer->transport->watchdog.words++;
	transfer->header_bytes += line.len;
	transfer->received += line.len;
	if (transfer->header_bytes > HEADER_SECTION_MAX)
		return transport_fail(transfer, TRANSFER_FAULT_MALFORMED);
	if (first && is_status_line(transfer, line)) {
		begin_section(transfer);
		return line.len;
	}
	if (!transfer->section_begun) /* another version than the one we asked in */
		return transport_fail(transfer, TRANSFER_FAULT_MALFORMED);
	if (first) /* a trailer */
		return line.len;
	if (without_end(line).len == 0) {
		transfer->section_over = true;
		return line.len;
	}
	fault = add_field(transfer, line);
	return fault == TRANSFER_FAULT_NONE ? line.len : transport_fail(transfer, fault);
}
