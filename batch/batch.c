/* batch.c - a batch: its items in, its results in order out.
 *
 * Vocabulary: to settle = to turn an outcome into the slot's bytes; to hold the group = to keep it
 * from being closed. Invariants: slot i is filled once, by whoever ends item i (the parser for a
 * refused one, a worker for a call); `missing` counts results and one for batch_start, and whoever
 * takes it to 0 finishes the batch. The group is closed when its last holder lets go: the batch
 * holds it until it is finished, batch_cancel while it calls. */
#include "batch/batch.h"

#include <string.h>

#include <jansson.h>

#include "batch/document.h"
#include "batch/intake.h"
#include "batch/ready.h"
#include "common/clock.h"

static void end_call(struct call *call);

static const struct call_ops call_ops = {.done = end_call};
static const struct call_ops task_ops = {
	.done = end_call, .prepare = task_prepare, .finish = task_finish, .forget = task_forget};

void batch_library_init(void)
{
	json_object_seed(0); /* else the first two threads would race for it */
}

const char *batch_library_version(void)
{
	return jansson_version_str();
}

static void free_refusals(struct batch *batch)
{
	size_t charged = 0;

	while (batch->refusals) {
		struct refusal *refusal = batch->refusals;

		batch->refusals = refusal->next;
		charged += refusal->charged;
		mem_free(refusal);
	}
	mem_give(batch->terms.env.budget, charged);
}

static void free_slots(struct batch *batch)
{
	size_t charged = 0;

	for (size_t i = 0; batch->slots && i < batch->count; i++) {
		if (batch->slots[i].bytes) {
			mem_free(batch->slots[i].bytes);
			charged += mem_block(batch->slots[i].len);
		}
	}
	mem_free(batch->slots);
	mem_give(batch->terms.env.budget, charged);
}

void batch_drop_result(struct batch *batch, size_t index)
{
	struct slot *slot = &batch->slots[index];

	if (!slot->bytes)
		return;
	mem_free(slot->bytes);
	slot->bytes = NULL;
	mem_give(batch->terms.env.budget, mem_block(slot->len));
}

static void destroy(struct batch *batch)
{
	for (size_t i = 0; batch->calls && i < batch->call_count; i++)
		item_destroy((struct item *)(void *)batch->calls[i], batch->terms.env.budget);
	mem_free(batch->calls);
	free_slots(batch);
	free_refusals(batch);
	document_free(&batch->document);
	endpoint_use_destroy(batch->terms.use);
	ready_free(batch);
	mem_free(batch->request_id);
	mem_free(batch->body);
	mem_give(batch->terms.env.budget, batch->charged);
	terms_free(&batch->terms);
	mem_free(batch);
}

static enum err_code memory_full(struct problem *problem)
{
	problem_free(problem);
	problem_set(problem, PROBLEM_MEMORY_FULL,
		"the server's memory for requests is used up; try again later");
	return ERR_NOMEM;
}

/* The result of a client that is gone is read by nobody. */
static bool is_unwanted(const struct item *item)
{
	const struct batch *batch = item->owner;

	return atomic_load(&batch->cancelled) == POOL_CLIENT_GONE;
}

static enum err_code use_endpoint(struct batch *batch, const struct batch_input *input)
{
	enum err_code code = endpoint_use_new(input->endpoints, input->endpoint, &batch->terms.use);

	if (code != ERR_OK)
		return code;
	batch->task_env = terms_task_env(&batch->terms);
	batch->task_env.unwanted = is_unwanted;
	return ERR_OK;
}

static enum err_code fill(
	struct batch *batch, const struct batch_input *input, struct problem *problem)
{
	const char *request_id = input->request_id ? input->request_id : "";
	enum err_code code;

	batch->request_id = mem_copy(request_id, strlen(request_id));
	if (!batch->request_id || document_init(&batch->document, request_id) != ERR_OK)
		return ERR_NOMEM;
	code = input->endpoint ? use_endpoint(batch, input) : ERR_OK;
	if (code == ERR_OK)
		code = intake_read(batch, input, batch->terms.use ? &task_ops : &call_ops, problem);
	if (code != ERR_OK)
		return code;
	atomic_init(&batch->missing, batch->count + 1);
	batch->body = input->body;
	batch->charged += input->charged;
	return ERR_OK;
}

enum err_code batch_parse(const struct batch_env *env, const struct batch_input *input,
	struct batch **ret_batch, struct problem *problem)
{
	struct batch *batch = mem_try(sizeof *batch);
	enum err_code code;

	if (!batch)
		return memory_full(problem);
	atomic_init(&batch->refs, 1);
	terms_init(&batch->terms, env, input->caller);
	batch->streamed = input->streamed;
	ready_init(batch);
	code = fill(batch, input, problem);
	if (code == ERR_OK) {
		*ret_batch = batch;
		return ERR_OK;
	}
	destroy(batch);
	if (code == ERR_INVALID || code == ERR_BUSY)
		return code;
	memory_full(problem);
	return code;
}

