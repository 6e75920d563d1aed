/* config_source.c - settings that come from the environment and from flags. */
#include "common/config_source.h"

#include <stdio.h>
#include <string.h>

#include "common/config_expand.h"
#include "common/config_kept.h"
#include "common/config_key.h"
#include "common/mem.h"

static const char prefix[] = "BATCHGATE_", config_flag[] = "--config";

static void set_list(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *value)
{
	size_t parts = 1, count = 0;
	char *copy = mem_copy(value, strlen(value)), *rest = copy, *part, **texts;

	for (const char *c = value; *c; c++)
		parts += *c == ',';
	texts = mem_try(parts * sizeof *texts);
	if (!copy || !texts)
		config_fault_no_memory(loading);
	while (copy && texts && (part = strsep(&rest, ","))) {
		size_t len;

		part += strspn(part, " \t\r\n");
		for (len = strlen(part); len && strchr(" \t\r\n", part[len - 1]); len--)
			part[len - 1] = '\0';
		if (len) /* an empty value is an empty list */
			texts[count++] = part;
	}
	if (copy && texts)
		config_kept_set(loading, place, setting, setting->path, loading->config, texts,
			count, NULL);
	mem_free(texts);
	config_expand_free(copy);
}

static void set(struct config_loading *loading, enum config_place_kind kind,
	const struct setting *setting, const char *value)
{
	struct config_place place = {kind, 0, setting};
	char *text;

	if (setting->type == SETTING_KEYS) {
		config_key_read_text(loading, place, setting, value);
		return;
	}
	if (config_table_is_list(setting)) {
		set_list(loading, place, setting, value);
		return;
	}
	text = mem_copy(value, strlen(value));
	if (text)
		config_kept_set(
			loading, place, setting, setting->path, loading->config, &text, 1, NULL);
	else
		config_fault_no_memory(loading);
	config_expand_free(text);
}

/* One that stands once, whether it can be said in a line or not. */
static const struct setting *find(
	const char *name, size_t len, void (*name_of)(const struct setting *, char *))
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		char candidate[CONFIG_NAME_SIZE];

		name_of(&setting_table[i], candidate);
		if (config_table_is_single(&setting_table[i]) && strlen(candidate) == len &&
			memcmp(candidate, name, len) == 0)
			return &setting_table[i];
	}
	return NULL;
}

static void read_variable(struct config_loading *loading, const char *entry)
{
	const char *equals = strchr(entry, '=');
	size_t len = equals ? (size_t)(equals - entry) : 0;
	const struct setting *setting;
	char quoted[CONFIG_QUOTE_SIZE], name[CONFIG_QUOTE_SIZE], hint[CONFIG_QUOTE_SIZE];

	if (!equals || strncmp(entry, prefix, sizeof prefix - 1) != 0)
		return;
	snprintf(
		name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), entry);
	config_fault_quote(name, quoted); /* the name is whatever bytes somebody set */
	quoted[strlen(quoted) - 1] = '\0';
	if (strncmp(equals + 1, "tcp://", 6) == 0) {
		config_fault_warn(
			loading, "environment: %s: ignored: its value begins tcp://", quoted + 1);
		return;
	}
	if (strcmp(name, "BATCHGATE_CONFIG") == 0)
		return;
	setting = find(entry, len, config_table_env_name);
	if (loading->address_only && setting && strcmp(setting->path, "server.host") != 0 &&
		strcmp(setting->path, "server.port") != 0)
		return;
	if (setting && config_table_has_line_form(setting))
		set(loading, CONFIG_FROM_ENV, setting, equals + 1);
	else if (setting)
		config_fault_warn(loading,
			"environment: %s: ignored: it can be set in the file only", quoted + 1);
	else
		config_fault_warn(loading, "environment: %s: ignored: unknown name%s", quoted + 1,
			config_fault_hint(name, config_table_env_names, NULL, hint));
}

