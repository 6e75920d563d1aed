/* result.c - what came of a call, as the bytes of one result object. */
#include "batch/result.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "batch/scan.h"
#include "batch/folding.h"
#include "common/mem.h"
#include "common/utf8.h"

/* index, status, attempts, times, names of members, code, reason: all that has a bound */
enum { FIXED_BYTES = 512, TIMING_BYTES = 384, ATTEMPT_BYTES = 128 };
enum { SMALL_BYTES = 2048 }; /* results up to this are made on the stack */

enum encoding { ENCODING_NONE, ENCODING_JSON, ENCODING_TEXT, ENCODING_BASE64 };

/* Of a call that never got so far as to have a timing: before and behind its wait in the queue. */
static const char timing_head[] =
	"{\"url\":null,\"remote_address\":null,\"http_version\":null,\"queue_ms\":";
static const char timing_tail[] =
	",\"dns_ms\":0.0,\"connect_ms\":0.0,\"tls_ms\":0.0,\"first_byte_ms\":0.0,\"attempts\":[]}";

static bool says_json(const char *content_type)
{
	struct span type = span_of(content_type);
	const char *parameters = type.len ? memchr(type.ptr, ';', type.len) : NULL;
	const char *slash;

	if (parameters)
		type.len = (size_t)(parameters - type.ptr);
	type = scan_trim(type);
	if (span_equals_nocase(type, "application/json"))
		return true;
	slash = type.len ? memchr(type.ptr, '/', type.len) : NULL;
	return slash && slash > type.ptr && type.len > 5 && type.ptr + type.len - 5 > slash + 1 &&
	       strncasecmp(type.ptr + type.len - 5, "+json", 5) == 0;
}

static struct span body_of(const struct outcome *outcome)
{
	return (struct span){outcome->body.ptr, outcome->body.len};
}

static enum encoding encoding_of(const struct outcome *outcome, struct span body, bool whole)
{
	if (body.len == 0)
		return ENCODING_NONE;
	if (whole && outcome->content_type && says_json(outcome->content_type) &&
		scan_check(body, SCAN_DEPTH_MAX, NULL))
		return ENCODING_JSON;
	return utf8_valid(body.ptr, body.len) ? ENCODING_TEXT : ENCODING_BASE64;
}

static bool wants_body(const struct result_view *view, const struct outcome *outcome)
{
	return view->include_body == INCLUDE_ALL ||
	       (view->include_body == INCLUDE_FAILED && outcome->code != ITEM_OK);
}

static bool is_cut(const struct result_view *view, const struct outcome *outcome)
{
	return view->named && outcome->code != ITEM_OK && outcome->body.len > RESULT_EXPOSED_MAX;
}

/* Between characters, where it is text. */
static size_t cut_at(const struct outcome *outcome)
{
	size_t len = utf8_cut(outcome->body.ptr, outcome->body.len, RESULT_EXPOSED_MAX);

	return utf8_valid(outcome->body.ptr, len) ? len : RESULT_EXPOSED_MAX;
}

/* The part of the answer's body that stands in the result: as `body`, or as `result` where that is
 * a named endpoint's without a template. */
static struct span shown_body(const struct result_view *view, const struct outcome *outcome)
{
	struct span body = body_of(outcome);

	if (!wants_body(view, outcome))
		return (struct span){NULL, 0};
	if (view->named && (outcome->code == ITEM_OK ? view->result.len > 0 : !view->expose_errors))
		return (struct span){NULL, 0};
	if (is_cut(view, outcome))
		body.len = cut_at(outcome);
	return body;
}

static size_t escaped_bytes(struct span text)
{
	size_t len = 2 + text.len;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '"' || c == '\\')
			len++;
		else if (c < 0x20)
			len += strchr("\n\r\t\b\f", c) && c ? 1 : 5;
	}
	return len;
}

static size_t body_bytes(enum encoding encoding, struct span body)
{
	switch (encoding) {
	case ENCODING_JSON:
		return scan_trim(body).len;
	case ENCODING_TEXT:
		return escaped_bytes(body);
	case ENCODING_BASE64:
		return (body.len + 2) / 3 * 4 + 2;
	default:
		return 4;
	}
}

