/* config_endpoint.h - named endpoints, and other mappings with names of the operator's own:
 * headers, query, params. */
#ifndef COMMON_CONFIG_ENDPOINT_H
#define COMMON_CONFIG_ENDPOINT_H
#include "common/config_fault.h"
#include "common/config_node.h"

enum {
	CONFIG_HEADERS_MAX = 100,
	CONFIG_HEADER_MAX_BYTES = 8192,
	CONFIG_PARAM_JSON_MAX_BYTES = 16 * 1024 /* of a default, and of an enum */
};

extern const char config_endpoint_scope[], config_endpoint_retry_scope[],
	config_endpoint_check_scope[], config_endpoint_param_scope[];

/* `base` is the configuration for `endpoints` and openai.headers, else the endpoint. */
void config_endpoint_read(struct config_loading *loading, const struct config_node *map,
	const struct setting *setting, const char *key, void *base);
void config_endpoint_url(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, struct config_endpoint *endpoint);
/* jq: never expanded. */
void config_endpoint_program(struct config_loading *loading, const struct config_node *node,
	const struct setting *setting, const char *key, struct config_endpoint *endpoint);
/* What can be said when everything was read: secrets by the names of headers, and keys that name
 * endpoints which are not there. */
void config_endpoint_finish(struct config_loading *loading);
void config_endpoint_free(struct config *config);
#endif
