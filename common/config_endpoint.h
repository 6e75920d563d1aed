/* config_endpoint.h - mappings with names of the operator's own: endpoints, headers, query, params.
 *
 * They are read and checked only: what they configure is not there yet, so that any entry of
 * `endpoints` and of openai.headers is a fault. */
#ifndef COMMON_CONFIG_ENDPOINT_H
#define COMMON_CONFIG_ENDPOINT_H
#include "common/config_fault.h"
#include "common/config_node.h"

void config_endpoint_read(struct config_loading *loading, const struct config_node *map,
	const struct setting *setting, const char *key);
#endif
