/* worker_step.c - how a call comes to the wire and leaves its worker: the submitter's steps,
 * clocks, cancels.
 *
 * A call that waits for a step keeps its slots: `preparing` with its transfer in under_way, or in
 * `finishing` without one. One that ended in the scheduler (group NULL) has none, and goes from its
 * last step to `done`. */
#include "pool/worker_internal.h"

#include "common/clock.h"

/* ---- the way out ---- */

static void over(struct worker *worker, struct call *call)
{
	if (call->group)
		list_push_back(&worker->back, &call->sched.link);
	else
		call->ops->done(call);
}

void worker_step_finish(struct worker *worker, struct call *call)
{
	if (call->again || !call->ops->finish || call->ops->finish(call) != CALL_WAIT)
		over(worker, call);
	else
		list_push_back(&worker->finishing, &call->sched.link);
}

void worker_step_release(struct worker *worker, struct transfer *transfer)
{
	heap_remove(&worker->timers, &transfer->timer);
	list_remove(&transfer->link);
	worker->under_way_count--;
	transfer->call->transfer = NULL;
	transfer->preparing = false;
	transport_put(worker->transport, transfer);
}

void worker_step_leave(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;

	worker_step_release(worker, transfer);
	worker_step_finish(worker, call);
}

/* ---- steps ---- */

bool worker_step_prepare(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	enum call_step step;

	if (call->prepared || !call->ops->prepare)
		return true;
	call->prepared = true;
	step = call->ops->prepare(call);
	transfer->preparing = step == CALL_WAIT;
	if (step == CALL_FAIL)
		worker_call_refuse(worker, transfer);
	return step == CALL_GO;
}

void call_resume(struct call *call, enum call_step step)
{
	struct worker *worker = call->worker;
	struct transfer *transfer = call->transfer;

	worker->now_us = clock_us();
	if (!transfer) {
		list_remove(&call->sched.link);
		if (call->started_us)
			call->outcome.duration_us = worker->now_us - call->started_us;
		over(worker, call);
		return;
	}
	transfer->preparing = false;
	if (step == CALL_GO)
		worker_call_begin(worker, transfer);
	else
		worker_call_refuse(worker, transfer);
}

struct helper_set *call_helpers(struct call *call)
{
	return call->worker ? worker_helpers(call->worker) : NULL;
}

uint64_t call_now_us(const struct call *call)
{
	return call->worker ? call->worker->now_us : clock_us();
}

/* ---- clocks and cancels ---- */

static void abort_transfer(struct worker *worker, struct transfer *transfer)
{
	if (transfer->preparing)
		transfer->call->ops->forget(transfer->call);
	if (transfer->resolving)
		resolver_forget(worker->resolver, &transfer->waiter);
	transfer->preparing = transfer->resolving = false;
	transport_abort(transfer);
}

/* A name's or a connection's time is up (the item's own clock, or connect_timeout), or libcurl
 * forgot the clock. */
static void expire(struct worker *worker, struct transfer *transfer)
{
	struct call *call = transfer->call;
	const char *host = call_url(call)->host;
	bool resolving = transfer->resolving, early = worker->now_us < call->deadline_us;
	const struct config_proxy *via = resolving ? transfer->rule->via : NULL;

	if (transfer->asks_again) {
		worker_call_ask_again(worker, transfer);
		return;
	}
	if (transport_end_wait(transfer, worker->now_us) ||
		(!resolving && worker_call_clock(transfer) > worker->now_us)) {
		heap_set(&worker->timers, &transfer->timer, worker_call_clock(transfer));
		return;
	}
	abort_transfer(worker, transfer);
	if (!resolving && transfer->requests == 0)
		transport_judge_late(transfer, worker->now_us >= call->deadline_us);
	else if (!resolving)
		call_fail(call, ITEM_TIMEOUT,
			transport_was_sent(transfer) ? REASON_RESPONSE : REASON_CONNECT, true,
			"%s did not answer in time", host);
	else if (!early)
		call_fail(call, ITEM_TIMEOUT, REASON_CONNECT, true,
			"the time ran out while resolving %s", host);
	else if (via)
		call_fail(call, ITEM_CONNECT_FAILED, REASON_TIMEOUT, true,
			"the proxy %s for %s was not resolved in time", via->host, host);
	else
		call_fail(call, ITEM_DNS_FAILED, REASON_TIMEOUT, true,
			"%s was not resolved in time", host);
	worker_call_conclude(worker, transfer);
}

void worker_step_expire(struct worker *worker)
{
	while (heap_due(&worker->timers) <= worker->now_us)
		expire(worker, LIST_OF(heap_first(&worker->timers), struct transfer, timer));
}

static void cancel(struct worker *worker, struct transfer *transfer, enum call_end why)
{
	struct call *call = transfer->call;

	abort_transfer(worker, transfer);
	call->sched.end = why;
	call_end(call);
	if (call->outcome.attempts > 0)
		worker_call_record(worker, call);
	worker_call_note_url(call);
	call_drop_body(call);
	call->again = false;
	call->outcome.duration_us = worker->now_us - call->started_us;
	worker_call_forget_hops(call);
	worker_step_leave(worker, transfer);
}

/* An answer is there, and a helper works on it. */
static void cancel_finishing(struct worker *worker, struct call *call, enum call_end why)
{
	list_remove(&call->sched.link);
	call->ops->forget(call);
	call->sched.end = why;
	call_end(call);
	call_drop_body(call);
	list_push_back(&worker->back, &call->sched.link);
}

void worker_step_cancel_marked(struct worker *worker)
{
	for (struct list_node *node = worker->under_way.next, *after; node != &worker->under_way;
		node = after) {
		struct transfer *transfer = LIST_OF(node, struct transfer, link);
		enum call_end why = sched_group_abort(transfer->call->group);

		after = node->next;
		if (why != CALL_END_NONE)
			cancel(worker, transfer, why);
	}
	for (struct list_node *node = worker->finishing.next, *after; node != &worker->finishing;
		node = after) {
		struct call *call = LIST_OF(node, struct call, sched.link);
		enum call_end why = call->group ? sched_group_abort(call->group) : CALL_END_NONE;

		after = node->next;
		if (why != CALL_END_NONE)
			cancel_finishing(worker, call, why);
	}
}

void worker_step_ended(struct worker *worker, struct call *call)
{
	call->worker = worker;
	call->again = false; /* it may have waited for another attempt, or hop */
	if (call->started_us)
		call->outcome.duration_us = worker->now_us - call->started_us;
	else
		call->outcome.queue_us = worker->now_us - call->submitted_us;
	worker_call_drop_answer(call);
	call_end(call);
	if (call->hops > 0) { /* an attempt that was redirected and got no further */
		worker_call_record(worker, call);
		worker_call_note_url(call);
	}
	worker_call_forget_hops(call);
	worker_step_finish(worker, call);
}
