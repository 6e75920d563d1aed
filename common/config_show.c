/* config_show.c - the named endpoints as YAML, without their secrets. */
#include "common/config_show.h"

#include <stdlib.h>
#include <string.h>

#include "common/config_endpoint.h"
#include "common/config_kept.h"
#include "common/config_table.h"
#include "common/config_write.h"

static void print_key(int indent, const char *key, const char *behind, struct buf *out)
{
	buf_addf(out, "%*s", indent, "");
	config_write_key(key, out);
	buf_adds(out, behind);
}

static void print_headers(const struct config_endpoint *endpoint, struct buf *out)
{
	if (endpoint->header_count)
		print_key(4, "headers", ":\n", out);
	for (size_t i = 0; i < endpoint->header_count; i++)
		print_key(6, endpoint->headers[i].name, ": \"***\"\n", out);
}

static void print_query(const struct config_endpoint *endpoint, struct buf *out)
{
	if (endpoint->query_count)
		print_key(4, "query", ":\n", out);
	for (size_t i = 0; i < endpoint->query_count; i++) {
		const struct config_strings *values = &endpoint->query[i].shown;

		print_key(6, endpoint->query[i].name, values->count == 1 ? ": " : ": [", out);
		for (size_t j = 0; j < values->count; j++) {
			buf_adds(out, j ? ", " : "");
			config_write_text(values->items[j], out);
		}
		buf_adds(out, values->count == 1 ? "\n" : "]\n");
	}
}

static void print_json(const char *key, const char *json, struct buf *out)
{
	if (!json)
		return;
	print_key(8, key, ": ", out);
	config_write_json(json, out);
	buf_add_char(out, '\n');
}

static const struct setting *setting_of(const char *scope, const char *name)
{
	const struct setting *setting = config_table_find(scope, name);

	REQUIRE(setting != NULL);
	return setting;
}

static void print_params(const struct config_endpoint *endpoint, struct buf *out)
{
	if (endpoint->param_count)
		print_key(4, "params", ":\n", out);
	for (size_t i = 0; i < endpoint->param_count; i++) {
		const struct config_param *param = &endpoint->params[i];

		print_key(6, param->name, ":\n", out);
		print_key(8, "type", ": ", out);
		config_kept_print(setting_of(config_endpoint_param_scope, "type"), param, out);
		buf_add_char(out, '\n');
		print_json("enum", param->choices, out);
		print_json("default", param->fallback, out);
		if (!*param->description)
			continue;
		print_key(8, "description", ": ", out);
		config_write_text(param->description, out);
		buf_add_char(out, '\n');
	}
}

/* A count without a default that nobody gave. */
static bool is_absent(const struct setting *setting, const struct config_endpoint *endpoint)
{
	return (setting->offset == offsetof(struct config_endpoint, concurrency) &&
		       endpoint->concurrency == 0) ||
	       (setting->offset == offsetof(struct config_endpoint, max_items) &&
		       endpoint->max_items == 0);
}

static void print_setting(const struct setting *setting, const char *name, int indent,
	const struct config_endpoint *endpoint, struct buf *out)
{
	const char *text;

	if (is_absent(setting, endpoint))
		return;
	if (setting->type == SETTING_PROGRAM) {
		text = *(char *const *)(const void *)((const char *)endpoint + setting->offset);
		if (!text)
			return;
		print_key(indent, name, ": ", out);
		config_write_program(text, indent, out);
		return;
	}
	print_key(indent, name, ": ", out);
	if (setting->type == SETTING_URL)
		config_write_text(endpoint->url_shown, out);
	else
		config_kept_print(setting, endpoint, out);
	buf_add_char(out, '\n');
}

static void print_scope(
	const char *scope, int indent, const struct config_endpoint *endpoint, struct buf *out)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *setting = &setting_table[i];

		if (!config_table_is_member(setting, scope))
			continue;
		if (setting->type == SETTING_HEADERS)
			print_headers(endpoint, out);
		else if (setting->type == SETTING_QUERY)
			print_query(endpoint, out);
		else if (setting->type == SETTING_PARAMS)
			print_params(endpoint, out);
		else
			print_setting(
				setting, setting->path + strlen(scope), indent, endpoint, out);
	}
}

void config_show_endpoints(const struct config *config, struct buf *out)
{
	buf_adds(out, config->endpoint_count ? "endpoints:\n" : "endpoints: {}\n");
	for (size_t i = 0; i < config->endpoint_count; i++) {
		const struct config_endpoint *endpoint = &config->endpoints[i];

		print_key(2, endpoint->name, ":\n", out);
		print_scope(config_endpoint_scope, 4, endpoint, out);
		print_key(4, "retry", ":\n", out);
		print_scope(config_endpoint_retry_scope, 6, endpoint, out);
		if (!endpoint->item_check.text)
			continue;
		print_key(4, "item_check", ":\n", out);
		print_scope(config_endpoint_check_scope, 6, endpoint, out);
	}
}
