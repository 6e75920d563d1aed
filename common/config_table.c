/* config_table.c - settings.def as a table: looking settings up, and their names in environment and
 * flags. */
#include "common/config_table.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"

const struct setting setting_table[CONFIG_SETTING_COUNT] = {
#define SETTING(path, owner, member, type, fallback, min, max, later, help) \
	{path, SETTING_##type, offsetof(struct owner, member),              \
		sizeof(((struct owner *)0)->member), fallback, min, max, later, help},
#define UNKEPT(path, type, fallback, min, max, later, help) \
	{path, SETTING_##type, 0, 0, fallback, min, max, later, help},
#include "common/settings.def"
#undef SETTING
#undef UNKEPT
};

/* What follows `scope` in a path, or NULL where the path is not in it. */
static const char *rest_of(const char *path, const char *scope)
{
	size_t len = strlen(scope);

	return strncmp(path, scope, len) == 0 ? path + len : NULL;
}

/* Names are of a-z, 0-9 and _ only, so that a path written as a key is no short cut. */
static bool is_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

const struct setting *config_table_find(const char *scope, const char *name)
{
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *rest = rest_of(setting_table[i].path, scope);

		if (rest && strcmp(rest, name) == 0 && (!*scope || is_name(name)))
			return &setting_table[i];
	}
	return NULL;
}

static bool same_words(const char *a, const char *b)
{
	while (*a && (*a == *b || (strchr("-_", *a) && *b && strchr("-_", *b)))) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct setting *config_table_leaf(const char *name)
{
	const struct setting *found = NULL;

	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *dot = strrchr(setting_table[i].path, '.');

		if (!dot || setting_table[i].later || !config_table_is_single(&setting_table[i]) ||
			!same_words(dot + 1, name))
			continue;
		if (found)
			return NULL;
		found = &setting_table[i];
	}
	return found;
}

bool config_table_is_section(const char *scope, const char *name)
{
	size_t len = strlen(name);

	if (!is_name(name) || config_table_find(scope, name))
		return false;
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *rest = rest_of(setting_table[i].path, scope);

		if (rest && strncmp(rest, name, len) == 0 && rest[len] == '.')
			return true;
	}
	return false;
}

bool config_table_is_single(const struct setting *setting)
{
	return !strchr(setting->path, '[') && !strchr(setting->path, '*');
}

bool config_table_has_line_form(const struct setting *setting)
{
	return config_table_is_single(setting) &&
	       (setting->type <= SETTING_PORTS || setting->type == SETTING_KEYS);
}

bool config_table_is_list(const struct setting *setting)
{
	return setting->type == SETTING_STRINGS || setting->type == SETTING_PORTS;
}

bool config_table_names(const void *scope, size_t i, char ret[CONFIG_NAME_SIZE])
{
	const char *rest;

	if (i >= CONFIG_SETTING_COUNT)
		return false;
	rest = rest_of(setting_table[i].path, scope);
	snprintf(ret, CONFIG_NAME_SIZE, "%.*s", rest ? (int)strcspn(rest, ".[") : 0,
		rest ? rest : "");
	return true;
}

bool config_table_env_names(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE])
{
	(void)unused;
	if (i >= CONFIG_SETTING_COUNT)
		return false;
	ret[0] = '\0';
	if (config_table_has_line_form(&setting_table[i]))
		config_table_env_name(&setting_table[i], ret);
	return true;
}

bool config_table_flag_names(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE])
{
	(void)unused;
	if (i >= CONFIG_SETTING_COUNT)
		return false;
	ret[0] = '\0';
	if (config_table_has_line_form(&setting_table[i]))
		config_table_flag_name(&setting_table[i], ret);
	return true;
}

void config_table_env_name(const struct setting *setting, char ret[CONFIG_NAME_SIZE])
{
	snprintf(ret, CONFIG_NAME_SIZE, "BATCHGATE_%s", setting->path);
	for (char *c = ret; *c; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

void config_table_flag_name(const struct setting *setting, char ret[CONFIG_NAME_SIZE])
{
	snprintf(ret, CONFIG_NAME_SIZE, "--%s", setting->path);
	for (char *c = ret; *c; c++)
		if (*c == '.' || *c == '_')
			*c = '-';
}

bool config_table_is_member(const struct setting *setting, const char *scope)
{
	const char *rest = rest_of(setting->path, scope);

	return rest && (!*scope ? config_table_is_single(setting) : is_name(rest));
}
