/* task_ask.c - an item's questions to its worker's helper processes. */
#include "batch/task_internal.h"

#include <stdio.h>

enum { OWN_PARTS = 3, MORE_PARTS = 3 };

/* The question of this item: what every template is given, and `more`. */
static enum err_code make_question(const struct call *call, const struct template *template,
	const struct template_part *more, size_t count, size_t output_max,
	struct helper_question *question)
{
	const struct item *item = (const struct item *)(const void *)call;
	const struct buf *params = &item->task->env->item.use->params;
	char index[24];
	int len = snprintf(index, sizeof index, "%zu", item->index);
	struct template_part parts[OWN_PARTS + MORE_PARTS] = {{"item", item->task->data},
		{"index", {index, (size_t)len}}, {"params", {params->ptr, params->len}}};

	REQUIRE(count <= MORE_PARTS);
	for (size_t i = 0; i < count; i++)
		parts[OWN_PARTS + i] = more[i];
	return template_question(
		template, parts, OWN_PARTS + count, output_max, &question->bytes, &question->len);
}

static enum err_code put(
	struct call *call, struct helper_set *set, const struct helper_question *question)
{
	struct task *task = task_of(call);
	uint64_t now_us = call_now_us(call);
	enum err_code code = helper_tell(set, question->note, template_text(task->asking), now_us);

	return code == ERR_OK ? helper_ask(set, question, now_us, &task->asked) : code;
}

enum err_code task_ask(struct call *call, const struct template *template,
	const struct template_part *more, size_t count, size_t output_max, uint64_t deadline_us)
{
	struct task *task = task_of(call);
	struct helper_set *set = call_helpers(call);
	struct helper_question question = {.caller = task->env->caller,
		.asker = task->env,
		.note = template_id(template),
		.limit_us = TEMPLATE_LIMIT_US,
		.deadline_us = deadline_us,
		.done = task_answered,
		.arg = call};
	enum err_code code = ERR_IO;

	if (set)
		code = make_question(call, template, more, count, output_max, &question);
	if (code != ERR_OK)
		return code;
	task->asking = template;
	task->asked_charged = mem_block(question.len);
	code = ERR_NOMEM;
	if (mem_take(task_budget(task), task->asked_charged)) {
		code = put(call, set, &question);
		if (code == ERR_OK)
			return ERR_OK;
		mem_give(task_budget(task), task->asked_charged);
	}
	mem_free(question.bytes);
	return code;
}

void task_forget(struct call *call)
{
	struct task *task = task_of(call);

	helper_forget(call_helpers(call), task->asked);
	task->asked = NULL;
	mem_give(task_budget(task), task->asked_charged);
}

void task_fail_template(struct call *call, const struct template *template, enum item_reason reason,
	struct span why)
{
	call_fail(call, ITEM_TRANSFORM_FAILED, reason, false, "%s: the template `%s` failed: %.*s",
		task_endpoint(task_of(call))->config->name,
		template_kind_text(template_kind(template)), (int)why.len, why.ptr);
}

void task_fail_ask(struct call *call, const struct template *template, enum item_reason reason,
	enum err_code code)
{
	if (code == ERR_NOMEM)
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no memory for the templates of this item now");
	else
		task_fail_template(call, template, reason,
			code == ERR_IO
				? SPAN("no process can be had to run it")
				: SPAN("too much waits for the processes that run templates"));
}
