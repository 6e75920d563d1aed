/* config_param.c - a parameter of an endpoint: its type, what it may be and what it is by default,
 * from YAML to JSON. */
#include "common/config_param.h"

#include <string.h>

#include "common/config_endpoint.h"
#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_read.h"
#include "common/config_value.h"
#include "common/decimal.h"
#include "common/mem.h"
#include "common/name.h"

/* Nothing is added past CONFIG_PARAM_JSON_MAX_BYTES, so that the buffer's limit is never reached:
 * one scalar, each byte of it escaped, is the most. */
enum { NAME_MAX_BYTES = 256, JSON_ROOM = 8 * CONFIG_TEXT_MAX_BYTES };

enum kind { KIND_NULL, KIND_BOOLEAN, KIND_NUMBER, KIND_STRING };

struct scalar {
	char *text; /* expanded */
	bool plain; /* without quotes */
	bool given; /* it came of a reference */
};

void config_param_free(struct config_param *param)
{
	config_kept_clear(config_endpoint_param_scope, param);
	mem_free(param->name);
	mem_free(param->choices);
	mem_free(param->fallback);
}

const char *config_param_wants(enum config_param_type type)
{
	static const char *const texts[] = {
		[CONFIG_PARAM_STRING] = "a string",
		[CONFIG_PARAM_INTEGER] = "an integer",
		[CONFIG_PARAM_NUMBER] = "a number",
		[CONFIG_PARAM_BOOLEAN] = "true or false",
		[CONFIG_PARAM_ARRAY] = "an array",
		[CONFIG_PARAM_OBJECT] = "an object",
	};

	return texts[type];
}

