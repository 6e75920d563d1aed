/* config_check.h - what holds between settings: who may come in, limits that fit each other, files
 * that are there. */
#ifndef COMMON_CONFIG_CHECK_H
#define COMMON_CONFIG_CHECK_H
#include "common/config_fault.h"

/* Lowers the defaults that do not fit into `machine_memory` (the cgroup's limit; 0: none), or into
 * what was set. */
void config_check_fit(struct config_loading *loading, size_t machine_memory);
void config_check(struct config_loading *loading);
#endif
