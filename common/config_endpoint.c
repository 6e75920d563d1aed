/* config_endpoint.c - mappings with names of the operator's own: endpoints, headers, query, params.
 */
#include "common/config_endpoint.h"

#include <string.h>

#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_read.h"
#include "common/config_value.h"

static const char token_bytes[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

static void child_key(const char *key, const struct config_node *node, char ret[CONFIG_KEY_SIZE])
{
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(node->key, quoted);
	quoted[strlen(quoted) - 1] = '\0';
	config_fault_key(ret, CONFIG_KEY_SIZE, "%s.%s", key, quoted + 1);
}

/* The values may be secret: they are not shown. */
static void read_header(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t len = strlen(node->key);
	char *text;

	if (len == 0 || len > 256 || node->key[strspn(node->key, token_bytes)])
		config_fault(loading, place, key, "is no name of a header");
	text = config_read_text(loading, node, key);
	if (text && !config_value_is_clean(text, false))
		config_fault(
			loading, place, key, "the value has control characters or is not UTF-8");
	config_expand_free(text);
}

static void read_query(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	size_t i = 0;

	if (node->kind != CONFIG_LIST) {
		config_expand_free(config_read_text(loading, node, key));
		return;
	}
	for (const struct config_node *child = node->first; child; child = child->next, i++) {
		char item[CONFIG_KEY_SIZE];

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		config_expand_free(config_read_text(loading, child, item));
	}
}

static const struct config_node *find_child(const struct config_node *map, const char *name)
{
	const struct config_node *node = map->first;

	while (node && strcmp(node->key, name) != 0)
		node = node->next;
	return node;
}

static void read_inner(struct config_loading *loading, const struct config_node *node,
	const char *scope, const char *key)
{
	char prefix[CONFIG_KEY_SIZE + 1];

	config_fault_key(prefix, sizeof prefix, "%s.", key);
	if (config_read_is_map(loading, node, key))
		config_read_map(loading, node, scope, prefix, NULL);
}

static void read_endpoint(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	struct config_place place = config_fault_in_file(node->line);
	size_t len = strlen(node->key);

	if (len == 0 || len > 64 || node->key[strspn(node->key, allowed)])
		config_fault(loading, place, key, "the name must be 1 to 64 of A-Z a-z 0-9 . _ -");
	read_inner(loading, node, "endpoints.*.", key);
	if (node->kind == CONFIG_MAP && !find_child(node, "url"))
		config_fault(loading, place, key, "has no url");
}

static void read_param(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	const struct config_node *choices =
		node->kind == CONFIG_MAP ? find_child(node, "enum") : NULL;

	read_inner(loading, node, "endpoints.*.params.*.", key);
	if (choices && (choices->kind != CONFIG_LIST || choices->count == 0))
		config_fault(loading, config_fault_in_file(choices->line), key,
			"enum must be a list of values");
}

void config_endpoint_read(struct config_loading *loading, const struct config_node *map,
	const struct setting *setting, const char *key)
{
	size_t faults_before = loading->fault_count;

	if (!config_read_is_map(loading, map, key))
		return;
	for (const struct config_node *node = map->first; node; node = node->next) {
		char inner[CONFIG_KEY_SIZE];

		child_key(key, node, inner);
		if (setting->type == SETTING_HEADERS)
			read_header(loading, node, inner);
		else if (setting->type == SETTING_QUERY)
			read_query(loading, node, inner);
		else if (setting->type == SETTING_PARAMS)
			read_param(loading, node, inner);
		else
			read_endpoint(loading, node, inner);
	}
	if (map->first && setting->later && loading->fault_count == faults_before)
		config_kept_fault_later(
			loading, config_fault_in_file(map->first->line), setting, key);
}
