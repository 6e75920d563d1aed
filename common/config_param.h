/* config_param.h - a parameter of an endpoint: its type, what it may be and what it is by default,
 * from YAML to JSON.
 *
 * A plain word that JSON has as a number, true, false or null is that, every other scalar a string.
 * Where a reference (`${NAME}`) gave the text, quotes do not matter: it is what the type says. */
#ifndef COMMON_CONFIG_PARAM_H
#define COMMON_CONFIG_PARAM_H
#include "common/config_fault.h"
#include "common/config_node.h"

void config_param_read(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_param *param);
/* Static: "a string", "an integer" … */
const char *config_param_wants(enum config_param_type type);
void config_param_free(struct config_param *param); /* what is in it */
#endif
