/* config_key.c - auth.keys: who may call, by the SHA-256 of a key. */
#include "common/config_key.h"

#include <string.h>

#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_list.h"
#include "common/config_read.h"
#include "common/hex.h"
#include "common/mem.h"
#include "common/name.h"

static const char scope[] = "auth.keys[].";

void config_key_free(struct config *config)
{
	for (size_t i = 0; i < config->auth.key_count; i++) {
		mem_free(config->auth.keys[i].sha256);
		config_kept_clear(scope, &config->auth.keys[i]);
	}
	mem_free(config->auth.keys);
	config->auth.keys = NULL;
	config->auth.key_count = 0;
}

/* The next one, with its defaults; NULL without memory. */
static struct config_key *add_key(struct config_loading *loading)
{
	struct config *config = loading->config;
	struct config_key *grown =
		config_list_grow(loading, config->auth.keys, config->auth.key_count, sizeof *grown);

	if (!grown)
		return NULL;
	config->auth.keys = grown;
	grown += config->auth.key_count++;
	config_kept_defaults(loading, scope, grown);
	return grown;
}

static bool read_hash(const char *text, uint8_t ret_hash[32])
{
	if (strlen(text) != 64 || strspn(text, "0") == 64)
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
			"is %s; `batchgate key --hash` reads a key and prints its SHA-256",
			strspn(text, "0") == 64 ? "a placeholder" : "not 64 hex digits");
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
	grown = config_list_grow(loading, key->sha256, key->sha256_count, sizeof *grown);
	if (!grown)
		return;
	memcpy(grown[key->sha256_count], hash, sizeof hash);
	key->sha256 = grown;
	key->sha256_count++;
}

void config_key_read_hashes(struct config_loading *loading, const struct config_node *list,
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
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(name, quoted);
	if (!name_valid(name))
		config_fault(loading, place, shown_key, "%s must be " NAME_FORM, quoted);
	else if (strcmp(name, "anonymous") == 0)
		config_fault(loading, place, shown_key,
			"\"anonymous\" is the caller without a key; take another name");
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
	config_read_map(loading, node, scope, prefix, key);
	if (key->name) {
		check_key_name(loading, config_node_place(node, "name"), name, key->name);
		if (find_key(loading->config, key->name, loading->config->auth.key_count - 1))
			config_fault(loading, config_node_place(node, "name"), name,
				"another key has this name");
	} else if (loading->fault_count == faults_before) {
		config_fault(loading, place, name, "is missing");
	}
	if (loading->fault_count == faults_before && key->sha256_count == 0)
		config_fault(loading, place, shown_key,
			"has no sha256; `batchgate key` makes a key and shows it");
}

void config_key_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key)
{
	config_list_read(loading, list, setting, key, read_key);
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

void config_key_read_text(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *text)
{
	char *copy = mem_copy(text, strlen(text)), *rest = copy, *part;

	config_key_free(loading->config);
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