struct batch *batch_ref(struct batch *batch)
{
	atomic_fetch_add(&batch->refs, 1);
	return batch;
}

void batch_unref(struct batch *batch)
{
	if (batch && atomic_fetch_sub(&batch->refs, 1) == 1)
		destroy(batch);
}

/* False where it is not open (any more). */
static bool hold_group(struct batch *batch)
{
	size_t holds = atomic_load(&batch->group_holds);

	while (holds > 0) {
		if (atomic_compare_exchange_weak(&batch->group_holds, &holds, holds + 1))
			return true;
	}
	return false;
}

static void let_group_go(struct batch *batch)
{
	struct pool_group *group = batch->group;

	if (atomic_fetch_sub(&batch->group_holds, 1) == 1)
		pool_group_close(group);
}

void batch_cancel(struct batch *batch, enum pool_cancel why)
{
	int none = POOL_RUNNING;

	if (why == POOL_RUNNING ||
		!atomic_compare_exchange_strong(&batch->cancelled, &none, (int)why))
		return;
	if (!hold_group(batch)) /* not open yet: batch_start will see it. Or finished. */
		return;
	pool_group_cancel(batch->group, why);
	let_group_go(batch);
}

void batch_window(struct batch *batch, uint64_t end)
{
	if (!hold_group(batch))
		return;
	pool_group_window(batch->group, end);
	let_group_go(batch);
}

struct span batch_result(struct batch *batch, size_t index, char room[RESULT_BRIEF_MAX])
{
	const struct slot *slot = &batch->slots[index];
	const struct result_view view = terms_view(&batch->terms, index, slot->id, NULL);

	if (slot->bytes)
		return (struct span){slot->bytes, slot->len};
	return (struct span){room, result_render_brief(&view, &slot->brief, room)};
}

/* Makes the rendered bytes count against the answer's limit and the budget; gives the code of what
 * was in the way. */
static enum item_code keep(
	struct batch *batch, struct slot *slot, const struct result_measure *measure)
{
	struct mem_budget *budget = batch->terms.env.budget;
	size_t held = mem_block(slot->len), charged = mem_block(measure->bytes);
	size_t max = batch->terms.env.config->limits.max_batch_response;

	if (held < charged)
		mem_give(budget, charged - held);
	else if (!mem_take(budget, held - charged))
		goto full;
	if (atomic_fetch_add(&batch->rendered, slot->len) + slot->len <= max || !measure->payload)
		return ITEM_OK;
	atomic_fetch_sub(&batch->rendered, slot->len);
	mem_free(slot->bytes);
	slot->bytes = NULL;
	mem_give(budget, held);
	return ITEM_RESPONSE_TOO_LARGE;
full:
	mem_free(slot->bytes);
	slot->bytes = NULL;
	mem_give(budget, charged);
	return ITEM_OVERLOADED;
}

/* ITEM_OK, or why the slot has no bytes. A result without body and headers always has its
 * place in the answer: it is small. */
static enum item_code render(
	struct batch *batch, size_t index, const struct outcome *outcome, const struct task *task)
{
	struct slot *slot = &batch->slots[index];
	const struct result_view view = terms_view(&batch->terms, index, slot->id, task);
	struct result_measure measure;

	result_measure(&view, outcome, &measure);
	if (measure.payload && atomic_load(&batch->rendered) + measure.body_bytes >
				       batch->terms.env.config->limits.max_batch_response)
		return ITEM_RESPONSE_TOO_LARGE;
	if (terms_render(&batch->terms, &view, outcome, &measure, &slot->bytes, &slot->len) !=
		ERR_OK)
		return ITEM_OVERLOADED;
	return keep(batch, slot, &measure);
}

void batch_settle(struct batch *batch, size_t index, const struct outcome *outcome,
	const struct task *task, struct settled *ret_settled)
{
	struct slot *slot = &batch->slots[index];
	enum item_code obstacle;

	REQUIRE(!atomic_exchange(&slot->filled, true));
	*ret_settled = (struct settled){outcome->code, outcome->reason, result_message(outcome)};
	obstacle = render(batch, index, outcome, task);
	if (obstacle != ITEM_OK) {
		slot->brief = result_brief_of(obstacle, outcome);
		*ret_settled =
			(struct settled){obstacle, REASON_NONE, result_brief_message(&slot->brief)};
	}
	slot->failed = ret_settled->code != ITEM_OK;
	atomic_fetch_add(&batch->by_code[ret_settled->code], 1);
	if (batch->streamed)
		ready_add(batch, index);
}

static void finish(struct batch *batch)
{
	atomic_store(&batch->ended_us, clock_us());
	if (batch->streamed)
		ready_end(batch);
	else
		document_finish(batch);
	if (batch->call_count > 0)
		let_group_go(batch);
	batch->observer.complete(batch->observer.self, batch);
	batch_unref(batch);
}

