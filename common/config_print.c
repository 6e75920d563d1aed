/* config_print.c - the settings as YAML and as the text of --help; both come of the table of
 * settings. */
#include "common/config_print.h"

#include <stdio.h>
#include <string.h>

#include "common/config_kept.h"
#include "common/config_show.h"
#include "common/config_table.h"
#include "common/config_value.h"
#include "common/digest.h"

/* The members of an entry that are kept, one a line; the first behind "- ". */
static void print_members(const char *scope, const char *indent, const void *base, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *setting = &setting_table[i];
		size_t len = strlen(scope);

		if (!config_table_is_member(setting, scope) || setting->width == 0)
			continue;
		buf_addf(out, "%s%s%s: ", indent, first ? "- " : "  ", setting->path + len);
		config_kept_print(setting, base, out);
		buf_add_char(out, '\n');
		first = false;
	}
}

static void print_keys(const struct config *config, struct buf *out)
{
	buf_adds(out, config->auth.key_count ? "  keys:\n" : "  keys: []\n");
	for (size_t i = 0; i < config->auth.key_count; i++) {
		const struct config_key *key = &config->auth.keys[i];

		print_members("auth.keys[].", "    ", key, out);
		buf_adds(out, "      sha256: [");
		for (size_t j = 0; j < key->sha256_count; j++) {
			char hex[DIGEST_HEX_SIZE];

			digest_hex(key->sha256[j], hex);
			buf_addf(out, "%s\"%s\"", j ? ", " : "", hex);
		}
		buf_adds(out, "]\n");
	}
}

static void print_breaker(const struct config_upstream *upstream, struct buf *out)
{
	if (upstream->breaker.failures == 0) {
		buf_adds(out, "    breaker: off\n");
		return;
	}
	buf_addf(out, "    breaker: {failures: %u, open: ", upstream->breaker.failures);
	config_value_write(SETTING_TIME, upstream->breaker.open_ms, out);
	buf_adds(out, ", max_open: ");
	config_value_write(SETTING_TIME, upstream->breaker.max_open_ms, out);
	buf_adds(out, "}\n");
}

static void print_upstreams(const struct config *config, struct buf *out)
{
	buf_adds(out, config->upstream_count ? "upstreams:\n" : "upstreams: []\n");
	for (size_t i = 0; i < config->upstream_count; i++) {
		print_members("upstreams[].", "  ", &config->upstreams[i], out);
		print_breaker(&config->upstreams[i], out);
	}
}

static void print_setting(
	const struct config *config, const struct setting *setting, struct buf *out)
{
	const char *name = strrchr(setting->path, '.');

	switch (setting->type) {
	case SETTING_KEYS:
		print_keys(config, out);
		return;
	case SETTING_UPSTREAMS:
		print_upstreams(config, out);
		return;
	case SETTING_ENDPOINTS:
		config_show_endpoints(config, out);
		return;
	case SETTING_HEADERS:
		buf_addf(out, "%s%s: {}\n", name ? "  " : "", name ? name + 1 : setting->path);
		return;
	default:
		buf_addf(out, "  %s: ", name + 1);
		config_kept_print(setting, config, out);
		buf_add_char(out, '\n');
	}
}

/* True where `path` begins another section than the one before it; `len` becomes the length of its
 * name. */
static bool begins_section(const char *path, const char *before, size_t *len)
{
	*len = strcspn(path, ".[");
	return path[*len] == '.' && (!before || strncmp(before, path, *len + 1) != 0);
}

void config_print_yaml(const struct config *config, struct buf *out)
{
	const char *before = NULL;
	size_t len;

	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *setting = &setting_table[i];

		if (!config_table_is_single(setting))
			continue;
		if (begins_section(setting->path, before, &len))
			buf_addf(out, "%.*s:\n", (int)len, setting->path);
		print_setting(config, setting, out);
		before = setting->path;
	}
}

const char *config_print_type(enum setting_type type)
{
	static const char *const texts[] = {
#define X(name, text) [SETTING_##name] = text,
		SETTING_TYPES(X)
#undef X
	};

	return texts[type];
}

void config_print_range(const struct setting *setting, struct buf *out)
{
	enum setting_type type = setting->type == SETTING_PORTS ? SETTING_COUNT : setting->type;

	if (type <= SETTING_TIME) {
		config_value_write(type, setting->min, out);
		buf_adds(out, " to ");
		config_value_write(type, setting->max, out);
	} else if (setting->type == SETTING_STRINGS) {
		buf_addf(out, "each at most %llu bytes", (unsigned long long)setting->max);
	} else if (setting->type >= SETTING_TEXT && setting->type <= SETTING_PROGRAM) {
		buf_addf(out, "at most %llu bytes", (unsigned long long)setting->max);
	}
}

void config_print_help(struct buf *out)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const struct setting *setting = &setting_table[i];

		buf_addf(out, "  %s\n      %s\n      %s", setting->path, setting->help,
			config_print_type(setting->type));
		if (setting->type <= SETTING_TIME) {
			buf_add_char(out, ' ');
			config_print_range(setting, out);
		}
		if (setting->fallback && *setting->fallback)
			buf_addf(out, "; default %s", setting->fallback);
		if (setting->later)
			buf_addf(out, "; %s", setting->later);
		buf_add_char(out, '\n');
	}
}
