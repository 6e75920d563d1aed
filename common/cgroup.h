/* cgroup.h - how much memory the cgroup of this process may use. */
#ifndef COMMON_CGROUP_H
#define COMMON_CGROUP_H
#include <stddef.h>

/* The smallest limit of the cgroup and those above it, v2 (memory.max) or v1
 * (memory.limit_in_bytes), in bytes; 0: none. `root` stands before /proc and /sys: "", but for
 * tests. */
size_t cgroup_memory_limit(const char *root);
#endif
