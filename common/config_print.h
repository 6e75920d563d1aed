/* config_print.h - the settings as YAML and as the text of --help; both come of the table of
 * settings. */
#ifndef COMMON_CONFIG_PRINT_H
#define COMMON_CONFIG_PRINT_H
#include "common/config.h"
#include "common/config_table.h"

void config_print_yaml(const struct config *config, struct buf *out);
void config_print_help(struct buf *out);
const char *config_print_type(enum setting_type type); /* in a word; of a choice, its words */
/* What it may be, such as "0 to 65535"; nothing where the type says all. */
void config_print_range(const struct setting *setting, struct buf *out);
#endif