static bool is_boolean(const char *text)
{
	return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static enum kind kind_of(const struct scalar *scalar)
{
	if (!scalar->plain)
		return KIND_STRING;
	if (decimal_is(span_of(scalar->text)))
		return KIND_NUMBER;
	if (strcmp(scalar->text, "null") == 0)
		return KIND_NULL;
	return is_boolean(scalar->text) ? KIND_BOOLEAN : KIND_STRING;
}

static bool fits(enum config_param_type type, const struct scalar *scalar)
{
	bool open = scalar->plain || scalar->given;

	switch (type) {
	case CONFIG_PARAM_STRING:
		return scalar->given || kind_of(scalar) == KIND_STRING;
	case CONFIG_PARAM_INTEGER:
		return open && decimal_is_integer(span_of(scalar->text));
	case CONFIG_PARAM_NUMBER:
		return open && decimal_is(span_of(scalar->text));
	case CONFIG_PARAM_BOOLEAN:
		return open && is_boolean(scalar->text);
	default:
		return false;
	}
}

static void fault_type(struct config_loading *loading, const struct config_node *node,
	const char *key, enum config_param_type type, bool given)
{
	struct config_place place = config_fault_in_file(node->line);
	const char *wanted = config_param_wants(type);
	char quoted[CONFIG_QUOTE_SIZE];

	if (node->kind != CONFIG_SCALAR)
		config_fault(loading, place, key, "must be %s, not a %s", wanted,
			node->kind == CONFIG_LIST ? "list" : "mapping");
	else if (type == CONFIG_PARAM_STRING)
		config_fault(loading, place, key, "must be a string; put %s into quotes",
			node->text); /* a number, true, false */
	else if (given)
		config_fault(loading, place, key, "must be %s, which %s does not give", wanted,
			config_fault_quote(node->text, quoted));
	else
		config_fault(loading, place, key, "must be %s, not %s%s", wanted,
			config_fault_quote(node->text, quoted), node->plain ? "" : " in quotes");
}

/* False where a fault was noted, or there is no memory. */
static bool read_scalar(struct config_loading *loading, const struct config_node *node,
	const char *key, struct scalar *ret_scalar)
{
	ret_scalar->text = config_read_text(loading, node, key);
	if (!ret_scalar->text)
		return false;
	ret_scalar->plain = node->plain;
	ret_scalar->given = strcmp(ret_scalar->text, node->text) != 0;
	if (config_value_is_clean(ret_scalar->text, true))
		return true;
	config_fault(loading, config_fault_in_file(node->line), key,
		"has control characters or is not UTF-8");
	config_expand_free(ret_scalar->text);
	return false;
}

static void add_json(struct buf *out, const char *text, enum kind kind)
{
	if (kind == KIND_STRING)
		buf_add_json_string(out, text, strlen(text));
	else
		buf_adds(out, text);
}

static bool is_full(const struct buf *json)
{
	return json->len > CONFIG_PARAM_JSON_MAX_BYTES;
}

/* Adds a value of any type; null too. */
static void add_any(struct config_loading *loading, const struct config_node *node, const char *key,
	struct buf *out)
{
	struct scalar scalar;

	if (node->kind == CONFIG_SCALAR) {
		if (config_node_is_null(node)) {
			buf_adds(out, "null");
		} else if (read_scalar(loading, node, key, &scalar)) {
			add_json(out, scalar.text, kind_of(&scalar));
			config_expand_free(scalar.text);
		}
		return;
	}
	buf_add_char(out, node->kind == CONFIG_LIST ? '[' : '{');
	for (const struct config_node *child = node->first; child && !is_full(out);
		child = child->next) {
		size_t len = child->key ? strlen(child->key) : 0;

		buf_adds(out, child == node->first ? "" : ", ");
		if (len > NAME_MAX_BYTES ||
			(child->key && !config_value_is_clean(child->key, false)))
			config_fault(loading, config_fault_in_file(child->line), key,
				"has a name of more than %d bytes, or with control characters",
				NAME_MAX_BYTES);
		if (child->key) {
			buf_add_json_string(out, child->key, len);
			buf_adds(out, ": ");
		}
		add_any(loading, child, key, out); /* as deep as CONFIG_NODE_DEPTH_MAX */
	}
	buf_add_char(out, node->kind == CONFIG_LIST ? ']' : '}');
}

/* Adds the value if it is of the type, or notes why not. */
static void add_value(struct config_loading *loading, const struct config_node *node,
	const char *key, enum config_param_type type, struct buf *out)
{
	enum config_node_kind wanted = type == CONFIG_PARAM_ARRAY    ? CONFIG_LIST
				       : type == CONFIG_PARAM_OBJECT ? CONFIG_MAP
								     : CONFIG_SCALAR;
	struct scalar scalar;

	if (config_node_is_null(node)) {
		config_fault(loading, config_fault_in_file(node->line), key, "has no value");
	} else if (node->kind != wanted) {
		fault_type(loading, node, key, type, false);
	} else if (wanted != CONFIG_SCALAR) {
		add_any(loading, node, key, out);
	} else if (read_scalar(loading, node, key, &scalar)) {
		if (fits(type, &scalar))
			add_json(out, scalar.text,
				type == CONFIG_PARAM_STRING ? KIND_STRING : KIND_NUMBER);
		else
			fault_type(loading, node, key, type, scalar.given);
		config_expand_free(scalar.text);
	}
}

/* The buffer's text, where nothing went wrong since. */
static char *take(struct config_loading *loading, const struct config_node *node, const char *key,
	size_t faults_before, struct buf *json)
{
	char *text = NULL;
	size_t len;

	if (is_full(json))
		config_fault(loading, config_fault_in_file(node->line), key,
			"is too long; %d bytes are allowed", CONFIG_PARAM_JSON_MAX_BYTES);
	else if (json->failed)
		config_fault_no_memory(loading);
	if (!json->failed && loading->fault_count == faults_before && !loading->no_memory)
		text = buf_steal(json, &len);
	buf_free(json);
	return text;
}

static bool same(enum config_param_type type, struct span a, struct span b)
{
	if (type == CONFIG_PARAM_INTEGER || type == CONFIG_PARAM_NUMBER)
		return decimal_equals(a, b);
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Reads the choices; `wanted` (or NULL) should be one of them: ret_found. */
static void read_choices(struct config_loading *loading, const struct config_node *list,
	const char *key, const char *wanted, struct config_param *param, bool *ret_found)
{
	size_t faults_before = loading->fault_count, i = 0;
	struct buf json;

	buf_init(&json, JSON_ROOM);
	buf_add_char(&json, '[');
	for (const struct config_node *node = list->first; node && !is_full(&json);
		node = node->next, i++) {
		char item[CONFIG_KEY_SIZE];
		size_t from, faults = loading->fault_count;

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		buf_adds(&json, i ? ", " : "");
		from = json.len;
		add_value(loading, node, item, param->type, &json);
		if (wanted && !json.failed && loading->fault_count == faults &&
			same(param->type, (struct span){json.ptr + from, json.len - from},
				span_of(wanted)))
			*ret_found = true;
	}
	buf_add_char(&json, ']');
	param->choices = take(loading, list, key, faults_before, &json);
}

static void read_enum(struct config_loading *loading, const struct config_node *list,
	const struct config_node *fallback, const char *prefix, struct config_param *param)
{
	struct config_place place = config_fault_in_file(list->line);
	char key[CONFIG_KEY_SIZE], quoted[CONFIG_QUOTE_SIZE];
	bool found = !param->fallback;

	config_fault_key(key, sizeof key, "%s.enum", prefix);
	if (list->kind != CONFIG_LIST || list->count == 0) {
		config_fault(loading, place, key, "must be a list of values, such as [a, b]");
		return;
	}
	if (param->type == CONFIG_PARAM_ARRAY || param->type == CONFIG_PARAM_OBJECT) {
		config_fault(loading, place, key, "is not for %s",
			param->type == CONFIG_PARAM_ARRAY ? "arrays" : "objects");
		return;
	}
	read_choices(loading, list, key, param->fallback, param, &found);
	config_fault_key(key, sizeof key, "%s.default", prefix);
	if (fallback && !found && param->choices)
		config_fault(loading, config_fault_in_file(fallback->line), key,
			"%s is not one of enum", config_fault_quote(fallback->text, quoted));
}

void config_param_read(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_param *param)
{
	const struct config_node *choices = config_node_find(node, "enum"),
				 *fallback = config_node_find(node, "default");
	size_t len = strlen(node->key), faults_before = loading->fault_count;
	char prefix[CONFIG_KEY_SIZE + 1], inner[CONFIG_KEY_SIZE];
	struct buf json;

	config_kept_defaults(loading, config_endpoint_param_scope, param);
	param->name = mem_copy(node->key, len);
	if (!param->name)
		config_fault_no_memory(loading);
	if (!name_valid(node->key))
		config_fault(loading, config_fault_in_file(node->line), key,
			"the name must be " NAME_FORM);
	config_fault_key(prefix, sizeof prefix, "%s.", key);
	if (config_read_is_map(loading, node, key))
		config_read_map(loading, node, config_endpoint_param_scope, prefix, param);
	if (loading->fault_count != faults_before)
		return; /* the type may not be what was meant */
	if (fallback) {
		config_fault_key(inner, sizeof inner, "%s.default", key);
		buf_init(&json, JSON_ROOM);
		add_value(loading, fallback, inner, param->type, &json);
		param->fallback = take(loading, fallback, inner, faults_before, &json);
	}
	if (choices)
		read_enum(loading, choices, fallback, key, param);
}
