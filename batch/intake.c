/* intake.c - reads a request into a new batch: its items become calls, or refusals whose results
 * are rendered at once. */
#include "batch/intake.h"

#include <stdio.h>
#include <string.h>

#include "batch/names.h"
#include "batch/scan.h"

static enum err_code charge(struct batch *batch, size_t bytes)
{
	if (!mem_take(batch->terms.env.budget, bytes))
		return ERR_LIMIT;
	batch->charged += bytes;
	return ERR_OK;
}

static enum err_code make_room(struct batch *batch, size_t count)
{
	enum err_code code = charge(
		batch, mem_block(sizeof *batch) + mem_block(batch->document.tail.capacity) +
			       mem_block(strlen(batch->request_id) + 1) +
			       options_defaults_bytes(&batch->terms.defaults) +
			       (batch->terms.use ? endpoint_use_bytes(batch->terms.use) : 0) +
			       mem_block(count * sizeof *batch->slots) +
			       mem_block(count * sizeof *batch->calls));

	if (code != ERR_OK)
		return code;
	batch->slots = mem_try(count * sizeof *batch->slots);
	batch->calls = mem_try(count * sizeof *batch->calls);
	if (!batch->slots || !batch->calls)
		return ERR_NOMEM;
	batch->count = count;
	return ERR_OK;
}

/* The result is rendered now, the report waits for batch_start. */
static enum err_code refuse(struct batch *batch, size_t index, const struct item_verdict *verdict,
	struct refusal ***tail)
{
	const struct fault *fault = &verdict->fault;
	size_t message_len = strlen(fault->message), host_len = strlen(verdict->host);
	size_t size = sizeof(struct refusal) + message_len + host_len + 2;
	size_t charged = mem_block(size);
	struct outcome outcome = {.code = verdict->code, .reason = fault->reason};
	struct refusal *refusal;
	struct settled settled;

	if (!mem_take(batch->terms.env.budget, charged))
		return ERR_LIMIT;
	refusal = mem_try(size);
	if (!refusal) {
		mem_give(batch->terms.env.budget, charged);
		return ERR_NOMEM;
	}
	refusal->index = index;
	refusal->charged = charged;
	refusal->code = verdict->code;
	refusal->reason = fault->reason;
	memcpy(refusal->text, fault->message, message_len);
	memcpy(refusal->text + message_len + 1, verdict->host, host_len);
	refusal->host = host_len ? refusal->text + message_len + 1 : NULL;
	**tail = refusal;
	*tail = &refusal->next;
	batch->refused++;
	outcome.message = refusal->text;
	batch_settle(batch, index, &outcome, NULL, &settled);
	return settled.code == verdict->code ? ERR_OK : ERR_NOMEM;
}

static void blame(size_t index, const struct item_verdict *verdict, struct problem *problem)
{
	char pointer[FAULT_POINTER_MAX + 48];

	snprintf(pointer, sizeof pointer, "/items/%zu%s", index, verdict->fault.pointer);
	problem_add(problem, pointer, "%s", verdict->fault.message);
}

static enum err_code read_items(struct batch *batch, const struct item_env *env, struct span items,
	struct item_scratch *scratch, struct problem *problem)
{
	struct refusal **tail = &batch->refusals;
	struct item_verdict verdict;
	struct scan_member member;
	struct scan_walk walk;
	enum err_code code = ERR_OK;

	scan_begin(&walk, items);
	for (size_t i = 0; i < batch->count && code == ERR_OK && scan_next(&walk, &member); i++) {
		struct item *item = NULL;

		code = batch->terms.use ? task_new(&batch->task_env, env->ops, batch, member.value,
						  i, scratch, &item, &verdict)
					: item_read(env, member.value, i, scratch, &item, &verdict);
		if (code != ERR_OK)
			break;
		batch->slots[i].id = verdict.id;
		if (item) {
			batch->calls[batch->call_count++] = &item->call;
			continue;
		}
		if (batch->terms.options.strict && verdict.code == ITEM_INVALID_ITEM)
			blame(i, &verdict, problem);
		code = refuse(batch, i, &verdict, &tail);
	}
	return code;
}

/* Ids as they are compared: strings decoded (into `arena` where they hold escapes), -0 as the 0 it
 * is. */
static enum err_code add_id(struct names *names, struct span id, size_t index, char **arena)
{
	struct name name = {.text = id, .index = index, .kind = 0};

	if (scan_type(id) == SCAN_STRING) {
		name.kind = 1;
		name.text = (struct span){id.ptr + 1, id.len - 2};
		if (memchr(id.ptr, '\\', id.len)) {
			name.text = (struct span){*arena, scan_decode(id, *arena)};
			*arena += name.text.len;
		}
	} else if (span_equals(id, "-0")) {
		name.text = SPAN("0");
	}
	return names_add(names, name);
}