void config_source_env(struct config_loading *loading)
{
	for (char *const *entry = loading->env; entry && *entry; entry++)
		read_variable(loading, *entry);
}

/* One flag: `argv[i]`, and its value where that is the next argument. */
struct flag {
	const char *name;
	size_t name_len;
	const char *value; /* NULL: none */
	int used;          /* arguments taken: 1 or 2 */
};

static struct flag split(int argc, char *const *argv, int i, bool is_bool)
{
	const char *equals = strchr(argv[i], '=');
	struct flag flag = {
		argv[i], equals ? (size_t)(equals - argv[i]) : strlen(argv[i]), NULL, 1};
	const char *next = i + 1 < argc ? argv[i + 1] : NULL;
	bool next_is_bool = next && (strcmp(next, "true") == 0 || strcmp(next, "false") == 0);

	if (equals) {
		flag.value = equals + 1;
	} else if (is_bool && !next_is_bool) {
		flag.value = "true";
	} else if (next && strncmp(next, "--", 2) != 0) {
		flag.value = next;
		flag.used = 2;
	}
	return flag;
}

static bool is_config(const struct flag *flag)
{
	return flag->name_len == sizeof config_flag - 1 &&
	       memcmp(flag->name, config_flag, flag->name_len) == 0;
}

static bool flag_names(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE])
{
	if (i > 0)
		return config_table_flag_names(unused, i - 1, ret);
	snprintf(ret, CONFIG_NAME_SIZE, "%s", config_flag);
	return true;
}

static int read_flag(struct config_loading *loading, int argc, char *const *argv, int i)
{
	struct flag flag = split(argc, argv, i, false);
	const struct setting *setting = find(flag.name, flag.name_len, config_table_flag_name);
	char quoted[CONFIG_QUOTE_SIZE], hint[CONFIG_QUOTE_SIZE], name[CONFIG_QUOTE_SIZE];

	if (setting && setting->type == SETTING_BOOL)
		flag = split(argc, argv, i, true);
	snprintf(name, sizeof name, "%.*s", (int)(flag.name_len < 100 ? flag.name_len : 100),
		flag.name);
	config_fault_quote(name, quoted);
	quoted[strlen(quoted) - 1] = '\0';
	if (strncmp(argv[i], "--", 2) != 0) {
		config_fault_hint_file(argv[i], hint);
		config_fault_line(loading, "%s: an argument that is no flag%s", quoted + 1,
			*hint ? hint : "; see --help");
		return 1;
	}
	if (setting && !config_table_has_line_form(setting)) {
		config_fault_line(loading, "%s: can be set in the file only", quoted + 1);
		return 1;
	}
	if (!setting && !is_config(&flag)) {
		config_fault_line(loading, "%s: unknown flag%s", quoted + 1,
			config_fault_hint_flag(name, flag_names, NULL, hint));
		return 1;
	}
	if (!flag.value)
		config_fault_line(loading, "%s: needs a value: %s=VALUE", quoted + 1, quoted + 1);
	else if (setting)
		set(loading, CONFIG_FROM_FLAG, setting, flag.value);
	return flag.used;
}

void config_source_flags(struct config_loading *loading, int argc, char *const *argv)
{
	for (int i = 0; i < argc;)
		i += read_flag(loading, argc, argv, i);
}

const char *config_source_file(struct config_loading *loading, int argc, char *const *argv)
{
	const char *file = config_expand_env(loading, "BATCHGATE_CONFIG", 16);

	if (file && (!*file || strncmp(file, "tcp://", 6) == 0))
		file = NULL;
	for (int i = 0; i < argc;) {
		struct flag flag = split(argc, argv, i, false);
		const struct setting *setting =
			find(flag.name, flag.name_len, config_table_flag_name);

		if (setting && setting->type == SETTING_BOOL)
			flag = split(argc, argv, i, true);
		if (is_config(&flag) && flag.value)
			file = flag.value;
		i += setting || is_config(&flag) ? flag.used : 1;
	}
	return file;
}