static size_t other_bytes(const struct result_view *view, const struct outcome *outcome)
{
	size_t bytes = FIXED_BYTES + view->id.len;

	if (outcome->message)
		bytes += escaped_bytes(span_of(outcome->message));
	if (view->include_headers)
		bytes += outcome->headers.len * 2;
	bytes += view->result.len;
	if (view->include_timing) {
		bytes += TIMING_BYTES;
		if (outcome->timing)
			bytes += ATTEMPT_BYTES * outcome->timing->attempt_count +
				 span_of(outcome->timing->url).len;
	}
	return bytes;
}

void result_measure(const struct result_view *view, const struct outcome *outcome,
	struct result_measure *ret_measure)
{
	struct span body = shown_body(view, outcome);
	enum encoding encoding = encoding_of(outcome, body, !is_cut(view, outcome));
	size_t result = wants_body(view, outcome) ? view->result.len : 0;
	size_t bytes = body_bytes(encoding, body) + result;

	*ret_measure = (struct result_measure){.encoding = (unsigned)encoding,
		.payload = encoding != ENCODING_NONE || result > 0 ||
			   (view->include_headers && outcome->headers.len > 0),
		.body_bytes = bytes,
		.bytes = bytes + other_bytes(view, outcome)};
}

static void add_string(struct buf *out, const char *text)
{
	if (text)
		buf_add_json_string(out, text, strlen(text));
	else
		buf_add(out, "null", 4);
}

#define ADD(out, literal) buf_add((out), (literal), sizeof(literal) - 1)

static void add_value(struct buf *out, enum encoding encoding, struct span body)
{
	switch (encoding) {
	case ENCODING_JSON:
		scan_add_line(out, scan_trim(body));
		return;
	case ENCODING_TEXT:
		buf_add_json_string(out, body.ptr, body.len);
		return;
	case ENCODING_BASE64:
		buf_add_char(out, '"');
		buf_add_base64(out, body.ptr, body.len);
		buf_add_char(out, '"');
		return;
	case ENCODING_NONE:
		ADD(out, "null");
	}
}

static void add_body(struct buf *out, enum encoding encoding, struct span body)
{
	static const char *const names[] = {[ENCODING_NONE] = "null",
		[ENCODING_JSON] = "\"json\"",
		[ENCODING_TEXT] = "\"text\"",
		[ENCODING_BASE64] = "\"base64\""};

	ADD(out, ",\"body\":");
	add_value(out, encoding, body);
	ADD(out, ",\"body_encoding\":");
	buf_adds(out, names[encoding]);
}

void result_add_value(struct buf *out, const struct outcome *outcome)
{
	struct span body = body_of(outcome);

	add_value(out, encoding_of(outcome, body, true), body);
}

static void add_bool(struct buf *out, bool value)
{
	if (value)
		ADD(out, "true");
	else
		ADD(out, "false");
}

static void add_status(struct buf *out, unsigned status)
{
	if (status)
		buf_add_u64(out, status);
	else
		ADD(out, "null");
}

const char *result_message(const struct outcome *outcome)
{
	if (outcome->code == ITEM_OK)
		return NULL;
	return outcome->message ? outcome->message : "there was no memory to say more";
}

void result_add_error(struct buf *out, const struct outcome *outcome)
{
	if (outcome->code == ITEM_OK) {
		ADD(out, "null");
		return;
	}
	ADD(out, "{\"code\":\"");
	buf_adds(out, code_text(outcome->code));
	ADD(out, "\",\"message\":");
	add_string(out, result_message(outcome));
	if (outcome->reason != REASON_NONE) {
		ADD(out, ",\"reason\":\"");
		buf_adds(out, code_reason_text(outcome->reason));
		buf_add_char(out, '"');
	}
	ADD(out, ",\"retryable\":");
	add_bool(out, outcome->retryable);
	ADD(out, ",\"sent\":");
	add_bool(out, outcome->sent);
	buf_add_char(out, '}');
}

static void add_attempt(struct buf *out, const struct call_attempt *attempt)
{
	ADD(out, "{\"status\":");
	add_status(out, attempt->status);
	ADD(out, ",\"code\":");
	add_string(out, attempt->code == ITEM_OK ? NULL : code_text(attempt->code));
	ADD(out, ",\"duration_ms\":");
	buf_add_ms(out, attempt->duration_us);
	ADD(out, ",\"wait_ms\":");
	buf_add_ms(out, attempt->wait_us);
	buf_add_char(out, '}');
}

