/* config_entry.c - lists whose entries are mappings: auth.keys and upstreams. */
#include "common/config_entry.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_read.h"
#include "common/mem.h"

static const char keys_scope[] = "auth.keys[].", upstreams_scope[] = "upstreams[].";

static void free_key(struct config_key *key)
{
	mem_free(key->sha256);
	config_kept_clear(keys_scope, key);
}

static void free_keys(struct config *config)
{
	for (size_t i = 0; i < config->auth.key_count; i++)
		free_key(&config->auth.keys[i]);
	mem_free(config->auth.keys);
	config->auth.keys = NULL;
	config->auth.key_count = 0;
}

static void free_upstreams(struct config *config)
{
	for (size_t i = 0; i < config->upstream_count; i++)
		config_kept_clear(upstreams_scope, &config->upstreams[i]);
	mem_free(config->upstreams);
	config->upstreams = NULL;
	config->upstream_count = 0;
}

void config_entry_free(struct config *config)
{
	free_keys(config);
	free_upstreams(config);
}

/* The next entry of an array, with its defaults; NULL without memory. */
static void *add_entry(
	struct config_loading *loading, void **array, size_t *count, size_t size, const char *scope)
{
	void *grown = mem_resize(*array, (*count + 1) * size), *entry;

	if (!grown) {
		config_fault_no_memory(loading);
		return NULL;
	}
	*array = grown;
	entry = (char *)grown + *count * size;
	memset(entry, 0, size);
	++*count;
	config_kept_defaults(loading, scope, entry);
	return entry;
}

static struct config_key *add_key(struct config_loading *loading)
{
	void *array = loading->config->auth.keys;
	struct config_key *key = add_entry(
		loading, &array, &loading->config->auth.key_count, sizeof *key, keys_scope);

	loading->config->auth.keys = array;
	return key;
}

static struct config_upstream *add_upstream(struct config_loading *loading)
{
	void *array = loading->config->upstreams;
	struct config_upstream *upstream = add_entry(loading, &array,
		&loading->config->upstream_count, sizeof *upstream, upstreams_scope);

