/* config_read.c - from a file's tree to the configuration: sections, lists and scalars, by the
 * table of settings. */
#include "common/config_read.h"

#include <stdio.h>
#include <string.h>

#include "common/config_endpoint.h"
#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_key.h"
#include "common/config_upstream.h"
#include "common/mem.h"

bool config_read_is_map(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	if (node->kind == CONFIG_MAP || config_node_is_null(node))
		return true;
	config_fault(loading, config_fault_in_file(node->line), key,
		"must be a mapping of names to values");
	return false;
}

bool config_read_is_list(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	if (node->kind == CONFIG_LIST || config_node_is_null(node))
		return true;
	config_fault(
		loading, config_fault_in_file(node->line), key, "must be a list, such as [a, b]");
	return false;
}

char *config_read_text(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	return config_read_marked(loading, node, key, NULL);
}

char *config_read_marked(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_marks *ret_marks)
{
	struct config_place place = config_fault_in_file(node->line);

	if (node->kind != CONFIG_SCALAR)
		config_fault(loading, place, key, "must be a single value, not a %s",
			node->kind == CONFIG_LIST ? "list" : "mapping");
	else if (config_node_is_null(node))
		config_fault(loading, place, key, "has no value");
	else
		return config_expand_marked(loading, place, key, node->text, ret_marks);
	return NULL;
}

static void read_scalar(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, void *base)
{
	struct config_place place = config_fault_in_file(node->line);
	char *text = config_read_text(loading, node, key);

	if (text)
		config_kept_set(loading, place, setting, key, base, &text, 1, node->text);
	config_expand_free(text);
}

static void read_list(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key, void *base)
{
	size_t count = 0, faults_before = loading->fault_count, i = 0;
	char **texts;

	if (!config_read_is_list(loading, list, key))
		return;
	texts = mem_try(list->count * sizeof *texts);
	if (!texts) {
		config_fault_no_memory(loading);
		return;
	}
	for (const struct config_node *node = list->first; node; node = node->next, i++) {
		char item[CONFIG_KEY_SIZE];

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		texts[count] = config_read_text(loading, node, item);
		count += texts[count] != NULL;
	}
	if (loading->fault_count == faults_before && !loading->no_memory &&
		list->kind == CONFIG_LIST)
		config_kept_set(loading, config_fault_in_file(list->line), setting, key, base,
			texts, count, NULL);
	for (i = 0; i < count; i++)
		config_expand_free(texts[i]);
	mem_free(texts);
}

static void read_setting(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, void *base)
{
	switch (setting->type) {
	case SETTING_STRINGS:
	case SETTING_PORTS:
		read_list(loading, node, setting, key, base);
		break;
	case SETTING_KEYS:
		config_key_read(loading, node, setting, key);
		break;
	case SETTING_HASHES:
		config_key_read_hashes(loading, node, key, base);
		break;
	case SETTING_UPSTREAMS:
		config_upstream_read(loading, node, setting, key);
		break;
	case SETTING_BREAKER:
		config_upstream_read_breaker(loading, node, key, base);
		break;
	case SETTING_HEADERS:
	case SETTING_QUERY:
	case SETTING_PARAMS:
	case SETTING_ENDPOINTS:
		config_endpoint_read(loading, node, setting, key, base);
		break;
	case SETTING_URL:
		config_endpoint_url(loading, node, setting, key, base);
		break;
	case SETTING_PROGRAM:
		config_endpoint_program(loading, node, setting, key, base);
		break;
	case SETTING_ANY:
		break;
	default:
		read_scalar(loading, node, setting, key, base);
	}
}

static void fault_unknown(struct config_loading *loading, const struct config_node *node,
	const char *scope, const char *prefix)
{
	const struct setting *leaf = config_table_leaf(node->key);
	char hint[CONFIG_QUOTE_SIZE], quoted[CONFIG_QUOTE_SIZE], key[CONFIG_KEY_SIZE];

	config_fault_quote(node->key, quoted);
	quoted[strlen(quoted) - 1] = '\0';
	config_fault_key(key, sizeof key, "%s%s", prefix, quoted + 1);
	if (!*scope && leaf)
		snprintf(hint, sizeof hint, "; did you mean %s?", leaf->path);
	else if (strcmp(scope, "auth.keys[].") == 0 && strcmp(node->key, "key") == 0)
		snprintf(hint, sizeof hint,
			"; write sha256: [\"HASH\"], which `batchgate key --hash` makes of a key");
	else
		config_fault_hint(node->key, config_table_names, scope, hint);
	config_fault(loading, config_fault_in_file(node->line), key, "unknown key%s", hint);
}

static bool leads_to_address(const char *scope, const char *name)
{
	return *scope ? strcmp(name, "host") == 0 || strcmp(name, "port") == 0
		      : strcmp(name, "server") == 0;
}

static void read_entry(struct config_loading *loading, const struct config_node *node,
	const char *scope, const char *prefix, void *base)
{
	const struct setting *setting = config_table_find(scope, node->key);
	char key[CONFIG_KEY_SIZE], inner[CONFIG_KEY_SIZE + 1], inner_scope[CONFIG_NAME_SIZE];

	if (loading->address_only && !leads_to_address(scope, node->key))
		return;
	if (strchr(node->key, '.') || (!setting && !config_table_is_section(scope, node->key))) {
		fault_unknown(loading, node, scope, prefix);
		return;
	}
	config_fault_key(key, sizeof key, "%s%s", prefix, node->key);
	if (setting) {
		read_setting(loading, node, setting, key, base);
		return;
	}
	config_fault_key(inner, sizeof inner, "%s.", key);
	config_fault_key(inner_scope, sizeof inner_scope, "%s%s.", scope, node->key);
	if (config_read_is_map(loading, node, key))
		config_read_map(loading, node, inner_scope, inner, base);
}

void config_read_map(struct config_loading *loading, const struct config_node *map,
	const char *scope, const char *prefix, void *base)
{
	for (const struct config_node *node = map->first; node; node = node->next)
		read_entry(loading, node, scope, prefix, base);
}
