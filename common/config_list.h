/* config_list.h - lists whose entries are mappings, and arrays that grow by an entry.
 *
 * Internal to config*.c. */
#ifndef COMMON_CONFIG_LIST_H
#define COMMON_CONFIG_LIST_H
#include "common/config_fault.h"
#include "common/config_node.h"

enum { CONFIG_ENTRIES_MAX = 1000 };

/* Reads one entry; `key` is what messages call it: "upstreams[0]". */
typedef void config_list_entry_fn(
	struct config_loading *loading, const struct config_node *node, const char *key);

/* Calls `read` for each entry of the list that the setting is; a fault where it is no list, or a
 * longer one than CONFIG_ENTRIES_MAX. */
void config_list_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key, config_list_entry_fn *read);
/* Room for one more of `size` bytes, zeroed; NULL without memory, which is noted, and the array as
 * it was. */
void *config_list_grow(struct config_loading *loading, void *array, size_t count, size_t size);
#endif
