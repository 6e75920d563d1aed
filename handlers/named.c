/* named.c - which named endpoint a request means, and whether its caller may use it. */
#include "handlers/named.h"

#include <string.h>

const struct endpoint *named_find(
	const struct snapshot *snapshot, const struct exchange *ex, struct problem *problem)
{
	const struct http_request *request = exchange_request(ex);
	const char *slash = strrchr(request->path, '/');
	const struct endpoint *endpoint =
		slash ? endpoint_find(snapshot->endpoints, slash + 1) : NULL;

	if (!endpoint)
		problem_set(problem, PROBLEM_NOT_FOUND,
			"there is no endpoint of this name; GET /v1/endpoints lists them");
	else if (!caller_may_use(request->caller, endpoint->config->name))
		problem_set(problem, PROBLEM_FORBIDDEN,
			"this key may not use this endpoint (auth.keys[].endpoints)");
	else
		return endpoint;
	return NULL;
}

/* ---- what it is, in words ---- */

static void add_text(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, "\"%s\":", name);
	buf_add_json_string(out, text, strlen(text));
}

static const char *type_text(enum config_param_type type)
{
	static const char *const texts[] = {[CONFIG_PARAM_STRING] = "string",
		[CONFIG_PARAM_INTEGER] = "integer",
		[CONFIG_PARAM_NUMBER] = "number",
		[CONFIG_PARAM_BOOLEAN] = "boolean",
		[CONFIG_PARAM_ARRAY] = "array",
		[CONFIG_PARAM_OBJECT] = "object"};

	return texts[type];
}

static void add_param(struct buf *out, const struct config_param *param)
{
	buf_add_json_string(out, param->name, strlen(param->name));
	buf_addf(out, ":{\"type\":\"%s\",\"required\":%s", type_text(param->type),
		param->fallback ? "false" : "true");
	if (param->choices) {
		buf_adds(out, ",\"enum\":");
		buf_adds(out, param->choices);
	}
	if (param->fallback) {
		buf_adds(out, ",\"default\":");
		buf_adds(out, param->fallback);
	}
	if (param->description[0]) {
		buf_add_char(out, ',');
		add_text(out, "description", param->description);
	}
	buf_add_char(out, '}');
}

static void add_params(struct buf *out, const struct config_endpoint *config)
{
	buf_adds(out, ",\"params\":{");
	for (size_t i = 0; i < config->param_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_param(out, &config->params[i]);
	}
	buf_add_char(out, '}');
}

/* As it may be written in the configuration: with the smallest unit that makes it whole. */
static void add_rate(struct buf *out, double per_s)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		double n = per_s * units[i].seconds, slack = n * 1e-6;
		uint64_t whole = (uint64_t)(n + 0.5);

		if (whole >= 1 && n - (double)whole < slack && (double)whole - n < slack) {
			buf_addf(out, "\"%llu/%s\"", (unsigned long long)whole, units[i].unit);
			return;
		}
	}
	buf_adds(out, "null");
}

static void add_limits(
	struct buf *out, const struct config_endpoint *endpoint, const struct config *config)
{
	size_t max_items = config->limits.max_items;

	if (endpoint->max_items && endpoint->max_items < max_items)
		max_items = endpoint->max_items;
	buf_adds(out, ",\"limits\":{\"concurrency\":");
	if (endpoint->concurrency)
		buf_add_u64(out, endpoint->concurrency);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"rate_limit\":");
	add_rate(out, endpoint->rate_per_s);
	buf_addf(out, ",\"max_items\":%zu,\"timeout_ms\":%llu,\"max_attempts\":%u}", max_items,
		(unsigned long long)endpoint->timeout_ms, endpoint->retry.max_attempts);
}

static const char *sample_of(enum config_param_type type)
{
	static const char *const samples[] = {[CONFIG_PARAM_STRING] = "\"text\"",
		[CONFIG_PARAM_INTEGER] = "1",
		[CONFIG_PARAM_NUMBER] = "1.5",
		[CONFIG_PARAM_BOOLEAN] = "true",
		[CONFIG_PARAM_ARRAY] = "[]",
		[CONFIG_PARAM_OBJECT] = "{}"};

	return samples[type];
}

/* The first of a JSON list; what is in it is strings, numbers and words, written by us. */
static void add_first(struct buf *out, const char *choices)
{
	const char *at = choices + 1 + strspn(choices + 1, " "), *end = at;

	if (*at == '"') {
		for (end = at + 1; *end && *end != '"'; end++)
			end += *end == '\\' && end[1];
		end += *end == '"';
	} else {
		end += strcspn(at, ",]");
	}
	buf_add(out, at, (size_t)(end - at));
}

static void add_example(struct buf *out, const struct config_endpoint *config)
{
	const char *comma = "";

	buf_adds(out, ",\"example\":{\"items\":[\"first item\",\"second item\"],\"params\":{");
	for (size_t i = 0; i < config->param_count; i++) {
		const struct config_param *param = &config->params[i];

		buf_adds(out, comma);
		buf_add_json_string(out, param->name, strlen(param->name));
		buf_add_char(out, ':');
		if (param->fallback)
			buf_adds(out, param->fallback);
		else if (param->choices)
			add_first(out, param->choices);
		else
			buf_adds(out, sample_of(param->type));
		comma = ",";
	}
	buf_adds(out, "}}");
}

enum err_code named_describe(
	const struct endpoint *endpoint, const struct config *config, struct buf *out)
{
	const struct config_endpoint *from = endpoint->config;

	buf_add_char(out, '{');
	add_text(out, "name", from->name);
	buf_add_char(out, ',');
	add_text(out, "description", from->description);
	buf_adds(out, ",\"path\":\"/v1/batch/");
	buf_adds(out, from->name);
	buf_add_char(out, '"');
	add_params(out, from);
	add_limits(out, from, config);
	buf_addf(out, ",\"idempotent\":%s,\"fallback\":%s", from->idempotent ? "true" : "false",
		endpoint->fallback ? "true" : "false");
	add_example(out, from);
	buf_add_char(out, '}');
	return out->failed ? ERR_NOMEM : ERR_OK;
}
