/* endpoint_describe.c - what callers are told of a named endpoint. */
#include "handlers/endpoint_describe.h"

#include <string.h>

#include "common/config_value.h"
#include "handlers/answer.h"

static void add_param(struct buf *out, const struct config_param *param)
{
	buf_add_json_string(out, param->name, strlen(param->name));
	buf_adds(out, ":{\"type\":\"");
	config_value_write(SETTING_PARAM_TYPE, param->type, out);
	buf_addf(out, "\",\"required\":%s", param->fallback ? "false" : "true");
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
		answer_add_text(out, "description", param->description);
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
	buf_add_char(out, ',');
	answer_add_rate(out, "rate_limit", endpoint->rate_per_s);
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

void endpoint_describe(
	const struct endpoint *endpoint, const struct config *config, struct buf *out)
{
	const struct config_endpoint *from = endpoint->config;

	buf_add_char(out, '{');
	answer_add_text(out, "name", from->name);
	buf_add_char(out, ',');
	answer_add_text(out, "description", from->description);
	buf_adds(out, ",\"path\":\"/v1/batch/");
	buf_adds(out, from->name);
	buf_add_char(out, '"');
	add_params(out, from);
	add_limits(out, from, config);
	buf_addf(out, ",\"idempotent\":%s,\"fallback\":%s", from->idempotent ? "true" : "false",
		endpoint->fallback ? "true" : "false");
	add_example(out, from);
	buf_add_char(out, '}');
}
