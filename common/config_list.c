/* config_list.c - lists whose entries are mappings, and arrays that grow by an entry. */
#include "common/config_list.h"

#include <string.h>

#include "common/config_read.h"
#include "common/mem.h"

void config_list_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key, config_list_entry_fn *read)
{
	size_t i = 0;

	if (!config_read_is_list(loading, list, key))
		return;
	if (list->count > CONFIG_ENTRIES_MAX) {
		config_fault(loading, config_fault_in_file(list->line), key,
			"too many; %d are allowed", CONFIG_ENTRIES_MAX);
		return;
	}
	loading->origins[setting - setting_table] = config_fault_in_file(list->line);
	for (const struct config_node *node = list->first; node; node = node->next, i++) {
		char shown[CONFIG_KEY_SIZE];

		config_fault_key(shown, sizeof shown, "%s[%zu]", key, i);
		read(loading, node, shown);
	}
}

void *config_list_grow(struct config_loading *loading, void *array, size_t count, size_t size)
{
	char *grown = mem_resize(array, (count + 1) * size);

	if (grown)
		memset(grown + count * size, 0, size);
	else
		config_fault_no_memory(loading);
	return grown;
}
