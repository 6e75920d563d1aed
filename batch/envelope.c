/* envelope.c - the request around the items: is it JSON, what do its top-level members say? */
#include "batch/envelope.h"

#include "batch/member.h"
#include "batch/params.h"
#include "batch/scan.h"

static const struct span none = {NULL, 0};

static enum err_code prove(struct span text, unsigned depth_max, struct problem *problem)
{
	struct scan_error error;
	size_t line, column;

	if (scan_check(text, depth_max, &error))
		return ERR_OK;
	if (scan_trim(text).len == 0)
		error.what = "the body is empty";
	scan_position(text, error.offset, &line, &column);
	problem_set(problem, PROBLEM_INVALID_JSON, "line %zu, column %zu: %s", line, column,
		error.what);
	problem_add_syntax(problem, line, column, error.what);
	return ERR_INVALID;
}

static size_t max_items(const struct config *config, const struct endpoint_use *use)
{
	size_t max = config->limits.max_items;

	return use && use->endpoint->config->max_items && use->endpoint->config->max_items < max
		       ? use->endpoint->config->max_items
		       : max;
}

static enum err_code read_items(const struct member_set *set, size_t max, struct envelope *envelope,
	struct problem *problem, struct fault *fault)
{
	if (!member_has(set, MEMBER_ITEMS))
		return fault_add(fault, REASON_FIELD_MISSING, "/items", none, "`items` is missing");
	envelope->items = set->values[MEMBER_ITEMS];
	if (scan_type(envelope->items) != SCAN_ARRAY)
		return fault_add(
			fault, REASON_FIELD_INVALID, "/items", none, "`items` must be a list");
	envelope->item_count = scan_count(envelope->items, max);
	if (envelope->item_count <= max)
		return ERR_OK;
	problem_free(problem); /* one reason is enough */
	problem_set(
		problem, PROBLEM_TOO_MANY_ITEMS, "a batch may have at most %zu items here", max);
	return ERR_LIMIT;
}

static struct span member_or_none(const struct member_set *set, enum member member)
{
	return member_has(set, member) ? set->values[member] : none;
}

/* Callers may only tighten the endpoint's concurrency (its rate is its own matter); an item's time
 * is theirs to say. */
static void tighten(const struct endpoint_use *use, struct envelope *envelope)
{
	unsigned most = use->endpoint->config->concurrency;

	if (most && envelope->options.concurrency > most)
		envelope->options.concurrency = most;
	if (envelope->options.timeout_us)
		envelope->defaults.timeout_us = envelope->options.timeout_us;
}

static enum err_code read_members(const struct member_set *set, const struct config *config,
	struct endpoint_use *use, struct envelope *envelope, struct problem *problem,
	bool *ret_faulty)
{
	struct span defaults_text = member_or_none(set, MEMBER_DEFAULTS);
	struct fault options, defaults, params;
	enum err_code code;

	fault_init(&options, problem, "/options");
	fault_init(&defaults, problem, "/defaults");
	fault_init(&params, problem, "/params");
	if (use)
		defaults_text = (struct span){use->defaults, use->defaults_len};
	code = options_read_defaults(defaults_text, config, &envelope->defaults, &defaults);
	if (code == ERR_OK)
		code = options_read(member_or_none(set, MEMBER_OPTIONS), config, use != NULL,
			&envelope->options, &options);
	if (code == ERR_OK && use) {
		tighten(use, envelope);
		code = params_read(member_or_none(set, MEMBER_PARAMS), use->endpoint->config,
			&use->params, &params);
	}
	*ret_faulty = options.any || defaults.any || params.any;
	return code == ERR_INVALID ? ERR_OK : code;
}

static enum err_code read_top(struct span text, const struct config *config,
	struct endpoint_use *use, struct envelope *envelope, struct problem *problem)
{
	struct member_set set;
	struct fault fault;
	bool faulty = false;
	enum err_code code;

	fault_init(&fault, problem, "");
	if (scan_type(text) != SCAN_OBJECT) {
		fault_add(&fault, REASON_FIELD_INVALID, "", none,
			"the body must be an object with a member `items`");
	} else {
		member_read(text, use ? PLACE_NAMED_TOP : PLACE_TOP, "", &set, &fault);
		if (read_items(&set, max_items(config, use), envelope, problem, &fault) ==
			ERR_LIMIT)
			return ERR_INVALID;
		code = read_members(&set, config, use, envelope, problem, &faulty);
		if (code != ERR_OK)
			return code;
	}
	if (!fault.any && !faulty)
		return ERR_OK;
	problem_set(problem, PROBLEM_INVALID_REQUEST,
		"the request has %zu fault%s, the first at %s: %s",
		problem->error_count + problem->more,
		problem->error_count + problem->more == 1 ? "" : "s",
		problem->error_count && problem->errors[0].pointer[0] ? problem->errors[0].pointer
								      : "the top",
		problem->error_count ? problem->errors[0].detail
				     : "there was no memory to say more");
	return ERR_INVALID;
}

enum err_code envelope_read(struct span text, const struct config *config, struct endpoint_use *use,
	const struct envelope_trace *trace, struct envelope *ret_envelope, struct problem *problem)
{
	struct envelope envelope = {0};
	enum err_code code = prove(text, config->limits.max_depth, problem);

	if (code == ERR_OK)
		code = read_top(scan_trim(text), config, use, &envelope, problem);
	if (code == ERR_OK) {
		options_policy(&envelope.options, use != NULL, &envelope.defaults);
		code = header_base_init(
			&envelope.defaults.headers, trace->traceparent, trace->tracestate);
	}
	if (code == ERR_OK)
		*ret_envelope = envelope;
	else
		options_free_defaults(&envelope.defaults);
	return code;
}
