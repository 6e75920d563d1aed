/* config_endpoint.c - named endpoints, and other mappings with names of the operator's own:
 * headers, query, params. */
#include "common/config_endpoint.h"

#include <string.h>
#include <strings.h>

#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_list.h"
#include "common/config_param.h"
#include "common/config_read.h"
#include "common/config_secret.h"
#include "common/config_value.h"
#include "common/mem.h"
#include "common/name.h"

enum { NAME_MAX_BYTES = 256 };

const char config_endpoint_scope[] = "endpoints.*.",
	   config_endpoint_retry_scope[] = "endpoints.*.retry.",
	   config_endpoint_check_scope[] = "endpoints.*.item_check.",
	   config_endpoint_param_scope[] = "endpoints.*.params.*.";

static const char *const endpoint_scopes[] = {
	config_endpoint_scope, config_endpoint_retry_scope, config_endpoint_check_scope};

static const char token_bytes[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

static void free_strings(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		config_expand_free(strings->items[i]);
	mem_free(strings->items);
	*strings = (struct config_strings){NULL, 0};
}

static void free_lists(struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->header_count; i++) {
		mem_free(endpoint->headers[i].name);
		config_expand_free(endpoint->headers[i].value);
	}
	for (size_t i = 0; i < endpoint->query_count; i++) {
		mem_free(endpoint->query[i].name);
		free_strings(&endpoint->query[i].values);
		free_strings(&endpoint->query[i].shown);
	}
	for (size_t i = 0; i < endpoint->param_count; i++)
		config_param_free(&endpoint->params[i]);
	mem_free(endpoint->headers);
	mem_free(endpoint->query);
	mem_free(endpoint->params);
	free_strings(&endpoint->secrets);
}

void config_endpoint_free(struct config *config)
{
	for (size_t i = 0; i < config->endpoint_count; i++) {
		struct config_endpoint *endpoint = &config->endpoints[i];

		for (size_t j = 0; j < sizeof endpoint_scopes / sizeof *endpoint_scopes; j++)
			config_kept_clear(endpoint_scopes[j], endpoint);
		free_lists(endpoint);
		mem_free(endpoint->name);
		mem_free(endpoint->url_shown);
	}
	mem_free(config->endpoints);
	config->endpoints = NULL;
	config->endpoint_count = 0;
}

static char *copy_text(struct config_loading *loading, const char *text)
{
	char *copy = mem_copy(text, strlen(text));

	if (!copy)
		config_fault_no_memory(loading);
	return copy;
}

static void child_key(const char *key, const struct config_node *node, char ret[CONFIG_KEY_SIZE])
{
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(node->key, quoted);
	quoted[strlen(quoted) - 1] = '\0';
	config_fault_key(ret, CONFIG_KEY_SIZE, "%s.%s", key, quoted + 1);
}

static void trim(char *text)
{
	struct span inner = span_trim(span_of(text));

	memmove(text, inner.ptr, inner.len);
	memset(text + inner.len, 0, strlen(text) - inner.len);
}

/* Takes the value. */
static void keep_header(struct config_loading *loading, const char *name, char *value,
	struct config_endpoint *endpoint)
{
	struct config_header *grown = config_list_grow(
		loading, endpoint->headers, endpoint->header_count, sizeof *endpoint->headers);

	if (!grown) {
		config_expand_free(value);
		return;
	}
	endpoint->headers = grown;
	grown += endpoint->header_count++;
	grown->value = value;
	trim(value);
	grown->name = copy_text(loading, name);
}

