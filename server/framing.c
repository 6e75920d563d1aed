/* framing.c - is this request framed in one way only, so that nobody reads another one out of it?
 */
#include "server/framing.h"

#include <string.h>

enum { LENGTH_DIGITS_MAX = 19 }; /* so that no sum of digits passes 64 bits */

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool framing_is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_alphanumeric(text.ptr[i]) &&
			(!text.ptr[i] || !strchr("!#$%&'*+-.^_`|~", text.ptr[i])))
			return false;
	return text.len > 0;
}

static bool is_value(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Loose on purpose: it keeps out what could be read as a list, a path or userinfo, and routes
 * nothing. */
static bool is_host(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_alphanumeric(text.ptr[i]) &&
			(!text.ptr[i] || !strchr("-._~%!$&'()*+;=:[]", text.ptr[i])))
			return false;
	return true;
}

/* Past 19 digits the value saturates: larger than every limit, and still a number. */
static bool read_length(struct span text, uint64_t *ret_length)
{
	uint64_t length = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		if (i < LENGTH_DIGITS_MAX)
			length = length * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*ret_length = text.len > LENGTH_DIGITS_MAX ? UINT64_MAX : length;
	return true;
}

void framing_init(struct framing *framing)
{
	*framing = (struct framing){0};
}

void framing_add(struct framing *framing, struct span name, struct span sent)
{
	struct span value = span_trim(sent);

	if (!framing_is_token(name)) {
		if (!framing->fault)
			framing->fault = "a header's name is not a token (no space may stand "
					 "before the colon)";
		return;
	}
	if (!is_value(sent) && !framing->fault)
		framing->fault = "a header's value has a control byte in it";
	if (span_equals_nocase(name, "host")) {
		framing->hosts++;
		framing->host_valid = is_host(value);
	} else if (span_equals_nocase(name, "content-length")) {
		framing->lengths++;
		framing->length_valid = read_length(value, &framing->length);
	} else if (span_equals_nocase(name, "transfer-encoding")) {
		framing->codings++;
		/* as sent: libmicrohttpd does not know it with a blank behind it, and waits for
		 * ever */
		framing->chunked = span_equals_nocase(sent, "chunked");
	} else if (span_equals_nocase(name, "expect")) {
		framing->expectations++;
		framing->continue_wanted = span_equals_nocase(value, "100-continue");
	} else if (span_equals_nocase(name, "content-type")) {
		framing->types++;
	} else if (span_equals_nocase(name, "authorization")) {
		framing->keys++;
	}
}

static const char *judge_target(const char *target)
{
	if (!target || target[0] != '/')
		return "the request target must be a path that starts with /";
	for (const char *c = target; *c; c++) {
		if (*c <= 0x20 || *c > 0x7e || *c == '#')
			return "the request target has a byte in it that must be percent-encoded";
		if (*c != '%')
			continue;
		if (!is_hex(c[1]) || !is_hex(c[2]))
			return "the request target has a % that two hexadecimal digits do not "
			       "follow";
		if (c[1] == '0' && c[2] == '0')
			return "the request target has %00 in it";
	}
	return NULL;
}

static const char *judge_fields(const struct framing *framing, bool http_1_1)
{
	if (framing->fault)
		return framing->fault;
	if (framing->hosts > 1)
		return "more than one Host";
	if (framing->hosts == 0 && http_1_1)
		return "no Host";
	if (framing->hosts == 1 && !framing->host_valid)
		return "the Host is not one";
	if (framing->lengths > 1)
		return "more than one Content-Length";
	if (framing->lengths == 1 && !framing->length_valid)
		return "the Content-Length is not a number";
	if (framing->lengths > 0 && framing->codings > 0)
		return "both Content-Length and Transfer-Encoding";
	if (framing->codings > 1)
		return "more than one Transfer-Encoding";
	if (framing->codings > 0 && !http_1_1)
		return "Transfer-Encoding in HTTP/1.0";
	if (framing->types > 1)
		return "more than one Content-Type";
	return framing->keys > 1 ? "more than one Authorization" : NULL;
}

struct framing_verdict framing_judge(
	struct framing *framing, const char *method, const char *version, const char *target)
{
	bool http_1_1 = strcmp(version, "HTTP/1.1") == 0;
	const char *fault;

	if (!http_1_1 && strcmp(version, "HTTP/1.0") != 0)
		return (struct framing_verdict){PROBLEM_VERSION_NOT_SUPPORTED,
			"only HTTP/1.1 and HTTP/1.0 are spoken here"};
	if (!framing_is_token(span_of(method)))
		return (struct framing_verdict){PROBLEM_BAD_REQUEST, "the method is not a token"};
	fault = judge_target(target);
	if (!fault)
		fault = judge_fields(framing, http_1_1);
	if (fault)
		return (struct framing_verdict){PROBLEM_BAD_REQUEST, fault};
	if (framing->codings > 0 && !framing->chunked)
		return (struct framing_verdict){PROBLEM_NOT_IMPLEMENTED,
			"the only Transfer-Encoding understood is chunked"};
	if (!http_1_1) { /* RFC 9110 section 10.1.1: an Expect of an HTTP/1.0 client means nothing
			  */
		framing->expectations = 0;
		framing->continue_wanted = false;
	}
	if (framing->expectations > 1 || (framing->expectations == 1 && !framing->continue_wanted))
		return (struct framing_verdict){PROBLEM_EXPECTATION_FAILED,
			"the only expectation understood is 100-continue"};
	if (framing->length > INT64_MAX)
		return (struct framing_verdict){PROBLEM_BODY_TOO_LARGE,
			"the Content-Length is more than any body can have"};
	return (struct framing_verdict){PROBLEM_NONE, NULL};
}
