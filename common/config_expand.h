/* config_expand.h - `${NAME}`, `${NAME:-default}`, `${file:PATH}` and `$$` in a scalar, and the
 * reading of small files. */
#ifndef COMMON_CONFIG_EXPAND_H
#define COMMON_CONFIG_EXPAND_H
#include "common/config_fault.h"
#include "common/config_secret.h"

enum { CONFIG_TEXT_MAX_BYTES = 64 * 1024 };

/* `text` with its references replaced, wiped and released by config_expand_free; NULL where a fault
 * was noted under `key`. A `$` that begins none of these stands for itself. */
char *config_expand(struct config_loading *loading, struct config_place place, const char *key,
	const char *text);
/* The same; adds to ret_marks what did not stand in `text` itself, nor in a `:-default`. */
char *config_expand_marked(struct config_loading *loading, struct config_place place,
	const char *key, const char *text, struct config_marks *ret_marks);
void config_expand_free(char *text); /* NULL is fine */
/* Its value, or NULL. */
const char *config_expand_env(const struct config_loading *loading, const char *name, size_t len);
/* Adds a file's content. ERR_IO with what the system says in `err`, ERR_LIMIT past the buffer's,
 * ERR_NOMEM. */
enum err_code config_expand_read(const char *path, struct buf *out, struct err *err);
#endif
