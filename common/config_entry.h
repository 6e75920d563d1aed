/* config_entry.h - lists whose entries are mappings: auth.keys and upstreams. */
#ifndef COMMON_CONFIG_ENTRY_H
#define COMMON_CONFIG_ENTRY_H
#include "common/config_fault.h"
#include "common/config_node.h"

enum { CONFIG_ENTRIES_MAX = 1000, CONFIG_HASHES_MAX = 16 };

void config_entry_keys(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key);
void config_entry_hashes(struct config_loading *loading, const struct config_node *list,
	const char *key, struct config_key *ret_key);
void config_entry_upstreams(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key);
void config_entry_breaker(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key);
/* `name:hex,name:hex` instead of what the file says; a name that comes again adds its hash to the
 * first. */
void config_entry_keys_of_text(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *text);
/* Adds the "*" that is always last, where the list has none. */
void config_entry_last_upstream(struct config_loading *loading);
void config_entry_free(struct config *config); /* releases keys and upstreams */
#endif
