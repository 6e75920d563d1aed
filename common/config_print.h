/* config_print.h - the settings as YAML and as the text of --help; both come of the table of
 * settings. */
#ifndef COMMON_CONFIG_PRINT_H
#define COMMON_CONFIG_PRINT_H
#include "common/config.h"

void config_print_yaml(const struct config *config, struct buf *out);
void config_print_help(struct buf *out);
#endif
