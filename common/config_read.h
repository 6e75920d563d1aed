/* config_read.h - from a file's tree to the configuration: sections, lists and scalars, by the
 * table of settings. */
#ifndef COMMON_CONFIG_READ_H
#define COMMON_CONFIG_READ_H
#include "common/config_fault.h"
#include "common/config_node.h"
#include "common/config_secret.h"

/* Reads the entries of `map` as settings of `scope` into `base`; `prefix` is what messages put
 * before their names: "upstreams[0].". A null stands for an empty mapping. */
void config_read_map(struct config_loading *loading, const struct config_node *map,
	const char *scope, const char *prefix, void *base);
bool config_read_is_map(
	struct config_loading *loading, const struct config_node *node, const char *key);
bool config_read_is_list(
	struct config_loading *loading, const struct config_node *node, const char *key);
/* The expanded text of a scalar (release with config_expand_free), or NULL: a fault was noted. */
char *config_read_text(
	struct config_loading *loading, const struct config_node *node, const char *key);
/* The same; adds what came of references to ret_marks. */
char *config_read_marked(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_marks *ret_marks);
#endif
