/* cgroup.h - how much memory and CPU the cgroup of this process may use.
 *
 * `root` stands before /proc and /sys: "", but for tests. */
#ifndef COMMON_CGROUP_H
#define COMMON_CGROUP_H
#include <stddef.h>

/* The smallest limit of the cgroup and those above it, v2 (memory.max) or v1
 * (memory.limit_in_bytes), in bytes; 0: none. */
size_t cgroup_memory_limit(const char *root);
/* The same of the CPUs' quota, v2 (cpu.max) or v1 (cpu.cfs_quota_us), rounded up to whole CPUs; 0:
 * none. */
unsigned cgroup_cpus(const char *root);
#endif