static void check_header_name(struct config_loading *loading, const struct config_node *node,
	const char *key, const struct config_endpoint *endpoint)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t len = strlen(node->key);

	if (len == 0 || len > NAME_MAX_BYTES || node->key[strspn(node->key, token_bytes)])
		config_fault(loading, place, key, "is no name of a header");
	for (size_t i = 0; endpoint && i < endpoint->header_count; i++)
		if (endpoint->headers[i].name &&
			strcasecmp(endpoint->headers[i].name, node->key) == 0)
			config_fault(loading, place, key, "is the same header as %s",
				endpoint->headers[i].name);
	if (endpoint && endpoint->header_count == CONFIG_HEADERS_MAX)
		config_fault(loading, place, key, "too many headers; %d are allowed",
			CONFIG_HEADERS_MAX);
}

/* The values may be secret: they are not shown. */
static void read_header(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_endpoint *endpoint)
{
	struct config_place place = config_fault_in_file(node->line);
	struct config_marks marks = {NULL, 0};
	size_t faults_before = loading->fault_count;
	char *text;

	check_header_name(loading, node, key, endpoint);
	text = config_read_marked(loading, node, key, &marks);
	if (text && !config_value_is_clean(text, false))
		config_fault(
			loading, place, key, "the value has control characters or is not UTF-8");
	if (text && strlen(text) > CONFIG_HEADER_MAX_BYTES)
		config_fault(loading, place, key, "the value is too long; %d bytes are allowed",
			CONFIG_HEADER_MAX_BYTES);
	if (text && endpoint && loading->fault_count == faults_before) {
		config_secret_add_marked(loading, endpoint, text, &marks);
		keep_header(loading, node->key, text, endpoint);
	} else {
		config_expand_free(text);
	}
	config_secret_free_marks(&marks);
}

static struct config_query_pair *add_pair(struct config_loading *loading,
	struct config_endpoint *endpoint, const char *name, size_t values)
{
	struct config_query_pair *grown = config_list_grow(
		loading, endpoint->query, endpoint->query_count, sizeof *endpoint->query);

	if (!grown)
		return NULL;
	endpoint->query = grown;
	grown += endpoint->query_count++;
	grown->name = copy_text(loading, name);
	grown->values.items = mem_try(values * sizeof(char *));
	grown->shown.items = mem_try(values * sizeof(char *));
	if (grown->name && grown->values.items && grown->shown.items)
		return grown;
	config_fault_no_memory(loading);
	return NULL;
}

/* The pair has room for one more value. */
static void read_query_value(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_endpoint *endpoint, struct config_query_pair *pair)
{
	struct config_marks marks = {NULL, 0};
	char *text = config_read_marked(loading, node, key, &marks), *shown;

	if (text && !config_value_is_clean(text, true))
		config_fault(loading, config_fault_in_file(node->line), key,
			"has control characters or is not UTF-8");
	shown = text ? config_secret_mask(loading, text, &marks) : NULL;
	if (shown) {
		config_secret_add_marked(loading, endpoint, text, &marks);
		pair->values.items[pair->values.count++] = text;
		pair->shown.items[pair->shown.count++] = shown;
	} else {
		config_expand_free(text);
	}
	config_secret_free_marks(&marks);
}

static void read_query(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_endpoint *endpoint)
{
	bool list = node->kind == CONFIG_LIST;
	size_t len = strlen(node->key), i = 0;
	struct config_query_pair *pair;

	if (len == 0 || len > NAME_MAX_BYTES || !config_value_is_clean(node->key, false))
		config_fault(loading, config_fault_in_file(node->line), key,
			"is no name of a query's value; it may have 1 to %d bytes, without control "
			"characters",
			NAME_MAX_BYTES);
	pair = add_pair(loading, endpoint, node->key, list ? node->count : 1);
	if (!pair)
		return;
	if (!list)
		read_query_value(loading, node, key, endpoint, pair);
	for (const struct config_node *child = list ? node->first : NULL; child;
		child = child->next, i++) {
		char item[CONFIG_KEY_SIZE];

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		read_query_value(loading, child, item, endpoint, pair);
	}
}

