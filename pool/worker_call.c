/* worker_call.c - one call on a worker: name, wire, redirects, the decision to try again.
 *
 *   start -> (prepare) -> begin -> resolve -> send_now -> (transport) -> worker_call_over
 *                           |         |           |                           |
 *                           |         +-----------+-> worker_call_conclude <--+ or another hop
 *                           +-------------------------------+-> worker_step_leave -> the pool
 * Each way ends in worker_step_leave, exactly once a transfer. */
#include "pool/worker_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "pool/retry.h"

enum {
	CLOCK_SLACK_US = 2000, /* libcurl counts in milliseconds */
	BACKSTOP_US = 1000000
};

/* ---- an attempt's end ---- */

void worker_call_record(struct worker *worker, struct call *call)
{
	const struct outcome *outcome = &call->outcome;
	bool answered = outcome->code == ITEM_OK || outcome->code == ITEM_UPSTREAM_STATUS;
	struct call_timing *timing = outcome->timing;
	struct call_attempt *attempt;

	if (!timing || timing->attempt_count == CALL_ATTEMPTS_MAX)
		return;
	attempt = &timing->attempts[timing->attempt_count++];
	attempt->status = answered ? outcome->status : 0;
	attempt->code = outcome->code;
	attempt->duration_us = worker->now_us - call->attempt_us;
	attempt->wait_us = call->wait_us;
}

void worker_call_forget_hops(struct call *call)
{
	url_free(&call->hop);
	call->hops = 0;
	call->stripped = false;
}

void worker_call_note_url(struct call *call)
{
	struct call_timing *timing = call->outcome.timing;
	const char *text = call_url(call)->text;

	if (!timing)
		return;
	mem_free(timing->url);
	timing->url = mem_copy(text, strlen(text));
}

/* What an attempt's end says of its upstream; the scheduler draws the conclusions. */
static enum verdict verdict_of(const struct outcome *outcome)
{
	switch (outcome->code) {
	case ITEM_UPSTREAM_STATUS:
		return outcome->status >= 502 && outcome->status <= 504 ? VERDICT_BAD
									: VERDICT_GOOD;
	case ITEM_OK:
	case ITEM_RESPONSE_TOO_LARGE:
		return VERDICT_GOOD;
	case ITEM_DNS_FAILED:
	case ITEM_CONNECT_FAILED:
	case ITEM_TLS_FAILED:
		return VERDICT_BAD;
	default:
		return VERDICT_NONE;
	}
}

static void note_verdict(struct call *call, const struct transfer *transfer)
{
	call->verdict = transfer->fault_of_ours ? VERDICT_NONE : verdict_of(&call->outcome);
	call->throttled = call->outcome.code == ITEM_UPSTREAM_STATUS && call->outcome.status == 429;
	call->pause_us = call->throttled ? transfer->retry_after_us : 0;
}

static bool wants_retry(struct worker *worker, const struct transfer *transfer)
{
	struct call *call = transfer->call;
	struct retry_facts facts = {.sent = transport_was_sent(transfer),
		.retry_after_us = transfer->retry_after_us,
		.now_us = worker->now_us};

	worker->random =
		worker->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	facts.random = worker->random >> 11;
	if (!retry_decide(call, &facts, &call->wait_us))
		return false;
	call->again_us = worker->now_us + call->wait_us;
	return true;
}

/* What a call that waits for another attempt need not hold meanwhile: nothing bounds how many wait.
 */
void worker_call_drop_answer(struct call *call)
{
	struct outcome *outcome = &call->outcome;

	call_drop_body(call);
	mem_free(outcome->content_type);
	outcome->content_type = NULL;
	mem_give(call->budget, outcome->headers_charged);
	outcome->headers_charged = 0;
	buf_free(&outcome->headers);
}

/* An attempt is over: another one, or the call's outcome. */
void worker_call_conclude(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	struct outcome *outcome = &call->outcome;

	worker_call_record(worker, call);
	worker_call_note_url(call);
	note_verdict(call, transfer);
	call->again = outcome->code != ITEM_OK && wants_retry(worker, transfer);
	call->retry = call->again;
	if (call->again)
		worker_call_drop_answer(call);
	else if (outcome->code != ITEM_OK && outcome->code != ITEM_UPSTREAM_STATUS)
		call_drop_body(call);
	outcome->duration_us = worker->now_us - call->started_us;
	worker_call_forget_hops(call);
	worker_step_leave(worker, transfer);
}

