/* config_source.h - settings that come from the environment and from flags. */
#ifndef COMMON_CONFIG_SOURCE_H
#define COMMON_CONFIG_SOURCE_H
#include "common/config_fault.h"

/* Values of BATCHGATE_*; unknown names, and values that begin tcp://, are ignored with a
 * warning. */
void config_source_env(struct config_loading *loading);
void config_source_flags(struct config_loading *loading, int argc, char *const *argv);
/* The file that --config or BATCHGATE_CONFIG names, or NULL. */
const char *config_source_file(struct config_loading *loading, int argc, char *const *argv);
#endif