struct id_count {
	size_t named;   /* items that have one */
	size_t escaped; /* bytes of those with escapes */
};

static struct id_count count_ids(const struct batch *batch)
{
	struct id_count count = {0};

	for (size_t i = 0; i < batch->count; i++) {
		struct span id = batch->slots[i].id;

		count.named += scan_type(id) != SCAN_NULL;
		if (memchr(id.ptr, '\\', id.len))
			count.escaped += id.len;
	}
	return count;
}

static enum err_code collect_ids(const struct batch *batch, const struct id_count *count,
	struct names *names, char **ret_arena)
{
	char *arena = *ret_arena = mem_try(count->escaped);

	if (!arena || names_reserve(names, count->named) != ERR_OK)
		return ERR_NOMEM;
	for (size_t i = 0; i < batch->count; i++) {
		struct span id = batch->slots[i].id;

		if (scan_type(id) != SCAN_NULL && add_id(names, id, i, &arena) != ERR_OK)
			return ERR_NOMEM;
	}
	names_sort(names);
	return ERR_OK;
}

static enum err_code check_ids(const struct batch *batch, struct problem *problem)
{
	size_t indices[PROBLEM_ERRORS_MAX], count = 0;
	const struct id_count ids = count_ids(batch);
	size_t charged = names_bytes(ids.named) + mem_block(ids.escaped);
	struct names names = {0};
	char *arena = NULL;
	enum err_code code;

	if (ids.named < 2)
		return ERR_OK;
	if (!mem_take(batch->terms.env.budget, charged))
		return ERR_LIMIT;
	code = collect_ids(batch, &ids, &names, &arena);
	if (code == ERR_OK)
		count = names_repeated(&names, indices, PROBLEM_ERRORS_MAX);
	names_free(&names);
	mem_free(arena);
	mem_give(batch->terms.env.budget, charged);
	if (count == 0)
		return code;
	problem_free(problem);
	problem_set(problem, PROBLEM_DUPLICATE_ID, "%zu item%s the id of an earlier one", count,
		count == 1 ? " has" : "s have");
	for (size_t i = 0; i < count && i < PROBLEM_ERRORS_MAX; i++) {
		char pointer[48];

		snprintf(pointer, sizeof pointer, "/items/%zu/id", indices[i]);
		problem_add(problem, pointer, "an earlier item has this id");
	}
	problem->more = count > PROBLEM_ERRORS_MAX ? count - PROBLEM_ERRORS_MAX : 0;
	return ERR_INVALID;
}

static enum err_code read_all(
	struct batch *batch, const struct call_ops *ops, struct span items, struct problem *problem)
{
	const struct item_env env = terms_item_env(&batch->terms, ops, batch);
	struct item_scratch scratch;
	enum err_code code = item_scratch_init(&scratch, &batch->terms.defaults);

	if (code == ERR_OK)
		code = read_items(batch, &env, items, &scratch, problem);
	item_scratch_free(&scratch);
	if (code == ERR_OK && !batch->terms.use) /* data may come twice */
		code = check_ids(batch, problem);
	if (code != ERR_OK || problem->error_count + problem->more == 0)
		return code;
	problem_set(problem, PROBLEM_INVALID_REQUEST,
		"%zu item%s not valid and options.strict is set: no call was made",
		problem->error_count + problem->more,
		problem->error_count + problem->more == 1 ? " is" : "s are");
	return ERR_INVALID;
}

enum err_code intake_read(struct batch *batch, const struct batch_input *input,
	const struct call_ops *ops, struct problem *problem)
{
	const struct envelope_trace trace = {input->traceparent, input->tracestate};
	struct span text = {input->body, input->body_len};
	struct envelope envelope;
	enum err_code code = envelope_read(
		text, batch->terms.env.config, batch->terms.use, &trace, &envelope, problem);

	if (code != ERR_OK)
		return code;
	batch->terms.options = envelope.options;
	if (input->outline) {
		batch->terms.options.include_body = INCLUDE_NONE;
		batch->terms.options.include_headers = batch->terms.options.include_timing = false;
	}
	batch->terms.defaults = envelope.defaults;
	if (input->room > 0 && envelope.item_count > input->room &&
		envelope.item_count <= batch->terms.env.config->pool.queue_limit) {
		batch_queue_full(batch, envelope.item_count, problem);
		return ERR_BUSY;
	}
	code = make_room(batch, envelope.item_count);
	if (code == ERR_OK)
		code = read_all(batch, ops, envelope.items, problem);
	return code;
}