static void add_timing(struct buf *out, const struct outcome *outcome)
{
	const struct call_timing *timing = outcome->timing;

	if (!timing) {
		ADD(out, timing_head);
		buf_add_ms(out, outcome->queue_us);
		ADD(out, timing_tail);
		return;
	}
	ADD(out, "{\"url\":");
	add_string(out, timing->url);
	ADD(out, ",\"remote_address\":");
	add_string(out, timing->remote_address[0] ? timing->remote_address : NULL);
	ADD(out, ",\"http_version\":");
	add_string(out, timing->http_version);
	ADD(out, ",\"queue_ms\":");
	buf_add_ms(out, outcome->queue_us);
	ADD(out, ",\"dns_ms\":");
	buf_add_ms(out, timing->dns_us);
	ADD(out, ",\"connect_ms\":");
	buf_add_ms(out, timing->connect_us);
	ADD(out, ",\"tls_ms\":");
	buf_add_ms(out, timing->tls_us);
	ADD(out, ",\"first_byte_ms\":");
	buf_add_ms(out, timing->first_byte_us);
	ADD(out, ",\"attempts\":[");
	for (size_t i = 0; i < timing->attempt_count && i < CALL_ATTEMPTS_MAX; i++) {
		if (i)
			buf_add_char(out, ',');
		add_attempt(out, &timing->attempts[i]);
	}
	ADD(out, "]}");
}

static void add_head(struct buf *out, const struct result_view *view, const struct outcome *outcome)
{
	ADD(out, "{\"index\":");
	buf_add_u64(out, view->index);
	ADD(out, ",\"id\":");
	buf_add(out, view->id.ptr, view->id.len);
	ADD(out, ",\"success\":");
	add_bool(out, outcome->code == ITEM_OK);
}

static void add_status_member(struct buf *out, unsigned status)
{
	ADD(out, ",\"status\":");
	add_status(out, status);
}

/* What a call gave: status and body; of a named endpoint's its result, and the body only where it
 * failed. */
static void add_middle(struct buf *out, const struct result_view *view,
	const struct outcome *outcome, const struct result_measure *measure)
{
	enum encoding encoding = (enum encoding)measure->encoding;
	struct span body = shown_body(view, outcome);

	if (!view->named) {
		add_status_member(out, outcome->status);
		add_body(out, encoding, body);
		return;
	}
	ADD(out, ",\"result\":");
	if (view->result.len && wants_body(view, outcome))
		scan_add_line(out, view->result);
	else if (outcome->code == ITEM_OK)
		add_value(out, encoding, body);
	else
		ADD(out, "null");
	ADD(out, ",\"fallback_used\":");
	add_bool(out, view->fallback_used);
	add_status_member(out, outcome->status);
	if (outcome->code == ITEM_OK || !view->expose_errors)
		return;
	add_body(out, encoding, body);
	if (is_cut(view, outcome) && body.len)
		ADD(out, ",\"body_truncated\":true");
}

static bool add_tail(struct buf *out, const struct result_view *view, const struct outcome *outcome)
{
	struct span lines = {outcome->headers.ptr, outcome->headers.len};

	if (view->include_headers) {
		ADD(out, ",\"headers\":");
		if (folding_add(out, lines) != ERR_OK)
			return false;
	}
	ADD(out, ",\"error\":");
	result_add_error(out, outcome);
	ADD(out, ",\"attempts\":");
	buf_add_u64(out, outcome->attempts);
	ADD(out, ",\"duration_ms\":");
	buf_add_ms(out, outcome->duration_us);
	if (view->include_timing) {
		ADD(out, ",\"timing\":");
		add_timing(out, outcome);
	}
	buf_add_char(out, '}');
	return !out->failed;
}

static bool add_result(struct buf *out, const struct result_view *view,
	const struct outcome *outcome, const struct result_measure *measure)
{
	add_head(out, view, outcome);
	add_middle(out, view, outcome, measure);
	return add_tail(out, view, outcome);
}

