/* task.c - an item of a named endpoint: its data, and the steps that templates take for it before
 * and after its call.
 *
 * Each step is: task_ask -> (a helper process) -> task_answered -> the next step, or call_resume.
 * What can go wrong with a template ends its item alone, as transform_failed. */
#include "batch/task_internal.h"

#include <string.h>

#include "batch/folding.h"
#include "batch/mask.h"
#include "batch/result.h"
#include "batch/scan.h"
#include "common/clock.h"

enum {
	LAST_STEP_US = 2 * 1000 * 1000
}; /* what response and fallback may take, waiting included,
       when the item's own clock has run out */

static bool charge(struct task *task, size_t bytes)
{
	if (!mem_take(task_budget(task), bytes))
		return false;
	task->charged += bytes;
	return true;
}

/* ---- life ---- */

static struct task *make_task(const struct task_env *env, enum err_code *ret_code)
{
	size_t bytes = mem_block(sizeof(struct task));
	struct task *task;

	*ret_code = ERR_LIMIT;
	if (!mem_take(env->item.budget, bytes))
		return NULL;
	task = mem_try(sizeof *task);
	if (!task) {
		mem_give(env->item.budget, bytes);
		*ret_code = ERR_NOMEM;
		return NULL;
	}
	task->env = env;
	task->charged = bytes;
	return task;
}

enum err_code task_new(const struct task_env *env, const struct call_ops *ops, void *owner,
	struct span data, size_t index, struct item_scratch *scratch, struct item **ret_item,
	struct item_verdict *ret_verdict)
{
	struct item_env item_env = env->item;
	struct item *item = NULL;
	struct task *task;
	enum err_code code;

	item_env.ops = ops;
	item_env.owner = owner;
	code = item_read(&item_env, SPAN("{}"), index, scratch, &item, ret_verdict);
	ret_verdict->id = item_id(data);
	if (code != ERR_OK || !item)
		return code;
	task = make_task(env, &code);
	if (!task) {
		item_destroy(item, env->item.budget);
		return code;
	}
	task->data = data;
	item->task = task;
	item->call.request.want_headers |= env->item.use->endpoint->response != NULL;
	*ret_item = item;
	return ERR_OK;
}

void task_destroy(struct task *task, struct mem_budget *budget)
{
	size_t charged;

	if (!task)
		return;
	REQUIRE(!task->asked);
	item_destroy(task->made, budget);
	mem_free((char *)(uintptr_t)task->result.ptr);
	mem_free(task->output);
	charged = task->charged;
	mem_free(task);
	mem_give(budget, charged);
}

/* ---- before the call ---- */

/* What follows is compiled while the call is under way. */
static void announce(struct call *call, const struct template *template)
{
	struct helper_set *set = call_helpers(call);

	if (set && template &&
		helper_tell(set, template_id(template), template_text(template),
			call_now_us(call)) != ERR_OK)
		return; /* who needs it tells it again */
}

static enum call_step ask_before(struct call *call, const struct template *template)
{
	const struct task *task = task_of(call);
	enum err_code code = task_ask(call, template, NULL, 0,
		task->env->item.config->limits.max_body, call->deadline_us);

	if (code == ERR_OK) {
		announce(call, task_endpoint(task)->response);
		announce(call, task_endpoint(task)->fallback);
		return CALL_WAIT;
	}
	task_fail_ask(call, template, REASON_REQUEST, code);
	return CALL_FAIL;
}

enum call_step task_prepare(struct call *call)
{
	const struct endpoint *endpoint = task_endpoint(task_of(call));

	if (endpoint->item_check)
		return ask_before(call, endpoint->item_check);
	return endpoint->request ? ask_before(call, endpoint->request) : CALL_GO;
}

/* The item's call is what the output says, merged over what the configuration says. */
static void adopt(struct call *call, struct item *made)
{
	bool want_headers = call->request.want_headers;
	struct url *url = &made->call.request.url;

	if (!url->text)
		*url = call->request.url;
	else
		url_free(&call->request.url);
	call->request = made->call.request;
	call->request.want_headers = want_headers;
	*url = (struct url){0};
	task_of(call)->made = made;
}