static bool is_redirect(const struct call *call, const struct transfer *transfer)
{
	unsigned status = call->outcome.status;

	if (call->outcome.code != ITEM_UPSTREAM_STATUS || call->request.max_redirects == 0 ||
		!transfer->location)
		return false;
	if (call->request.method != HTTP_GET && call->request.method != HTTP_HEAD)
		return false;
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The hop's target through the gate and the guard. NONE: *ret_next is it. */
static enum item_reason next_hop(const struct call *call, const struct transfer *transfer,
	struct url *ret_next, bool *ret_nomem)
{
	const struct url *from = call_url(call);
	enum item_reason reason =
		url_follow(from, span_of(transfer->location), ret_next, ret_nomem);

	if (*ret_nomem || reason != REASON_NONE)
		return reason;
	if (from->https && !ret_next->https)
		reason = REASON_SCHEME_DENIED;
	else
		reason = guard_check_url(transfer->guard, ret_next);
	if (reason != REASON_NONE)
		url_free(ret_next);
	return reason;
}

/* True where the call goes on elsewhere; else its outcome says what became of the redirect. */
static bool follow(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	const struct url *from = call_url(call);
	struct url next;
	bool nomem = false;
	enum item_reason reason;

	if (call->hops >= call->request.max_redirects) {
		call_fail(call, ITEM_TOO_MANY_REDIRECTS, REASON_NONE, false,
			"more than %u redirects, the last from %s", call->request.max_redirects,
			from->host);
		return false;
	}
	reason = next_hop(call, transfer, &next, &nomem);
	if (nomem) {
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no memory to follow the redirect of %s", from->host);
		return false;
	}
	if (reason == REASON_URL_INVALID)
		return false; /* not a usable Location: the 3xx is the answer */
	if (reason != REASON_NONE) {
		call_fail(call, ITEM_BLOCKED_TARGET, reason, false,
			"%s redirects to a target that may not be called", from->host);
		return false;
	}
	call->again = !url_same_origin(from, &next);
	call->retry = false;
	call->again_us = worker->now_us;
	call->stripped |= call->again;
	call->hops++;
	url_free(&call->hop);
	call->hop = next;
	return true;
}

/* Within its origin a call keeps its slots; to another one it goes through the pool's turns. */
static void go_on(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;

	worker_call_drop_answer(call);
	note_verdict(call, transfer);
	if (call->again) {
		worker_step_leave(worker, transfer);
		return;
	}
	worker_step_release(worker, transfer);
	worker_call_start(worker, call);
}

void worker_call_over(void *worker_arg, struct transfer *transfer, int curl_code)
{
	struct worker *worker = worker_arg;
	struct call *call = transfer->call;
	bool began_before_send = transfer->fault == TRANSFER_FAULT_DENIED &&
				 transfer->requests == 0 && call->hops == 0;

	worker->now_us = clock_us();
	transport_judge(transfer, curl_code, worker->now_us + CLOCK_SLACK_US >= call->deadline_us);
	if (began_before_send)
		call->outcome
			.attempts--; /* a target that is blocked before connecting is no attempt */
	if (is_redirect(call, transfer) && follow(worker, transfer)) {
		go_on(worker, transfer);
		return;
	}
	worker_call_conclude(worker, transfer);
}

/* ---- an attempt's begin ---- */

static void fail_unsent(struct worker *worker, struct transfer *transfer)
{
	worker->now_us = clock_us();
	worker_call_conclude(worker, transfer);
}

/* libcurl keeps the clocks of what has a connection or makes one, but none of a call that waits for
 * the connection that another makes (HTTP/2). Should it ever fail to, a call still ends. */
uint64_t worker_call_clock(const struct transfer *transfer)
{
	uint64_t deadline_us = transfer->call->deadline_us;
	uint64_t connected_us = clock_add(transfer->began_us, transfer->connect_us);
	uint64_t clock_us;

	if (!transfer->http2 || (transfer->requests > 0 && !transfer->wait_until_us))
		return clock_add(deadline_us, BACKSTOP_US);
	clock_us =
		clock_add(connected_us < deadline_us ? connected_us : deadline_us, CLOCK_SLACK_US);
	return transfer->wait_until_us && transfer->wait_until_us < clock_us
		       ? transfer->wait_until_us
		       : clock_us;
}

void worker_call_waits(void *worker_arg, struct transfer *transfer)
{
	struct worker *worker = worker_arg;

	heap_set(&worker->timers, &transfer->timer, worker_call_clock(transfer));
}

static void send_now(
	struct worker *worker, struct transfer *transfer, const struct resolver_answer *answer)
{
	struct call *call = transfer->call;
	const struct url *url = call_url(call);

	if (transport_start(transfer, answer) == ERR_OK) {
		heap_set(&worker->timers, &transfer->timer, worker_call_clock(transfer));
		return;
	}
	call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
		"the server has no memory for the call to %s now", url->host);
	fail_unsent(worker, transfer);
}

