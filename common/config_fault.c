/* config_fault.c - one load of the configuration while it runs: what it makes, where each value
 * came from, what is wrong. */
#include "common/config_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/likeness.h"
#include "common/utf8.h"

enum { LINE_SIZE = CONFIG_PLACE_SIZE };

static void add_line(struct config_loading *loading, const char *line)
{
	loading->fault_count++;
	if (loading->fault_count == CONFIG_FAULTS_MAX + 1)
		buf_adds(loading->faults, "… and more\n");
	if (loading->fault_count > CONFIG_FAULTS_MAX)
		return;
	buf_addf(loading->faults, "%s\n", line);
}

void config_fault_line(struct config_loading *loading, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	add_line(loading, line);
}

/* Where it is, and the key: what a line about it begins with. */
static size_t write_place(const struct config_loading *loading, struct config_place place,
	const char *key, char line[LINE_SIZE])
{
	char name[CONFIG_NAME_SIZE];
	int len = 0;

	switch (place.kind) {
	case CONFIG_FROM_DEFAULT:
		len = snprintf(line, LINE_SIZE, "%s", key);
		break;
	case CONFIG_FROM_FILE:
		len = snprintf(line, LINE_SIZE, "%.400s:%zu: %s", loading->file, place.line, key);
		break;
	case CONFIG_FROM_ENV:
		config_table_env_name(place.setting, name);
		len = snprintf(line, LINE_SIZE, "environment: %s: %s", name, key);
		break;
	case CONFIG_FROM_FLAG:
		config_table_flag_name(place.setting, name);
		len = snprintf(line, LINE_SIZE, "%s", name);
		break;
	}
	REQUIRE(len > 0 && len < LINE_SIZE - 2);
	return (size_t)len;
}

PRINTF_LIKE(5, 0)
static void write_line(const struct config_loading *loading, struct config_place place,
	const char *key, char line[LINE_SIZE], const char *fmt, va_list args)
{
	size_t len = write_place(loading, place, key, line);

	line[len++] = ':';
	line[len++] = ' ';
	vsnprintf(line + len, LINE_SIZE - len, fmt, args);
}

void config_fault(struct config_loading *loading, struct config_place place, const char *key,
	const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, fmt);
	write_line(loading, place, key, line, fmt, args);
	va_end(args);
	add_line(loading, line);
}

void config_fault_place(
	const struct config_loading *loading, const char *path, char ret[CONFIG_PLACE_SIZE])
{
	write_place(loading, config_fault_origin(loading, path), path, ret);
}

void config_fault_warn(struct config_loading *loading, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	buf_addf(loading->warnings, "%s\n", line);
}

void config_fault_warn_at(struct config_loading *loading, struct config_place place,
	const char *key, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, fmt);
	write_line(loading, place, key, line, fmt, args);
	va_end(args);
	buf_addf(loading->warnings, "%s\n", line);
}

void config_fault_no_memory(struct config_loading *loading)
{
	loading->no_memory = true;
}

bool config_fault_any(const struct config_loading *loading)
{
	return loading->no_memory || loading->fault_count > 0;
}

struct config_place config_fault_in_file(size_t line)
{
	return (struct config_place){CONFIG_FROM_FILE, line, NULL};
}

struct config_place config_fault_origin(const struct config_loading *loading, const char *path)
{
	const struct setting *setting = config_table_find("", path);

	REQUIRE(setting != NULL);
	return loading->origins[setting - setting_table];
}

void config_fault_key(char *ret, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ret, size, fmt, args);
	va_end(args);
}

const char *config_fault_quote(const char *text, char ret[CONFIG_QUOTE_SIZE])
{
	enum { SHOWN = CONFIG_QUOTE_SIZE - 8 };
	size_t len = strlen(text), out = 0, i = 0;

	ret[out++] = '"';
	while (i < len && out + 4 < SHOWN) {
		unsigned char c = (unsigned char)text[i];
		size_t n = utf8_char(text + i, len - i);
		bool plain = n > 0 && c >= ' ' && c != 0x7F &&
			     !(c == 0xC2 && (unsigned char)text[i + 1] < 0xA0);

		if (plain)
			memcpy(ret + out, text + i, n);
		else
			ret[out] = '?';
		out += plain ? n : 1;
		i += n ? n : 1;
	}
	snprintf(ret + out, CONFIG_QUOTE_SIZE - out, "%s", i < len ? "…\"" : "\"");
	return ret;
}

const char *config_fault_hint(
	const char *name, config_name_fn *next, const void *from, char ret[CONFIG_QUOTE_SIZE])
{
	size_t best = strlen(name) / 3 + 2; /* further away is no help */
	char candidate[CONFIG_NAME_SIZE];

	ret[0] = '\0';
	for (size_t i = 0; next(from, i, candidate); i++) {
		size_t far = likeness_distance(name, candidate);

		if (far >= best || far >= strlen(candidate))
			continue;
		best = far;
		snprintf(ret, CONFIG_QUOTE_SIZE, "; did you mean %s?", candidate);
	}
	return ret;
}

const char *config_fault_hint_flag(
	const char *name, config_name_fn *next, const void *from, char ret[CONFIG_QUOTE_SIZE])
{
	const struct setting *leaf =
		strncmp(name, "--", 2) == 0 ? config_table_leaf(name + 2) : NULL;
	char flag[CONFIG_NAME_SIZE];

	if (!leaf || !config_table_has_line_form(leaf))
		return config_fault_hint(name, next, from, ret);
	config_table_flag_name(leaf, flag);
	snprintf(ret, CONFIG_QUOTE_SIZE, "; did you mean %s?", flag);
	return ret;
}

const char *config_fault_hint_file(const char *argument, char ret[CONFIG_QUOTE_SIZE])
{
	const char *dot = strrchr(argument, '.');
	char quoted[CONFIG_QUOTE_SIZE];

	ret[0] = '\0';
	if (*argument == '-' || !dot || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0) ||
		strlen(argument) > CONFIG_NAME_SIZE)
		return ret;
	config_fault_quote(argument, quoted);
	snprintf(ret, CONFIG_QUOTE_SIZE, "; did you mean --config %.*s?", (int)strlen(quoted) - 2,
		quoted + 1);
	return ret;
}