static enum err_code read_output(
	struct call *call, struct span text, struct item **ret_made, struct item_verdict *verdict)
{
	struct task *task = task_of(call);
	const struct item *item = (const struct item *)(const void *)call;
	struct item_env env = task->env->item;
	struct item_scratch scratch;
	enum err_code code;

	env.url_known = true;
	if (!charge(task, mem_block(text.len + 1)))
		return ERR_LIMIT;
	task->output = mem_copy(text.ptr, text.len);
	if (!task->output)
		return ERR_NOMEM;
	code = item_scratch_init(&scratch, task->env->item.defaults);
	if (code == ERR_OK)
		code = item_read(&env, (struct span){task->output, text.len}, item->index, &scratch,
			ret_made, verdict);
	item_scratch_free(&scratch);
	return code;
}

static enum call_step take_request(struct call *call, struct span text)
{
	const struct template *request = task_endpoint(task_of(call))->request;
	struct item_verdict verdict;
	struct item *made = NULL;

	if (text.len == 0) {
		task_fail_template(call, request, REASON_REQUEST, SPAN("it gave no output"));
		return CALL_FAIL;
	}
	if (read_output(call, text, &made, &verdict) != ERR_OK) {
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no memory for the call to %s now", call_url(call)->host);
		return CALL_FAIL;
	}
	if (!made) {
		task_fail_template(call, request, REASON_REQUEST, span_of(verdict.fault.message));
		return CALL_FAIL;
	}
	adopt(call, made);
	return CALL_GO;
}

static enum call_step take_check(struct call *call, struct span text)
{
	const struct endpoint *endpoint = task_endpoint(task_of(call));
	const char *message = endpoint->config->item_check_message;

	if (!span_equals(text, "false") && !span_equals(text, "null"))
		return endpoint->request ? ask_before(call, endpoint->request) : CALL_GO;
	call_fail(call, ITEM_INVALID_ITEM, REASON_FIELD_INVALID, false, "%s",
		message[0] ? message : "the item does not pass the endpoint's item_check");
	return CALL_FAIL;
}

static enum call_step answer_before(
	struct call *call, enum helper_outcome outcome, const struct template_answer *answer)
{
	struct task *task = task_of(call);

	if (answer->ok && task->asking == task_endpoint(task)->item_check)
		return take_check(call, answer->text);
	if (answer->ok)
		return take_request(call, answer->text);
	if (outcome == HELPER_LATE && call_now_us(call) >= call->deadline_us)
		call_fail(call, ITEM_TIMEOUT, REASON_CONNECT, true,
			"the time ran out before the call to %s was ready", call_url(call)->host);
	else
		task_fail_template(call, task->asking, REASON_REQUEST, answer->text);
	return CALL_FAIL;
}

/* ---- after the call ---- */

static uint64_t last_deadline(const struct call *call)
{
	uint64_t end_us = clock_add(call_now_us(call), LAST_STEP_US);

	return call->deadline_us > end_us ? call->deadline_us : end_us;
}

static enum err_code ask_after(struct call *call, const struct template *template,
	const struct template_part *more, size_t count)
{
	return task_ask(call, template, more, count,
		task_of(call)->env->item.config->limits.max_response, last_deadline(call));
}

static bool ask_fallback(struct call *call)
{
	struct buf error;
	bool asked = false;

	buf_init(&error, SIZE_MAX / 2);
	result_add_error(&error, &call->outcome);
	if (!error.failed) {
		const struct template_part more = {"error", {error.ptr, error.len}};

		asked = ask_after(call, task_endpoint(task_of(call))->fallback, &more, 1) == ERR_OK;
	}
	buf_free(&error);
	return asked;
}

static enum call_step fall_back(struct call *call)
{
	return task_endpoint(task_of(call))->fallback && ask_fallback(call) ? CALL_WAIT : CALL_GO;
}

static enum err_code ask_response(struct call *call)
{
	const struct outcome *outcome = &call->outcome;
	const struct span lines = {outcome->headers.ptr, outcome->headers.len};
	enum err_code code = ERR_NOMEM;
	struct buf status, headers, body;