static bool check_url_form(struct config_loading *loading, const struct config_node *node,
	const char *key, const char *url)
{
	size_t scheme = strncasecmp(url, "http://", 7) == 0    ? 7
			: strncasecmp(url, "https://", 8) == 0 ? 8
							       : 0;
	size_t host = strcspn(url + scheme, "/?#");
	struct config_place place = config_fault_in_file(node->line);
	char quoted[CONFIG_QUOTE_SIZE];
	bool plain = true;

	for (const char *c = url; *c; c++)
		plain = plain && *c > ' ' && *c < 0x7F;
	config_fault_quote(node->text, quoted); /* as written: no secret is in it */
	if (!scheme || !host)
		config_fault(loading, place, key,
			"%s is no http or https URL%s, such as https://api.example.com/v1/chat",
			quoted, strcmp(url, node->text) == 0 ? "" : " with its variables replaced");
	else if (!plain)
		config_fault(loading, place, key,
			"%s has a blank, or something that must be percent-encoded", quoted);
	else if (memchr(url + scheme, '@', host))
		config_fault(loading, place, key,
			"%s has a user name; write it as the header Authorization", quoted);
	else if (strchr(url, '#'))
		config_fault(
			loading, place, key, "%s has a fragment (#), which is never sent", quoted);
	else
		return true;
	return false;
}

void config_endpoint_url(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, struct config_endpoint *endpoint)
{
	struct config_place place = config_fault_in_file(node->line);
	struct config_marks marks = {NULL, 0};
	char *text = config_read_marked(loading, node, key, &marks);

	if (text)
		config_kept_set(loading, place, setting, key, endpoint, &text, 1, node->text);
	if (text && endpoint->url && check_url_form(loading, node, key, text)) {
		config_secret_cut_origin(loading, text, &marks);
		config_secret_add_marked(loading, endpoint, text, &marks);
		endpoint->url_shown = config_secret_mask(loading, text, &marks);
	}
	config_expand_free(text);
	config_secret_free_marks(&marks);
}

static struct config_program *program_of(
	struct config_endpoint *endpoint, const struct setting *setting)
{
	return (struct config_program *)(void *)((char *)endpoint + setting->offset -
						 offsetof(struct config_program, text));
}

void config_endpoint_program(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, struct config_endpoint *endpoint)
{
	struct config_place place = config_fault_in_file(node->line);
	struct config_program *program = program_of(endpoint, setting);

	if (node->kind != CONFIG_SCALAR) {
		config_fault(loading, place, key, "must be a jq program, not a %s",
			node->kind == CONFIG_LIST ? "list" : "mapping; write it behind `|`");
		return;
	}
	if (config_node_is_null(node)) {
		config_fault(loading, place, key, "has no value");
		return;
	}
	config_kept_set(loading, place, setting, key, endpoint, &node->text, 1, node->text);
	program->line = (unsigned)node->text_line;
	program->indent = node->indent;
}

static struct config_endpoint *add_endpoint(
	struct config_loading *loading, const struct config_node *node)
{
	struct config *config = loading->config;
	struct config_endpoint *grown = config_list_grow(
		loading, config->endpoints, config->endpoint_count, sizeof *config->endpoints);

	if (!grown)
		return NULL;
	config->endpoints = grown;
	grown += config->endpoint_count++;
	grown->line = (unsigned)node->line;
	grown->name = copy_text(loading, node->key);
	for (size_t i = 0; i < sizeof endpoint_scopes / sizeof *endpoint_scopes; i++)
		config_kept_defaults(loading, endpoint_scopes[i], grown);
	return grown->name ? grown : NULL;
}

