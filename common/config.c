/* config.c - every setting: file (YAML), environment, flags; checked, immutable, shared by count.
 *
 * A load goes defaults, file, environment, flags - each overwrites what is there - then what holds
 * between settings. Its parts: config_node (YAML -> tree), config_expand (${NAME}), config_value
 * (words), config_table (settings.def), config_read, config_entry, config_endpoint, config_param
 * (tree -> settings), config_secret (what must not be shown), config_source (environment, flags),
 * config_check, config_print, config_show, config_write; config_fault is what they share. */
#include "common/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/cgroup.h"
#include "common/config_check.h"
#include "common/config_endpoint.h"
#include "common/config_entry.h"
#include "common/config_expand.h"
#include "common/config_fault.h"
#include "common/config_kept.h"
#include "common/config_node.h"
#include "common/config_print.h"
#include "common/config_read.h"
#include "common/config_source.h"
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
	config_entry_last_upstream(loading);
	note_places(loading);
	note_given(loading);
	if (!config_fault_any(loading)) {
		*ret_config = loading->config;
		return ERR_OK;
	}
	config_unref(loading->config);
	return loading->no_memory ? ERR_NOMEM : ERR_INVALID;
}

enum err_code config_load(int argc, char *const *argv, char *const *env, struct config **ret_config,
	struct buf *warnings, struct buf *faults)
{
	struct config_loading loading = {.env = env, .warnings = warnings, .faults = faults};
	const char *file = config_source_file(&loading, argc, argv);
	enum err_code code = start(&loading);

	if (code != ERR_OK)
		return code;
	loading.file = file;
	if (file)
		read_file(&loading, file);
	config_source_env(&loading);
	config_source_flags(&loading, argc, argv);
	return finish(&loading, cgroup_memory_limit(""), ret_config);
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
	config_entry_free(config);
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

/* The port a pattern names, or 0; `ret_len` is the length of what stands before it. */
static uint16_t port_of(const char *match, size_t *ret_len)
{
	const char *close = strrchr(match, ']'), *colon = strchr(close ? close : match, ':');
	unsigned port = 0;

	*ret_len = colon ? (size_t)(colon - match) : strlen(match);
	for (const char *c = colon ? colon + 1 : ""; *c; c++)
		port = port * 10 + (unsigned)(*c - '0');
	return (uint16_t)port;
}

static bool is_same_address(const char *bracketed, size_t len, const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a, b;

	if (len < 2 || len - 2 >= sizeof text)
		return false;
	memcpy(text, bracketed + 1, len - 2);
	text[len - 2] = '\0';
	return inet_pton(AF_INET6, text, &a) == 1 && inet_pton(AF_INET6, host, &b) == 1 &&
	       memcmp(&a, &b, sizeof a) == 0;
}

static bool matches(const char *match, const char *host, uint16_t port)
{
	size_t len, host_len = strlen(host);
	uint16_t wanted = port_of(match, &len);

	if (wanted && wanted != port)
		return false;
	if (match[0] == '[')
		return is_same_address(match, len, host);
	if (match[0] != '*')
		return len == host_len && strncasecmp(match, host, len) == 0;
	if (len == 1)
		return true;
	/* "*.example.com": whatever ends so, and has something in front */
	return host_len > len - 1 &&
	       strncasecmp(host + host_len - (len - 1), match + 1, len - 1) == 0;
}

const struct config_upstream *config_upstream_of(
	const struct config *config, const char *host, uint16_t port)
{
	size_t last = config->upstream_count - 1; /* it is "*" */

	for (size_t i = 0; i < last; i++)
		if (matches(config->upstreams[i].match, host, port))
			return &config->upstreams[i];
	return &config->upstreams[last];
}

const struct config_endpoint *config_endpoint_of(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->endpoint_count; i++)
		if (strcmp(config->endpoints[i].name, name) == 0)
			return &config->endpoints[i];
	return NULL;
}