static void count_down(struct batch *batch)
{
	size_t before = atomic_fetch_sub(&batch->missing, 1);

	REQUIRE(before > 0);
	if (before == 1)
		finish(batch);
}

static void end_call(struct call *call)
{
	struct item *item = (struct item *)(void *)call;
	struct batch *batch = item->owner;
	const struct outcome *outcome = &call->outcome;
	struct settled settled;
	struct batch_item_report report;

	batch_settle(batch, item->index, outcome, item->task, &settled);
	if (settled.code != outcome->code && batch->terms.options.stop_on_error)
		pool_group_cancel(batch->group,
			POOL_STOP_ON_ERROR); /* the pool took it for what it was before */
	report = (struct batch_item_report){item->index, batch->slots[item->index].id, settled.code,
		settled.reason, settled.message, call->request.url.host, outcome->status,
		outcome->attempts, outcome->queue_us, outcome->duration_us, outcome->sent};
	batch->observer.item(batch->observer.self, &report);
	item_destroy(item, batch->terms.env.budget);
	count_down(batch);
}

void batch_queue_full(const struct batch *batch, size_t calls, struct problem *problem)
{
	const size_t limit = batch->terms.env.config->pool.queue_limit;

	if (calls <= limit) {
		problem_set(problem, PROBLEM_QUEUE_FULL,
			"the queue has no room for this batch; try again later");
		return;
	}
	problem_set(problem, PROBLEM_TOO_MANY_ITEMS,
		"%zu items never fit into a queue of %zu (pool.queue_limit): send fewer at a time",
		calls, limit);
}

static enum err_code refuse_start(
	const struct batch *batch, enum err_code code, struct problem *problem)
{
	switch (code) {
	case ERR_BUSY:
		batch_queue_full(batch, batch->call_count, problem);
		break;
	case ERR_CLOSING:
		problem_set(problem, PROBLEM_DRAINING, "the server is shutting down");
		break;
	default:
		return memory_full(problem);
	}
	return code;
}

static enum err_code submit(struct batch *batch, struct problem *problem)
{
	const struct pool_group_options options = terms_group(&batch->terms,
		clock_add(batch->admitted_us, batch->terms.options.batch_timeout_us));
	enum err_code code = pool_group_new(batch->terms.env.pool, &options, &batch->group, NULL);
	int why;

	if (code != ERR_OK)
		return refuse_start(batch, code, problem);
	atomic_store(&batch->group_holds, 1);
	why = atomic_load(&batch->cancelled);
	if (why == POOL_RUNNING && batch->terms.options.stop_on_error && batch->refused > 0)
		why = POOL_STOP_ON_ERROR; /* a refused item is a failed one: nothing starts after it
					   */
	if (why != POOL_RUNNING)
		pool_group_cancel(batch->group, (enum pool_cancel)why);
	if (batch->streamed)
		ready_open(batch);
	code = pool_submit(batch->group, batch->calls, batch->call_count, NULL);
	if (code == ERR_OK)
		return ERR_OK;
	let_group_go(batch);
	return refuse_start(batch, code, problem);
}

static void report_refusals(struct batch *batch)
{
	for (const struct refusal *refusal = batch->refusals; refusal; refusal = refusal->next) {
		const struct batch_item_report report = {.index = refusal->index,
			.id = batch->slots[refusal->index].id,
			.code = refusal->code,
			.reason = refusal->reason,
			.message = refusal->text,
			.host = refusal->host};

		batch->observer.item(batch->observer.self, &report);
		count_down(batch); /* never the last: batch_start has its own count */
	}
	free_refusals(batch);
}

enum err_code batch_start(
	struct batch *batch, const struct batch_observer *observer, struct problem *problem)
{
	enum err_code code;

	batch->observer = *observer;
	batch->admitted_us = clock_us();
	batch_ref(batch); /* finish drops it */
	if (batch->call_count > 0) {
		code = submit(batch, problem);
		if (code != ERR_OK) {
			batch_unref(batch);
			return code;
		}
	}
	mem_free(batch->calls);
	batch->calls = NULL;
	report_refusals(batch);
	count_down(batch);
	return ERR_OK;
}

void batch_summary(const struct batch *batch, struct batch_summary *ret_summary)
{
	struct batch_summary summary = {
		.total = batch->count, .concurrency = batch->terms.options.concurrency};
	uint64_t ended_us = atomic_load(&batch->ended_us);

	for (unsigned i = 0; i < ITEM_CODE_COUNT; i++) {
		summary.by_code[i] = atomic_load(&batch->by_code[i]);
		if (i != ITEM_OK)
			summary.failed += summary.by_code[i];
	}
	summary.succeeded = summary.by_code[ITEM_OK];
	if (ended_us)
		summary.duration_us = ended_us - batch->admitted_us;
	*ret_summary = summary;
}

uint64_t batch_document_size(const struct batch *batch)
{
	return batch->document.size;
}

size_t batch_document_read(struct batch *batch, uint64_t pos, char *out, size_t max)
{
	return document_read(batch, pos, out, max);
}
