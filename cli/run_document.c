/* run_document.c - is the input's document one that the server would take, and what does it say? */
#include "cli/run_document.h"

#include <stdio.h>
#include <string.h>

#include "batch/batch.h"
#include "batch/recap.h"
#include "common/exit_code.h"
#include "common/mem.h"

enum { SHOWN_MAX_BYTES = 64 << 10 };

/* Names in it are the document's own. */
static void tell_error(const struct run_input *input, const struct problem_error *error)
{
	struct buf text;

	buf_init(&text, SHOWN_MAX_BYTES);
	if (error->line)
		buf_addf(&text, "line %zu, column %zu: ", error->line + input->skipped_lines,
			error->column);
	else if (recap_add_text(&text, span_of(error->pointer)) > 0)
		buf_adds(&text, ": ");
	recap_add_text(&text, span_of(error->detail));
	fprintf(stderr, "%s: %s\n", input->head, text.ptr ? text.ptr : "");
	buf_free(&text);
}

static int tell(const struct run_input *input, const struct problem *problem)
{
	for (size_t i = 0; i < problem->error_count; i++)
		tell_error(input, &problem->errors[i]);
	if (problem->error_count == 0)
		fprintf(stderr, "%s: %s\n", input->head, problem->detail);
	if (problem->more)
		fprintf(stderr, "%s: … and %zu more\n", input->head, problem->more);
	return EXIT_USAGE;
}

static int too_large(const struct run_input *input)
{
	fprintf(stderr,
		"%s: limits.memory has no room to check this document: write its items as lines "
		"instead (batchgate run --help shows how), or raise --limits-memory\n",
		input->name);
	return EXIT_USAGE;
}

static int no_memory(void)
{
	fprintf(stderr, "batchgate run: no memory for the document\n");
	return EXIT_FAILED;
}

/* What the server would say to it; of a copy, since reading decodes in place. */
static int judge(const struct run_input *input, const struct batch_env *env,
	const struct endpoint_use *use, struct caller *caller, struct problem *problem)
{
	const struct span text = {input->envelope.ptr, input->envelope.len};
	const struct batch_input from = {.body = mem_copy(text.ptr, text.len),
		.body_len = text.len,
		.request_id = "run",
		.endpoints = use ? use->set : NULL,
		.endpoint = use ? use->endpoint : NULL,
		.caller = caller};
	struct batch *batch = NULL;
	enum err_code code;

	if (!from.body || !caller)
		code = ERR_NOMEM;
	else
		code = batch_parse(env, &from, &batch, problem);
	if (code != ERR_OK)
		mem_free(from.body);
	batch_unref(batch);
	if (code == ERR_INVALID)
		return tell(input, problem);
	return code == ERR_OK ? 0 : too_large(input);
}

static int judge_document(const struct run_input *input, struct config *config,
	const struct endpoint_use *use, size_t memory_max, struct problem *problem)
{
	struct mem_budget budget = {.limit = memory_max};
	struct batch_env env = {.config = config, .budget = &budget};
	struct caller *caller = caller_new("run", true, false);
	int status = EXIT_FAILED;

	if (guard_new(config, 0, &env.guard, NULL) == ERR_OK)
		status = judge(input, &env, use, caller, problem);
	guard_unref(env.guard);
	caller_unref(caller);
	return status;
}

int run_document_read(struct run_input *input, struct config *config, struct endpoint_use *use,
	size_t memory_max, struct envelope *ret_envelope)
{
	const struct envelope_trace trace = {NULL, NULL};
	const struct span text = {input->envelope.ptr, input->envelope.len};
	struct problem problem;
	enum err_code code;
	int status = 0;

	problem_init(&problem);
	if (input->document)
		status = judge_document(input, config, use, memory_max, &problem);
	if (status == 0) {
		code = envelope_read(text, config, use, &trace, ret_envelope, &problem);
		if (code == ERR_INVALID)
			status = tell(input, &problem);
		else if (code != ERR_OK)
			status = no_memory();
		else if (input->document)
			run_input_items(input, ret_envelope->items);
	}
	problem_free(&problem);
	return status;
}
