/* config_show.h - the named endpoints as YAML, without their secrets. */
#ifndef COMMON_CONFIG_SHOW_H
#define COMMON_CONFIG_SHOW_H
#include "common/config.h"

void config_show_endpoints(const struct config *config, struct buf *out);
#endif
