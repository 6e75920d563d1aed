/* fault.c - what a client got wrong in an object of the request, and where. */
#include "batch/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "batch/escape.h"
#include "common/utf8.h"

enum { QUOTE_MAX = 64 };

void fault_init(struct fault *fault, struct problem *problem, const char *base)
{
	fault->problem = problem;
	fault->base = base;
	fault->any = false;
	fault->reason = REASON_NONE;
	fault->pointer[0] = fault->message[0] = '\0';
}

bool fault_wants(struct fault *fault)
{
	if (!fault->problem)
		return !fault->any;
	if (fault->problem->error_count < PROBLEM_ERRORS_MAX)
		return true;
	fault->problem->more++;
	return false;
}

/* Decodes as much of a name as fits into `max` bytes; no half character at the end. */
static size_t decode_some(struct span name, char *out, size_t max)
{
	const char *at = name.ptr + 1, *end = name.ptr + name.len - 1;
	size_t len = 0;

	while (at < end) {
		char decoded[4];
		const char *from = at;
		size_t n;

		if (*at == '\\') {
			at++;
			n = escape_decode(&at, end, decoded);
			from = decoded;
		} else {
			n = utf8_char(at, (size_t)(end - at));
			at += n;
		}
		if (len + n > max)
			break;
		memcpy(out + len, from, n);
		len += n;
	}
	return len;
}

void fault_quote_decoded(struct span text, char ret_text[FAULT_NAME_MAX])
{
	size_t len = utf8_cut(text.ptr, text.len, QUOTE_MAX);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		ret_text[i] = c < 0x20 || c == 0x7F ? '?' : text.ptr[i];
	}
	ret_text[len] = '\0';
}

void fault_quote(struct span name, char ret_text[FAULT_NAME_MAX])
{
	char text[QUOTE_MAX];

	fault_quote_decoded((struct span){text, decode_some(name, text, sizeof text)}, ret_text);
}

void fault_point(char pointer[FAULT_POINTER_MAX], struct span text)
{
	size_t len = utf8_cut(text.ptr, text.len, FAULT_NAME_MAX), at = strlen(pointer);

	if (at + 1 + 2 * len >= FAULT_POINTER_MAX)
		return;
	pointer[at++] = '/';
	for (size_t i = 0; i < len; i++) {
		if (text.ptr[i] == '~' || text.ptr[i] == '/') {
			pointer[at++] = '~';
			pointer[at++] = text.ptr[i] == '~' ? '0' : '1';
		} else {
			pointer[at++] = text.ptr[i] ? text.ptr[i] : '?';
		}
	}
	pointer[at] = '\0';
}

static void add_segment(char pointer[FAULT_POINTER_MAX], struct span name)
{
	char text[FAULT_NAME_MAX] = "";

	fault_point(pointer, (struct span){text, decode_some(name, text, sizeof text)});
}

enum err_code fault_add(struct fault *fault, enum item_reason reason, const char *path,
	struct span name, const char *fmt, ...)
{
	char pointer[FAULT_POINTER_MAX], message[FAULT_MESSAGE_MAX];
	char whole[FAULT_POINTER_MAX + 64];
	va_list args;

	if (!fault_wants(fault))
		return ERR_INVALID;
	snprintf(pointer, sizeof pointer, "%s", path);
	if (name.len)
		add_segment(pointer, name);
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	if (!fault->any) {
		fault->any = true;
		fault->reason = reason;
		memcpy(fault->pointer, pointer, sizeof pointer);
		memcpy(fault->message, message, sizeof message);
	}
	if (fault->problem) {
		snprintf(whole, sizeof whole, "%s%s", fault->base, pointer);
		problem_add(fault->problem, whole, "%s", message);
	}
	return ERR_INVALID;
}
