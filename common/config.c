/* config.c - every setting: file (YAML), environment, flags; checked, immutable, shared by count.
 *
 * A load goes defaults, file, environment, flags - each overwrites what is there - then what holds
 * between settings. ARCHITECTURE.md says which config_*.c does which part of it. */
#include "common/config.h"

#include <stdio.h>
#include <string.h>

#include "common/cgroup.h"
#include "common/config_check.h"
#include "common/config_endpoint.h"
#include "common/config_expand.h"
#include "common/config_fault.h"
#include "common/config_kept.h"
#include "common/config_key.h"
#include "common/config_node.h"
#include "common/config_print.h"
#include "common/config_read.h"
#include "common/config_source.h"
#include "common/config_upstream.h"
#include "common/mem.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

static enum err_code start(struct config_loading *loading)
{
	loading->config = mem_try(sizeof *loading->config);
	if (!loading->config)
		return ERR_NOMEM;
	atomic_init(&loading->config->refs, 1);
	config_kept_defaults(loading, "", loading->config);
	return ERR_OK;
}

static void read_text(struct config_loading *loading, const char *text, size_t len)
{
	struct config_node *root = config_node_parse(loading, text, len);

	if (root && root->kind != CONFIG_MAP && !config_node_is_null(root))
		config_fault_line(loading,
			"%s:%zu: the file must be a mapping, such as server: {port: 8080}",
			loading->file, root->line);
	else if (root)
		config_read_map(loading, root, "", "", loading->config);
	config_node_free(root);
}

static void read_file(struct config_loading *loading, const char *path)
{
	struct buf text;
	struct err err;
	enum err_code code;

	buf_init(&text, FILE_MAX_BYTES);
	loading->config->path = mem_copy(path, strlen(path));
	code = config_expand_read(path, &text, &err);
	if (code == ERR_NOMEM || !loading->config->path)
		config_fault_no_memory(loading);
	else if (code != ERR_OK)
		config_fault_line(loading, "%s: %s", path, err.detail);
	loading->unread = code != ERR_OK;
	if (code == ERR_OK && !loading->no_memory)
		read_text(loading, text.ptr ? text.ptr : "", text.len);
	if (text.ptr)
		mem_wipe(text.ptr, text.len);
	buf_free(&text);
}

static char *place_of(struct config_loading *loading, const char *path)
{
	char place[CONFIG_PLACE_SIZE], *copy;

	config_fault_place(loading, path, place);
	copy = mem_copy(place, strlen(place));
	if (!copy)
		config_fault_no_memory(loading);
	return copy;
}

/* For who judges later what this folder cannot. */
static void note_places(struct config_loading *loading)
{
	loading->config->targets.allow_place = place_of(loading, "targets.allow");
	loading->config->targets.deny_place = place_of(loading, "targets.deny");
}

static void note_given(struct config_loading *loading)
{
	bool *given = mem_try(CONFIG_SETTING_COUNT * sizeof *given);

	if (!given)
		config_fault_no_memory(loading);
	for (size_t i = 0; given && i < CONFIG_SETTING_COUNT; i++)
		given[i] = loading->origins[i].kind != CONFIG_FROM_DEFAULT;
	loading->config->given = given;
}

/* Takes what was loaded: gives it away, or releases it where anything is wrong. */
static enum err_code finish(
	struct config_loading *loading, size_t machine_memory, struct config **ret_config)
{
	if (!loading->no_memory && !loading->unread) {
		config_check_fit(loading, machine_memory);
		config_check(loading);
		config_endpoint_finish(loading);
	}
	config_upstream_add_last(loading);
	note_places(loading);
	note_given(loading);
	if (!config_fault_any(loading)) {
		*ret_config = loading->config;
		return ERR_OK;
	}
	config_unref(loading->config);
	return loading->no_memory ? ERR_NOMEM : ERR_INVALID;
}

static enum err_code load(
	struct config_loading *loading, int argc, char *const *argv, struct config **ret_config)
{
	const char *file = config_source_file(loading, argc, argv);
	enum err_code code = start(loading);

	if (code != ERR_OK)
		return code;
	loading->file = file;
	if (file)
		read_file(loading, file);
	config_source_env(loading);
	config_source_flags(loading, argc, argv);
	return finish(loading, cgroup_memory_limit(""), ret_config);
}

enum err_code config_load(int argc, char *const *argv, char *const *env, struct config **ret_config,
	struct buf *warnings, struct buf *faults)
{
	struct config_loading loading = {.env = env, .warnings = warnings, .faults = faults};

	return load(&loading, argc, argv, ret_config);
}

enum err_code config_load_address(int argc, char *const *argv, char *const *env,
	struct config **ret_config, struct buf *warnings, struct buf *faults)
{
	struct config_loading loading = {
		.env = env, .address_only = true, .warnings = warnings, .faults = faults};

	return load(&loading, argc, argv, ret_config);
}

enum err_code config_parse_text(const char *name, const char *text, size_t len, char *const *env,
	struct config **ret_config, struct buf *warnings, struct buf *faults)
{
	struct config_loading loading = {
		.file = name, .env = env, .offline = true, .warnings = warnings, .faults = faults};
	enum err_code code = start(&loading);

	if (code != ERR_OK)
		return code;
	read_text(&loading, text, len);
	config_source_env(&loading);
	return finish(&loading, 0, ret_config);
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void config_unref(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->refs, 1) != 1)
		return;
	config_key_free(config);
	config_upstream_free(config);
	config_endpoint_free(config);
	config_kept_clear("", config);
	mem_free(config->targets.allow_place);
	mem_free(config->targets.deny_place);
	mem_free(config->given);
	mem_free(config->path);
	mem_free(config);
}

bool config_is_given(const struct config *config, const char *path)
{
	const struct setting *setting = config_table_find("", path);

	REQUIRE(setting != NULL);
	return config->given && config->given[setting - setting_table];
}

void config_print(const struct config *config, struct buf *out)
{
	config_print_yaml(config, out);
}

void config_help(struct buf *out)
{
	config_print_help(out);
}

const struct config_endpoint *config_endpoint_of(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->endpoint_count; i++)
		if (strcmp(config->endpoints[i].name, name) == 0)
			return &config->endpoints[i];
	return NULL;
}