	loading->config->upstreams = array;
	return upstream;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(const char *text, uint8_t ret_hash[32])
{
	if (strlen(text) != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret_hash[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static bool is_known_hash(const struct config *config, const uint8_t hash[32])
{
	for (size_t i = 0; i < config->auth.key_count; i++)
		for (size_t j = 0; j < config->auth.keys[i].sha256_count; j++)
			if (memcmp(config->auth.keys[i].sha256[j], hash, 32) == 0)
				return true;
	return false;
}

static void add_hash(struct config_loading *loading, struct config_place place,
	const char *shown_key, const char *text, struct config_key *key)
{
	uint8_t hash[32], (*grown)[32];

	if (!read_hash(text, hash)) {
		/* not quoted: people paste the key itself here */
		config_fault(loading, place, shown_key,
			"is not 64 hex digits; `batchgate key --hash` reads a key and prints its "
			"SHA-256");
		return;
	}
	if (is_known_hash(loading->config, hash)) {
		config_fault(loading, place, shown_key, "the same hash is there already");
		return;
	}
	if (key->sha256_count == CONFIG_HASHES_MAX) {
		config_fault(
			loading, place, shown_key, "too many; %d are allowed", CONFIG_HASHES_MAX);
		return;
	}
	grown = mem_resize(key->sha256, (key->sha256_count + 1) * sizeof *grown);
	if (!grown) {
		config_fault_no_memory(loading);
		return;
	}
	memcpy(grown[key->sha256_count], hash, sizeof hash);
	key->sha256 = grown;
	key->sha256_count++;
}

void config_entry_hashes(struct config_loading *loading, const struct config_node *list,
	const char *key, struct config_key *ret_key)
{
	size_t i = 0;

	if (!config_read_is_list(loading, list, key))
		return;
	for (const struct config_node *node = list->first; node; node = node->next, i++) {
		char item[CONFIG_KEY_SIZE], *text;

		config_fault_key(item, sizeof item, "%s[%zu]", key, i);
		text = config_read_text(loading, node, item);
		if (text)
			add_hash(loading, config_fault_in_file(node->line), item, text, ret_key);
		config_expand_free(text);
	}
}

/* The one with this name before `end`, or NULL. */
static struct config_key *find_key(const struct config *config, const char *name, size_t end)
{
	REQUIRE(end == 0 || config->auth.keys);
	for (size_t i = 0; i < end; i++)
		if (config->auth.keys[i].name && strcmp(config->auth.keys[i].name, name) == 0)
			return &config->auth.keys[i];
	return NULL;
}

static void check_key_name(struct config_loading *loading, struct config_place place,
	const char *shown_key, const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(name, quoted);
	if (strlen(name) > 64 || !*name || name[strspn(name, allowed)])
		config_fault(loading, place, shown_key, "%s must be 1 to 64 of A-Z a-z 0-9 . _ -",
			quoted);
	else if (strcmp(name, "anonymous") == 0)
		config_fault(loading, place, shown_key,
			"\"anonymous\" is the caller without a key; take another name");
}

/* Where the entry's member stands; the entry itself where it is missing. */
static struct config_place place_of(const struct config_node *entry, const char *member)
{
	for (const struct config_node *node = entry->first; node; node = node->next)
		if (strcmp(node->key, member) == 0)
			return config_fault_in_file(node->line);
	return config_fault_in_file(entry->line);
}

static void read_key(
	struct config_loading *loading, const struct config_node *node, const char *shown_key)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t faults_before = loading->fault_count;
	struct config_key *key;
	char prefix[CONFIG_KEY_SIZE], name[CONFIG_KEY_SIZE];

	config_fault_key(prefix, sizeof prefix, "%s.", shown_key);
	config_fault_key(name, sizeof name, "%s.name", shown_key);
	if (!config_read_is_map(loading, node, shown_key))
		return;
	key = add_key(loading);
	if (!key)
		return;
	config_read_map(loading, node, keys_scope, prefix, key);
	if (key->name) {
		check_key_name(loading, place_of(node, "name"), name, key->name);
		if (find_key(loading->config, key->name, loading->config->auth.key_count - 1))
			config_fault(
				loading, place_of(node, "name"), name, "another key has this name");
	} else if (loading->fault_count == faults_before) {
		config_fault(loading, place, name, "is missing");
	}
	if (loading->fault_count == faults_before && key->sha256_count == 0)
		config_fault(loading, place, shown_key,
			"has no sha256; `batchgate key` makes a key and shows it");
}

void config_entry_keys(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key)
{
	size_t i = 0;

	if (!config_read_is_list(loading, list, key))
		return;
	if (list->count > CONFIG_ENTRIES_MAX) {
		config_fault(loading, config_fault_in_file(list->line), key,
			"too many; %d are allowed", CONFIG_ENTRIES_MAX);
		return;
	}
	loading->origins[setting - setting_table] = config_fault_in_file(list->line);
	for (const struct config_node *node = list->first; node; node = node->next, i++) {
		char shown[CONFIG_KEY_SIZE];

		config_fault_key(shown, sizeof shown, "%s[%zu]", key, i);
		read_key(loading, node, shown);
	}
}

/* One `name:hex`; cuts `text`. */
static void add_key_of_text(
	struct config_loading *loading, struct config_place place, const char *path, char *text)
{
	char *colon = strchr(text, ':');
	struct config_key *key;

	if (!colon) {
		config_fault(loading, place, path,
			"must be name:hex,name:hex; `batchgate key` prints one to paste");
		return;
	}
	*colon = '\0';
	check_key_name(loading, place, path, text);
	key = find_key(loading->config, text, loading->config->auth.key_count);
	if (!key && loading->config->auth.key_count == CONFIG_ENTRIES_MAX) {
		config_fault(loading, place, path, "too many; %d are allowed", CONFIG_ENTRIES_MAX);
		return;
	}
	if (!key) {
		key = add_key(loading);
		if (!key)
			return;
		key->name = mem_copy(text, strlen(text));
		if (!key->name)
			config_fault_no_memory(loading);
	}
	add_hash(loading, place, path, colon + 1, key);
}

void config_entry_keys_of_text(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *text)
{
	char *copy = mem_copy(text, strlen(text)), *rest = copy, *part;

	free_keys(loading->config);
	loading->origins[setting - setting_table] = place;
	if (!copy)
		config_fault_no_memory(loading);
	while (copy && *copy && (part = strsep(&rest, ","))) {
		part += strspn(part, " \t\r\n");
		part[strcspn(part, " \t\r\n")] = '\0';
		if (*part) /* a comma at the end is no key */
			add_key_of_text(loading, place, setting->path, part);
	}
	mem_free(copy);
}

/* Host names as patterns have them: labels of letters, digits, - and _. */
static bool is_host(const char *host, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || host[i] == '.') {
			if (label == 0 || label > 63)
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)host[i]) && host[i] != '-' && host[i] != '_')
			return false;
		label++;
	}
	return true;
}

