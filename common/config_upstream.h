/* config_upstream.h - upstreams: rules by host, and which of them holds for one.
 *
 * Internal to config*.c; config_upstream_of is in config.h. */
#ifndef COMMON_CONFIG_UPSTREAM_H
#define COMMON_CONFIG_UPSTREAM_H
#include "common/config_fault.h"
#include "common/config_node.h"

void config_upstream_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key);
/* upstreams[].breaker */
void config_upstream_read_breaker(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_upstream *ret_upstream);
/* Adds the "*" that is always last, where the list has none. */
void config_upstream_add_last(struct config_loading *loading);
void config_upstream_free(struct config *config); /* all of them */
#endif