static bool denied(const struct transfer *transfer, const struct resolver_answer *answer)
{
	const struct url *url = call_url(transfer->call);

	for (size_t i = 0; i < answer->alias_count; i++)
		if (guard_denies_alias(transfer->guard, url, answer->aliases[i]))
			return true;
	for (size_t i = 0; i < answer->count; i++)
		if (guard_check_address(transfer->guard, url, &answer->addresses[i].sa) !=
			REASON_NONE)
			return true;
	return false;
}

static void fail_unresolved(struct transfer *transfer, const struct resolver_answer *answer)
{
	struct call *call = transfer->call;
	const struct config_proxy *via = transfer->rule->via;
	const char *host = call_url(call)->host;

	if (answer->lack != RESOLVER_LACKS_NOTHING)
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server cannot look up %s now: %s", via ? via->host : host,
			answer->text);
	else if (via)
		call_fail(call, ITEM_CONNECT_FAILED, REASON_NONE, true,
			"the proxy %s for %s cannot be resolved: %s", via->host, host,
			answer->text);
	else
		call_fail(call, ITEM_DNS_FAILED,
			answer->status == RESOLVER_TIMEOUT ? REASON_TIMEOUT : REASON_NONE, true,
			"%s cannot be resolved: %s", host, answer->text);
}

/* Idle connections go in the transport's next run, which comes before the timers are looked at. */
static void wait_for_files(struct worker *worker, struct transfer *transfer)
{
	transfer->asks_again = true;
	heap_set(&worker->timers, &transfer->timer, worker->now_us);
}

static void resolved(
	struct worker *worker, struct transfer *transfer, const struct resolver_answer *answer)
{
	struct call *call = transfer->call;
	const struct config_proxy *via = transfer->rule->via;
	const char *host = call_url(call)->host;

	transfer->resolving = false;
	transfer->resolved_us = worker->now_us;
	heap_remove(&worker->timers, &transfer->timer);
	if (!via && answer->alias_count + answer->count > 0 && denied(transfer, answer)) {
		call_fail(call, ITEM_BLOCKED_TARGET, REASON_ADDRESS_DENIED, false,
			"%s resolves to an address that may not be called unless the operator "
			"opens it (targets.allow: every address of a name must be open)",
			host);
		call->outcome.attempts -= call->hops == 0;
	} else if (answer->status == RESOLVER_OK) {
		send_now(worker, transfer, answer);
		return;
	} else if (answer->lack == RESOLVER_LACKS_FILES && transport_squeeze(transfer)) {
		wait_for_files(worker, transfer);
		return;
	} else {
		fail_unresolved(transfer, answer);
	}
	fail_unsent(worker, transfer);
}

static void on_resolved(struct resolver_waiter *waiter, const struct resolver_answer *answer)
{
	struct transfer *transfer = LIST_OF(waiter, struct transfer, waiter);

	resolved(transfer->owner, transfer, answer);
}

