/* cgroup.c - how much memory the cgroup of this process may use. */
#include "common/cgroup.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* 0: no file, or no limit ("max"; v1 writes a huge number). */
static size_t read_limit(const char *path)
{
	unsigned long long limit = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &limit) != 1 || limit >= INT64_MAX / 2)
		limit = 0;
	fclose(file);
	return (size_t)limit;
}

static size_t smaller(size_t a, size_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Over the cgroup `path` and each one above it, up to the mount itself. Cuts `path`. */
static size_t smallest_upwards(const char *root, const char *mount, char *path, const char *file)
{
	char name[PATH_MAX];
	size_t limit = 0;

	for (;;) {
		char *slash = strrchr(path, '/');

		if (snprintf(name, sizeof name, "%s%s%s/%s", root, mount, path, file) <
			(int)sizeof name)
			limit = smaller(limit, read_limit(name));
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* `line` is one of /proc/self/cgroup: "0::/a/b" of v2, "4:memory:/a/b" of v1. */
static size_t limit_of_line(const char *root, char *line)
{
	char *controllers = strchr(line, ':'),
	     *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return 0;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (strstr(path, "..")) /* the cgroup lies outside the mount: only the mount's own limit is
				   ours to see */
		*path = '\0';
	if (strcmp(controllers, ":") == 0)
		return smallest_upwards(root, "/sys/fs/cgroup", path, "memory.max");
	if (strcmp(controllers, ":memory") == 0)
		return smallest_upwards(
			root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
	return 0;
}

size_t cgroup_memory_limit(const char *root)
{
	char name[PATH_MAX], line[PATH_MAX];
	size_t limit = 0;
	FILE *file;

	if (snprintf(name, sizeof name, "%s/proc/self/cgroup", root) >= (int)sizeof name)
		return 0;
	file = fopen(name, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof line, file))
		limit = smaller(limit, limit_of_line(root, line));
	fclose(file);
	return limit;
}
