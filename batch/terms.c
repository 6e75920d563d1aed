/* terms.c - what all items of a batch, or of a feed, have in common, and what follows from it for
 * each of them. */
#include "batch/terms.h"

void terms_init(struct terms *terms, const struct batch_env *env, struct caller *caller)
{
	*terms = (struct terms){.env = *env, .caller = caller_ref(caller)};
	config_ref(env->config);
	guard_ref(env->guard);
}

void terms_free(struct terms *terms)
{
	options_free_defaults(&terms->defaults);
	caller_unref(terms->caller);
	guard_unref(terms->env.guard);
	config_unref(terms->env.config);
}

/* An endpoint's opens its origin alone. */
static struct guard *guard_of(const struct terms *terms)
{
	return terms->use ? terms->use->endpoint->guard : terms->env.guard;
}

struct item_env terms_item_env(const struct terms *terms, const struct call_ops *ops, void *owner)
{
	return (struct item_env){.config = terms->env.config,
		.guard = guard_of(terms),
		.options = &terms->options,
		.defaults = &terms->defaults,
		.budget = terms->env.budget,
		.ops = ops,
		.owner = owner,
		.use = terms->use};
}

struct task_env terms_task_env(const struct terms *terms)
{
	return (struct task_env){
		.item = terms_item_env(terms, NULL, NULL), .caller = terms->caller};
}

struct pool_group_options terms_group(const struct terms *terms, uint64_t deadline_us)
{
	return (struct pool_group_options){.caller = terms->caller,
		.guard = guard_of(terms),
		.endpoint = terms->use ? terms->use->endpoint->config->name : NULL,
		.concurrency = terms->options.concurrency,
		.deadline_us = deadline_us,
		.rate_per_s = terms->options.rate_per_s,
		.stop_on_error = terms->options.stop_on_error};
}

struct result_view terms_view(
	const struct terms *terms, size_t index, struct span id, const struct task *task)
{
	const struct options *options = &terms->options;
	bool named = terms->use != NULL;
	bool exposes = named && terms->use->endpoint->config->expose_errors;
	struct result_view view = {.index = index,
		.id = id,
		.include_headers = options->include_headers && (!named || exposes),
		.include_timing = options->include_timing,
		.include_body = options->include_body,
		.named = named,
		.expose_errors = exposes};

	if (task) {
		view.result = task->result;
		view.fallback_used = task->fallback_used;
	}
	return view;
}

enum err_code terms_render(const struct terms *terms, const struct result_view *view,
	const struct outcome *outcome, const struct result_measure *measure, char **ret_bytes,
	size_t *ret_len)
{
	const size_t charged = mem_block(measure->bytes);
	enum err_code code;

	if (!mem_take(terms->env.budget, charged))
		return ERR_LIMIT;
	code = result_render(view, outcome, measure, ret_bytes, ret_len);
	if (code != ERR_OK)
		mem_give(terms->env.budget, charged);
	return code;
}
