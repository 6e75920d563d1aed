/* config_fault.h - one load of the configuration while it runs: what it makes, where each value
 * came from, what is wrong.
 *
 * Internal to config*.c. One thread. Faults are collected, a line each, and never stop the reading:
 * a person wants to see all of them at once. Values in them are quoted and cut; secrets are not
 * shown. */
#ifndef COMMON_CONFIG_FAULT_H
#define COMMON_CONFIG_FAULT_H
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/config_table.h"
#include "common/err.h"

enum {
	CONFIG_FAULTS_MAX = 100,
	CONFIG_KEY_SIZE = 256,
	CONFIG_QUOTE_SIZE = 128,
	CONFIG_PLACE_SIZE = 1024
};

enum config_place_kind { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config_place {
	enum config_place_kind kind;
	size_t line;                   /* FILE */
	const struct setting *setting; /* ENV, FLAG: names the variable or flag */
};

struct config_loading {
	struct config *config;
	const char *file; /* as messages name it */
	char *const *env;
	bool offline;      /* opens no file */
	bool address_only; /* reads server.host and server.port alone */
	struct buf *warnings, *faults;
	size_t fault_count;
	bool no_memory;
	bool unread; /* the file could not be read: what it says is not known */
	struct config_place origins[CONFIG_SETTING_COUNT]; /* by index into setting_table */
};

/* Notes a fault of the setting `key` that stands at `place`. */
void config_fault(struct config_loading *loading, struct config_place place, const char *key,
	const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The whole line. */
void config_fault_line(struct config_loading *loading, const char *fmt, ...) PRINTF_LIKE(2, 3);
void config_fault_warn(struct config_loading *loading, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A warning that begins as a fault does. */
void config_fault_warn_at(struct config_loading *loading, struct config_place place,
	const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
void config_fault_no_memory(struct config_loading *loading);
/* How a fault of this setting begins: "file:7: server.port", "environment: NAME: server.port",
 * "--server-port". */
void config_fault_place(
	const struct config_loading *loading, const char *path, char ret[CONFIG_PLACE_SIZE]);
bool config_fault_any(const struct config_loading *loading); /* a fault or no memory */
struct config_place config_fault_in_file(size_t line);
/* Where the setting of this path got its value. */
struct config_place config_fault_origin(const struct config_loading *loading, const char *path);
/* A key for messages, cut where it does not fit. */
void config_fault_key(char *ret, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* `text` in quotes for a message: cut, and without control bytes. Returns `ret`. */
const char *config_fault_quote(const char *text, char ret[CONFIG_QUOTE_SIZE]);
/* "; did you mean x?" where one of the names is near, else "". Returns `ret`. */
const char *config_fault_hint(
	const char *name, config_name_fn *next, const void *from, char ret[CONFIG_QUOTE_SIZE]);
/* The same of a flag: a setting's own name alone (--port) means that setting. */
const char *config_fault_hint_flag(
	const char *name, config_name_fn *next, const void *from, char ret[CONFIG_QUOTE_SIZE]);
/* "; did you mean --config x.yaml?" where an argument is the name of such a file, else "". */
const char *config_fault_hint_file(const char *argument, char ret[CONFIG_QUOTE_SIZE]);
#endif
