/* config_kept.h - values of settings: judged, kept in their struct, printed and released. */
#ifndef COMMON_CONFIG_KEPT_H
#define COMMON_CONFIG_KEPT_H
#include "common/config_fault.h"

/* Judges `texts` (one, unless the setting is a list) and keeps them in `base`, where the setting is
 * kept. `raw` is the first as written, for messages. Faults are noted under `key`. */
void config_kept_set(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key, void *base, char *const *texts,
	size_t count, const char *raw);
/* Notes that this version takes only the setting's default. */
void config_kept_fault_later(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *key);
void config_kept_defaults(struct config_loading *loading, const char *scope, void *base);
/* Releases what the members of `scope` hold, and of its sections. */
void config_kept_clear(const char *scope, void *base);
/* The value kept, or the default where it is not kept, as YAML. */
void config_kept_print(const struct setting *setting, const void *base, struct buf *out);
#endif
