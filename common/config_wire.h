/* config_wire.h - how an upstream is reached: the files of its TLS, and its proxy.
 *
 * Internal to config*.c. */
#ifndef COMMON_CONFIG_WIRE_H
#define COMMON_CONFIG_WIRE_H
#include "common/config_fault.h"
#include "common/config_node.h"

/* Judges what `entry`, the upstream's mapping, says of these, and makes upstream->via of its proxy.
 * `shown` is the entry's key. */
void config_wire_finish(struct config_loading *loading, const struct config_node *entry,
	const char *shown, struct config_upstream *upstream);
void config_wire_free(struct config_upstream *upstream); /* via */
#endif