/* Made on the stack: a block that is cut to its size leaves holes between the results, which are
 * held long and are many. */
static char *render_small(const struct result_view *view, const struct outcome *outcome,
	const struct result_measure *measure, size_t *ret_len)
{
	char room[SMALL_BYTES];
	char *bytes;
	struct buf out = {.ptr = room, .capacity = sizeof room, .max = sizeof room - 1};

	if (!add_result(&out, view, outcome, measure))
		return NULL;
	bytes = mem_resize(NULL, out.len);
	if (bytes) {
		memcpy(bytes, out.ptr, out.len);
		*ret_len = out.len;
	}
	return bytes;
}

enum err_code result_render(const struct result_view *view, const struct outcome *outcome,
	const struct result_measure *measure, char **ret_bytes, size_t *ret_len)
{
	struct buf out;
	char *exact;

	if (measure->bytes < SMALL_BYTES) {
		exact = render_small(view, outcome, measure, ret_len);
		if (exact) {
			*ret_bytes = exact;
			return ERR_OK;
		} /* it may need more than was thought: header fields that are not UTF-8 do */
	}
	buf_init(&out, SIZE_MAX / 2);
	out.ptr =
		mem_resize(NULL, measure->bytes + 1); /* buf_reserve would take up to the double */
	if (!out.ptr)
		return ERR_NOMEM;
	out.capacity = measure->bytes + 1;
	if (!add_result(&out, view, outcome, measure)) {
		buf_free(&out);
		return ERR_NOMEM;
	}
	*ret_bytes = buf_steal(&out, ret_len);
	exact = mem_resize(*ret_bytes, *ret_len);
	if (exact)
		*ret_bytes = exact;
	return ERR_OK;
}

struct result_brief result_brief_of(enum item_code code, const struct outcome *outcome)
{
	return (struct result_brief){.code = code,
		.status = outcome->status,
		.attempts = outcome->attempts,
		.sent = outcome->sent,
		.queue_us = outcome->queue_us,
		.duration_us = outcome->duration_us};
}

bool result_brief_retryable(const struct result_brief *brief)
{
	return brief->code == ITEM_OVERLOADED;
}

const char *result_brief_message(const struct result_brief *brief)
{
	return brief->code == ITEM_OVERLOADED
		       ? "the server had no memory left for this result"
		       : "the batch's answer has reached limits.max_batch_response";
}

/* As many milliseconds as buf_add_ms writes, without a buffer that could fail. */
static void print_ms(char out[32], uint64_t us)
{
	size_t len = (size_t)snprintf(
		out, 32, "%llu.%03u", (unsigned long long)(us / 1000), (unsigned)(us % 1000));

	while (out[len - 1] == '0' && out[len - 2] != '.')
		out[--len] = '\0';
}

size_t result_render_brief(const struct result_view *view, const struct result_brief *brief,
	char out[RESULT_BRIEF_MAX])
{
	static const char no_body[] = ",\"body\":null,\"body_encoding\":null";
	char status[16] = "null", duration[32], queue[32];
	int len;

	if (brief->status)
		snprintf(status, sizeof status, "%u", brief->status);
	print_ms(duration, brief->duration_us);
	print_ms(queue, brief->queue_us);
	len = snprintf(out, RESULT_BRIEF_MAX,
		"{\"index\":%zu,\"id\":%.*s,\"success\":false%s,\"status\":%s%s%s,"
		"\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"retryable\":%s,\"sent\":%s},"
		"\"attempts\":%u,\"duration_ms\":%s%s%s%s%s}",
		view->index, (int)view->id.len, view->id.ptr,
		view->named ? ",\"result\":null,\"fallback_used\":false" : "", status,
		view->named && !view->expose_errors ? "" : no_body,
		view->include_headers ? ",\"headers\":{}" : "", code_text(brief->code),
		result_brief_message(brief), result_brief_retryable(brief) ? "true" : "false",
		brief->sent ? "true" : "false", brief->attempts, duration,
		view->include_timing ? ",\"timing\":" : "", view->include_timing ? timing_head : "",
		view->include_timing ? queue : "", view->include_timing ? timing_tail : "");
	REQUIRE(len > 0 && len < RESULT_BRIEF_MAX);
	return (size_t)len;
}
