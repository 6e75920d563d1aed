/* call.c - one item's outbound work: what to send, and what came of it. */
#include "pool/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

void call_free_outcome(struct call *call)
{
	struct outcome *outcome = &call->outcome;

	mem_free(outcome->message);
	mem_free(outcome->content_type);
	if (outcome->timing)
		mem_free(outcome->timing->url);
	mem_free(outcome->timing);
	buf_free(&outcome->body);
	buf_free(&outcome->headers);
	mem_give(call->budget, outcome->charged + outcome->headers_charged);
	*outcome = (struct outcome){0};
}

void call_drop_body(struct call *call)
{
	buf_free(&call->outcome.body);
	mem_give(call->budget, call->outcome.charged);
	call->outcome.charged = 0;
}

const struct url *call_url(const struct call *call)
{
	return call->hop.text ? &call->hop : &call->request.url;
}

void call_fail(struct call *call, enum item_code code, enum item_reason reason, bool retryable,
	const char *fmt, ...)
{
	struct outcome *outcome = &call->outcome;
	char text[512], *old = outcome->message;
	va_list args;
	int len;

	outcome->code = code;
	outcome->reason = reason;
	outcome->retryable = retryable;
	outcome->message = NULL;
	if (fmt) {
		va_start(args, fmt);
		len = vsnprintf(text, sizeof text, fmt,
			args); /* the old message may be among the arguments */
		va_end(args);
		outcome->message = mem_copy(text, /* it may be put into JSON */
			len > 0 ? utf8_cut(text, (size_t)len, sizeof text - 1) : 0);
	}
	mem_free(old);
}

void call_end(struct call *call)
{
	static const struct {
		enum item_code code;
		enum item_reason reason;
		const char *text;
	} ends[] = {
		[CALL_END_STOP_ON_ERROR] = {ITEM_CANCELLED, REASON_STOP_ON_ERROR,
			"another item failed first and options.stop_on_error is set"},
		[CALL_END_CLIENT_GONE] = {ITEM_CANCELLED, REASON_CLIENT_GONE,
			"the client closed its connection"},
		[CALL_END_DRAIN] = {ITEM_CANCELLED, REASON_DRAIN, "the server is shutting down"},
		[CALL_END_QUEUE_TIMEOUT] = {ITEM_TIMEOUT, REASON_QUEUE,
			"the batch's time ran out while the item was waiting for its turn"},
		[CALL_END_RATE_LIMITED] = {ITEM_RATE_LIMITED, REASON_NONE,
			"the batch's time ran out before the rate limit allowed the call"},
		[CALL_END_RETRY_WAIT_TIMEOUT] = {ITEM_TIMEOUT, REASON_RETRY_WAIT,
			"the time ran out before the next attempt or redirect could start"},
		[CALL_END_CIRCUIT_OPEN] = {ITEM_CIRCUIT_OPEN, REASON_NONE,
			"has failed too often lately and is not called for another"},
		[CALL_END_PAUSED] = {ITEM_RATE_LIMITED, REASON_NONE,
			"answered 429 and asked for a longer wait than there is time left:"},
		[CALL_END_NO_MEMORY] = {ITEM_OVERLOADED, REASON_NONE,
			"the server has no memory for this call now"},
	};
	enum call_end end = call->sched.end;

	REQUIRE(end > CALL_END_NONE && (size_t)end < sizeof ends / sizeof *ends);
	if (end == CALL_END_CIRCUIT_OPEN || end == CALL_END_PAUSED)
		call_fail(call, ends[end].code, ends[end].reason, true, "%s:%u %s %.1f s",
			call_url(call)->host, call_url(call)->port, ends[end].text,
			(double)call->pause_us / 1e6);
	else
		call_fail(call, ends[end].code, ends[end].reason, true, "%s (%s)", ends[end].text,
			call->request.url.host);
}