static bool is_port(const char *text)
{
	uint64_t port = 0;

	if (*text == '0')
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || c - text >= 5)
			return false;
		port = port * 10 + (uint64_t)(*c - '0');
	}
	return port >= 1 && port <= 65535;
}

static bool is_bracketed(const char *text, size_t len)
{
	char inside[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len < 4 || text[0] != '[' || text[len - 1] != ']' || len - 2 >= sizeof inside)
		return false;
	memcpy(inside, text + 1, len - 2);
	inside[len - 2] = '\0';
	return inet_pton(AF_INET6, inside, &address) == 1;
}

static bool is_pattern(const char *match)
{
	const char *close = strrchr(match, ']'), *colon = strchr(close ? close : match, ':');
	size_t len = colon ? (size_t)(colon - match) : strlen(match);

	if (colon && !is_port(colon + 1))
		return false;
	if (len == 1 && *match == '*')
		return true;
	if (len > 2 && match[0] == '*' && match[1] == '.')
		return is_host(match + 2, len - 2);
	return is_bracketed(match, len) || is_host(match, len);
}

static void check_match(
	struct config_loading *loading, struct config_place place, const char *key, char *match)
{
	char quoted[CONFIG_QUOTE_SIZE];

	for (char *c = match; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	config_fault_quote(match, quoted);
	if (!is_pattern(match)) {
		config_fault(loading, place, key,
			"%s is no pattern; write a host, *.suffix or *, each with or without "
			":port, IPv6 as [::1]",
			quoted);
		return;
	}
	for (size_t i = 0; i + 1 < loading->config->upstream_count; i++) {
		const char *before = loading->config->upstreams[i].match;

		if (before && strcmp(before, match) == 0)
			config_fault(loading, place, key,
				"%s stands there twice; the first is taken", quoted);
		else if (before && strcmp(before, "*") == 0)
			config_fault(loading, place, key,
				"%s is never reached: \"*\" stands before it", quoted);
	}
}

static void read_upstream(
	struct config_loading *loading, const struct config_node *node, const char *shown)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t faults_before = loading->fault_count;
	struct config_upstream *upstream;
	char prefix[CONFIG_KEY_SIZE], match[CONFIG_KEY_SIZE];

	config_fault_key(prefix, sizeof prefix, "%s.", shown);
	config_fault_key(match, sizeof match, "%s.match", shown);
	if (!config_read_is_map(loading, node, shown))
		return;
	upstream = add_upstream(loading);
	if (!upstream)
		return;
	config_read_map(loading, node, upstreams_scope, prefix, upstream);
	if (upstream->match)
		check_match(loading, place_of(node, "match"), match, upstream->match);
	else if (loading->fault_count == faults_before)
		config_fault(loading, place, match, "is missing");
}

void config_entry_upstreams(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key)
{
	size_t i = 0;

	if (!config_read_is_list(loading, list, key))
		return;
	if (list->count > CONFIG_ENTRIES_MAX) {
		config_fault(loading, config_fault_in_file(list->line), key,
			"too many; %d are allowed", CONFIG_ENTRIES_MAX);
		return;
	}
	loading->origins[setting - setting_table] = config_fault_in_file(list->line);
	for (const struct config_node *node = list->first; node; node = node->next, i++) {
		char shown[CONFIG_KEY_SIZE];

		config_fault_key(shown, sizeof shown, "%s[%zu]", key, i);
		read_upstream(loading, node, shown);
	}
}

void config_entry_breaker(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t faults_before = loading->fault_count;
	char prefix[CONFIG_KEY_SIZE];

	config_fault_key(prefix, sizeof prefix, "%s.", key);
	if (node->kind == CONFIG_SCALAR && strcmp(node->text, "off") == 0)
		return;
	if (node->kind != CONFIG_MAP) {
		config_fault(loading, place, key,
			"must be off or a mapping, such as {failures: 5, open: 30s, max_open: 5m}");
		return;
	}
	config_read_map(loading, node, "upstreams[].breaker.", prefix, NULL);
	if (loading->fault_count == faults_before)
		config_kept_fault_later(loading, place, setting, key);
}

void config_entry_last_upstream(struct config_loading *loading)
{
	struct config_upstream *last;

	for (size_t i = 0; i < loading->config->upstream_count; i++)
		if (loading->config->upstreams[i].match &&
			strcmp(loading->config->upstreams[i].match, "*") == 0)
			return;
	last = add_upstream(loading);
	if (!last)
		return;
	loading->config->upstream_implied = true;
	last->match = mem_copy("*", 1);
	if (!last->match)
		config_fault_no_memory(loading);
}
