/* config_table.h - settings.def as a table: looking settings up, and their names in environment and
 * flags.
 *
 * Internal to config*.c and --help. A `scope` is the part of a path before a setting's own name:
 * "", "server.", "upstreams[]."; `base` is the struct that keeps the scope's values. */
#ifndef COMMON_CONFIG_TABLE_H
#define COMMON_CONFIG_TABLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* name, what --help calls it; the first group is numbers, the next choices, then texts, lists, and
 * what config_key, config_upstream and config_endpoint read */
#define SETTING_TYPES(X)                                            \
	X(COUNT, "number")                                          \
	X(SIZE, "size")                                             \
	X(TIME, "time")                                             \
	X(RATE, "rate")                                             \
	X(PERCENT, "percent")                                       \
	X(BOOL, "true|false")                                       \
	X(LEVEL, "debug|info|warn|error|off")                       \
	X(FORMAT, "json|text")                                      \
	X(HARDENING, "auto|on|off")                                 \
	X(HTTP2, "auto|off|h2c")                                    \
	X(METHOD, "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS")         \
	X(PARAM_TYPE, "string|integer|number|boolean|array|object") \
	X(TEXT, "text")                                             \
	X(URL, "text")                                              \
	X(STORE, "text|off")                                        \
	X(SECRET, "secret")                                         \
	X(PROSE, "text")                                            \
	X(PROGRAM, "jq")                                            \
	X(STRINGS, "list")                                          \
	X(PORTS, "list of numbers")                                 \
	X(HASHES, "list")                                           \
	X(KEYS, "list of keys")                                     \
	X(UPSTREAMS, "list of rules")                               \
	X(BREAKER, "off|mapping")                                   \
	X(HEADERS, "mapping")                                       \
	X(QUERY, "mapping")                                         \
	X(PARAMS, "mapping")                                        \
	X(ENDPOINTS, "mapping")                                     \
	X(ANY, "any")

enum setting_type {
#define X(name, text) SETTING_##name,
	SETTING_TYPES(X)
#undef X
};

enum { CONFIG_NAME_SIZE = 80 };

struct setting {
	const char *path;
	enum setting_type type;
	size_t offset, width; /* of the member in its struct; width 0: not kept */
	/* The default, as one would write it; lists with commas; NULL: none. */
	const char *fallback;
	uint64_t min, max;
	const char *later; /* NULL, or why only the default is taken */
	const char *help;
};

#define SETTING(path, owner, member, type, fallback, min, max, later, help) +1
#define UNKEPT(path, type, fallback, min, max, later, help) +1
enum {
	CONFIG_SETTING_COUNT = 0
#include "common/settings.def"
};
#undef SETTING
#undef UNKEPT
extern const struct setting setting_table[CONFIG_SETTING_COUNT];

const struct setting *config_table_find(const char *scope, const char *name); /* or NULL */
/* The one setting with this name of its own, wherever it stands, - and _ alike, of those that can
 * be set; NULL: none or more. */
const struct setting *config_table_leaf(const char *name);
/* Has settings below it and is none. */
bool config_table_is_section(const char *scope, const char *name);
/* Not of an entry: stands in struct config itself. */
bool config_table_is_single(const struct setting *setting);
/* Single, and no mapping or list of mappings: the environment and flags may set it. */
bool config_table_has_line_form(const struct setting *setting);
bool config_table_is_list(const struct setting *setting); /* of strings or numbers */
/* Names a hint may be taken from: the i-th, "" where it is none of them; false past the last. */
typedef bool config_name_fn(const void *from, size_t i, char ret[CONFIG_NAME_SIZE]);
/* `scope` is a const char *. */
bool config_table_names(const void *scope, size_t i, char ret[CONFIG_NAME_SIZE]);
bool config_table_env_names(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE]);
bool config_table_flag_names(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE]);
/* BATCHGATE_A_B and --a-b. */
void config_table_env_name(const struct setting *setting, char ret[CONFIG_NAME_SIZE]);
void config_table_flag_name(const struct setting *setting, char ret[CONFIG_NAME_SIZE]);
/* Stands directly in the scope; "" has the settings of struct config, sections included. */
bool config_table_is_member(const struct setting *setting, const char *scope);
#endif