	buf_init(&status, 16);
	buf_init(&headers, SIZE_MAX / 2);
	buf_init(&body, SIZE_MAX / 2);
	buf_add_u64(&status, outcome->status);
	result_add_value(&body, outcome);
	if (folding_add(&headers, lines) == ERR_OK && !body.failed && !status.failed) {
		const struct template_part more[] = {{"status", {status.ptr, status.len}},
			{"headers", {headers.ptr, headers.len}}, {"body", {body.ptr, body.len}}};

		code = ask_after(call, task_endpoint(task_of(call))->response, more, 3);
	}
	buf_free(&status);
	buf_free(&headers);
	buf_free(&body);
	return code;
}

/* What the upstream said may repeat what it was sent. */
static void mask_outcome(struct call *call)
{
	const struct config_strings *secrets = &task_endpoint(task_of(call))->config->secrets;
	struct outcome *outcome = &call->outcome;

	if (outcome->timing && !task_endpoint(task_of(call))->config->expose_errors) {
		mem_free(outcome->timing->url);
		outcome->timing->url = NULL;
	}
	if (secrets->count == 0)
		return;
	if (outcome->body.len)
		outcome->body.len = mask_bytes(secrets, outcome->body.ptr, outcome->body.len);
	if (outcome->headers.len)
		outcome->headers.len =
			mask_bytes(secrets, outcome->headers.ptr, outcome->headers.len);
	if (outcome->timing && outcome->timing->url) {
		char *url = outcome->timing->url;

		url[mask_bytes(secrets, url, strlen(url))] = '\0';
	}
}

/* With its batch, by somebody who waits for the end: no step may hold that up. */
static bool is_stopped(const struct outcome *outcome)
{
	return outcome->code == ITEM_CANCELLED && outcome->reason != REASON_STOP_ON_ERROR;
}

enum call_step task_finish(struct call *call)
{
	struct task *task = task_of(call);
	const struct endpoint *endpoint = task_endpoint(task);
	const struct item *item = (const struct item *)(const void *)call;
	enum err_code code;

	mask_outcome(call);
	if (is_stopped(&call->outcome) || (task->env->unwanted && task->env->unwanted(item)))
		return CALL_GO;
	if (call->outcome.code != ITEM_OK)
		return fall_back(call);
	if (!endpoint->response)
		return CALL_GO;
	code = ask_response(call);
	if (code == ERR_OK)
		return CALL_WAIT;
	task_fail_ask(call, endpoint->response, REASON_RESPONSE, code);
	return fall_back(call);
}

/* False without memory. */
static bool keep_result(struct call *call, struct span text)
{
	struct task *task = task_of(call);
	char *copy;

	if (!charge(task, mem_block(text.len + 1)))
		return false;
	copy = mem_copy(text.ptr, text.len);
	if (copy)
		task->result = (struct span){copy, text.len};
	return copy;
}

static enum call_step take_result(struct call *call, struct span text)
{
	struct task *task = task_of(call);

	if (text.len == 0) {
		task_fail_template(call, task->asking, REASON_RESPONSE, SPAN("it gave no output"));
		return fall_back(call);
	}
	if (keep_result(call, text)) {
		call_drop_body(call);
		return CALL_GO;
	}
	call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
		"the server has no memory for the result of this item now");
	return fall_back(call);
}

static enum call_step answer_after(struct call *call, const struct template_answer *answer)
{
	struct task *task = task_of(call);

	if (task->asking == task_endpoint(task)->fallback) {
		task->fallback_used =
			answer->ok && answer->text.len > 0 && keep_result(call, answer->text);
		return CALL_GO;
	}
	if (answer->ok)
		return take_result(call, answer->text);
	task_fail_template(call, task->asking, REASON_RESPONSE, answer->text);
	return fall_back(call);
}

void task_answered(void *call_arg, enum helper_outcome outcome, struct span bytes)
{
	struct call *call = call_arg;
	struct task *task = task_of(call);
	const struct endpoint *endpoint = task_endpoint(task);
	const struct template_answer answer = template_read(outcome, bytes);
	enum call_step step;

	task->asked = NULL;
	mem_give(task_budget(task), task->asked_charged);
	if (task->asking == endpoint->item_check || task->asking == endpoint->request)
		step = answer_before(call, outcome, &answer);
	else
		step = answer_after(call, &answer);
	if (step != CALL_WAIT)
		call_resume(call, step);
}