static void resolve(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	const struct config_proxy *via = transfer->rule->via;
	const char *host = via ? via->host : call_url(call)->host;
	struct resolver_answer answer;
	uint64_t until = clock_add(transfer->began_us, transfer->connect_us);

	transfer->waiter.done = on_resolved;
	transfer->resolving = true;
	if (resolver_ask(worker->resolver, host, worker->now_us, &transfer->waiter, &answer)) {
		resolved(worker, transfer, &answer);
		return;
	}
	heap_set(&worker->timers, &transfer->timer,
		until < call->deadline_us ? until : call->deadline_us);
}

void worker_call_ask_again(struct worker *worker, struct transfer *transfer)
{
	transfer->asks_again = false;
	resolve(worker, transfer);
}

/* What an earlier attempt or hop left; its entry in `attempts` stays. */
static void forget_wire(struct call_timing *timing)
{
	if (!timing)
		return;
	timing->remote_address[0] = '\0';
	timing->http_version = NULL;
	timing->dns_us = timing->connect_us = timing->tls_us = timing->first_byte_us = 0;
}

static void note_queue(struct call *call)
{
	if (call->outcome.attempts == 0)
		call->outcome.queue_us = call->started_us - call->submitted_us;
}

/* What an earlier attempt or hop left goes, and what this one starts from is noted. */
static void note_begin(struct worker *worker, struct call *call)
{
	struct outcome *outcome = &call->outcome;

	if (outcome->attempts == 0 && !outcome->timing && call->request.want_timing)
		outcome->timing = mem_try(sizeof *outcome->timing);
	note_queue(call);
	worker_call_drop_answer(call);
	forget_wire(outcome->timing);
	call->again = false;
	if (call->hops > 0)
		return; /* a hop belongs to the attempt that was redirected */
	call->attempt_us = worker->now_us;
	outcome->attempts++;
	metrics_add(METRIC_ATTEMPTS, 1);
}

static bool may_start(struct call *call)
{
	return !call->ops->starting || call->outcome.attempts > 0 || call->hops > 0 ||
	       call->ops->starting(call);
}

/* No attempt is made of it; the outcome says why. */
static void turn_back(struct worker *worker, struct call *call)
{
	note_queue(call);
	worker_call_drop_answer(call);
	forget_wire(call->outcome.timing);
	call->again = false;
	call->outcome.duration_us = worker->now_us - call->started_us;
	worker_call_forget_hops(call);
}

void worker_call_begin(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	const struct url *url = call_url(call);

	if (!may_start(call)) {
		call_fail(call, ITEM_CANCELLED, REASON_DRAIN, true, "the call to %s was stopped",
			url->host);
		worker_call_refuse(worker, transfer);
		return;
	}
	note_begin(worker, call);
	transfer->guard = sched_group_guard(call->group);
	transfer->began_us = worker->now_us;
	transfer->config = config_ref(worker->config);
	transfer->rule = config_upstream_of(transfer->config, url->host, url->port);
	transfer->connect_us = transfer->rule->connect_timeout_ms * 1000;
	if (transfer->rule->via ? transfer->rule->via->literal : url->literal)
		send_now(worker, transfer, NULL);
	else
		resolve(worker, transfer);
}

void worker_call_refuse(struct worker *worker, struct transfer *transfer)
{
	turn_back(worker, transfer->call);
	worker_step_leave(worker, transfer);
}

void worker_call_start(struct worker *worker, struct call *call)
{
	struct transfer *transfer = transport_get(worker->transport);

	call->worker = worker;
	call->verdict = VERDICT_NONE;
	call->throttled = false;
	call->pause_us = 0;
	if (!transfer || heap_reserve(&worker->timers, worker->under_way_count + 1) != ERR_OK) {
		if (transfer)
			transport_put(worker->transport, transfer);
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no memory for the call to %s now", call_url(call)->host);
		turn_back(worker, call);
		worker_step_finish(worker, call);
		return;
	}
	transfer->call = call;
	transfer->owner = worker;
	call->transfer = transfer;
	list_push_back(&worker->under_way, &transfer->link);
	worker->under_way_count++;
	if (worker_step_prepare(worker, transfer))
		worker_call_begin(worker, transfer);
}
