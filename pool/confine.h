/* confine.h - a helper process takes its own rights away, before it looks at anything from outside.
 *
 * What stays: memory up to a bound, the clock, and the one socket, which becomes descriptor 0. No
 * other descriptor, no new one, no file, no process, no program, no signal but to itself. */
#ifndef POOL_CONFINE_H
#define POOL_CONFINE_H
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { CONFINE_FD = 0, CONFINE_REMARKS_SIZE = 256 };

/* One thread, once. False: what every kernel has was refused; the process is to end. Landlock and
 * seccomp may be missing: then `ret_remarks` says so ("" otherwise). Under a sanitizer, which maps
 * terabytes and reports on descriptor 2, memory is not bounded and that descriptor stays. */
bool confine_process(
	int fd, size_t memory_bytes, char ret_remarks[CONFINE_REMARKS_SIZE]) MUST_CHECK;
/* Raises the soft limit of CPU time: `seconds` from now, then SIGXCPU. Cheap where the second is
 * the same as last time. */
void confine_grant_cpu(unsigned seconds);
#endif