static void check_endpoint(struct config_loading *loading, const struct config_node *node,
	const char *key, const struct config_endpoint *endpoint)
{
	const struct config_node *check = config_node_find(node, "item_check");
	char inner[CONFIG_KEY_SIZE];

	if (!config_node_find(node, "url"))
		config_fault(loading, config_fault_in_file(node->line), key, "has no url");
	config_fault_key(inner, sizeof inner, "%s.item_check", key);
	if (check && check->kind == CONFIG_MAP && !config_node_find(check, "test"))
		config_fault(loading, config_fault_in_file(check->line), inner, "has no test");
	config_fault_key(inner, sizeof inner, "%s.retry.max_backoff", key);
	if (endpoint->retry.max_backoff_ms < endpoint->retry.backoff_ms)
		config_fault(loading, config_fault_in_file(node->line), inner,
			"is less than retry.backoff");
}

static void read_endpoint(
	struct config_loading *loading, const struct config_node *node, const char *key)
{
	struct config_endpoint *endpoint;
	char prefix[CONFIG_KEY_SIZE + 1];

	if (!name_valid(node->key))
		config_fault(loading, config_fault_in_file(node->line), key,
			"the name must be " NAME_FORM);
	if (!config_read_is_map(loading, node, key))
		return;
	endpoint = add_endpoint(loading, node);
	if (!endpoint)
		return;
	config_fault_key(prefix, sizeof prefix, "%s.", key);
	config_read_map(loading, node, config_endpoint_scope, prefix, endpoint);
	check_endpoint(loading, node, key, endpoint);
}

static void read_param(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_endpoint *endpoint)
{
	struct config_param *grown = config_list_grow(
		loading, endpoint->params, endpoint->param_count, sizeof *endpoint->params);

	if (!grown)
		return;
	endpoint->params = grown;
	grown += endpoint->param_count++;
	config_param_read(loading, node, key, grown);
}

void config_endpoint_read(struct config_loading *loading, const struct config_node *map,
	const struct setting *setting, const char *key, void *base)
{
	size_t faults_before = loading->fault_count;
	bool single = config_table_is_single(setting);

	if (!config_read_is_map(loading, map, key))
		return;
	for (const struct config_node *node = map->first; node; node = node->next) {
		char inner[CONFIG_KEY_SIZE];

		child_key(key, node, inner);
		if (setting->type == SETTING_HEADERS)
			read_header(loading, node, inner, single ? NULL : base);
		else if (setting->type == SETTING_QUERY)
			read_query(loading, node, inner, base);
		else if (setting->type == SETTING_PARAMS)
			read_param(loading, node, inner, base);
		else
			read_endpoint(loading, node, inner);
	}
	if (map->first && setting->later && loading->fault_count == faults_before)
		config_kept_fault_later(
			loading, config_fault_in_file(map->first->line), setting, key);
}

static bool endpoint_names(const void *from, size_t i, char ret[CONFIG_NAME_SIZE])
{
	const struct config *config = from;

	if (i >= config->endpoint_count)
		return false;
	config_fault_key(ret, CONFIG_NAME_SIZE, "%s", config->endpoints[i].name);
	return true;
}

/* A warning: a key may be handed out before its endpoint is there. */
static void warn_of_strangers(struct config_loading *loading, size_t key)
{
	const struct config_strings *names = &loading->config->auth.keys[key].endpoints;
	char place[CONFIG_PLACE_SIZE], quoted[CONFIG_QUOTE_SIZE], hint[CONFIG_QUOTE_SIZE];

	config_fault_place(loading, "auth.keys", place);
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];

		if (strcmp(name, "*") == 0 || config_endpoint_of(loading->config, name))
			continue;
		config_fault_warn(loading, "%s[%zu].endpoints[%zu]: there is no endpoint %s%s",
			place, key, i, config_fault_quote(name, quoted),
			config_fault_hint(name, endpoint_names, loading->config, hint));
	}
}

void config_endpoint_finish(struct config_loading *loading)
{
	struct config *config = loading->config;

	for (size_t i = 0; i < config->endpoint_count; i++)
		config_secret_finish(loading, &config->endpoints[i]);
	for (size_t i = 0; !config_fault_any(loading) && i < config->auth.key_count; i++)
		warn_of_strangers(loading, i);
}
