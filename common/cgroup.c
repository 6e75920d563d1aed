/* cgroup.c - how much memory and CPU the cgroup of this process may use. */
#include "common/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

/* Reads the limit of the cgroup in `folder`; 0: there is none. */
typedef size_t (*read_fn)(const char *folder);

struct resource {
	const char *controller; /* its name in v1 */
	read_fn read_v2, read_v1;
};

/* Up to two numbers of a file; how many there were. */
static int read_numbers(const char *folder, const char *name, long long numbers[2])
{
	char path[PATH_MAX];
	FILE *file;
	int count;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	count = fscanf(file, "%lld %lld", &numbers[0], &numbers[1]);
	fclose(file);
	return count;
}

/* "max" is no number; v1 writes a huge one. */
static size_t read_bytes(const char *folder, const char *name)
{
	long long numbers[2];

	return read_numbers(folder, name, numbers) >= 1 && numbers[0] > 0 &&
			       numbers[0] < INT64_MAX / 2
		       ? (size_t)numbers[0]
		       : 0;
}

static size_t memory_v2(const char *folder)
{
	return read_bytes(folder, "memory.max");
}

static size_t memory_v1(const char *folder)
{
	return read_bytes(folder, "memory.limit_in_bytes");
}

static size_t whole_cpus(long long quota, long long period)
{
	return quota > 0 && period > 0 ? (size_t)(quota / period + (quota % period != 0)) : 0;
}

static size_t cpus_v2(const char *folder)
{
	long long numbers[2];

	return read_numbers(folder, "cpu.max", numbers) == 2 ? whole_cpus(numbers[0], numbers[1])
							     : 0;
}

static size_t cpus_v1(const char *folder)
{
	long long quota[2], period[2];

	return read_numbers(folder, "cpu.cfs_quota_us", quota) >= 1 &&
			       read_numbers(folder, "cpu.cfs_period_us", period) >= 1
		       ? whole_cpus(quota[0], period[0])
		       : 0;
}

static size_t smaller(size_t a, size_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Over the cgroup `path` and each one above it, up to the mount itself. Cuts `path`. */
static size_t smallest_upwards(const char *root, const char *mount, char *path, read_fn read_one)
{
	char folder[PATH_MAX];
	size_t limit = 0;

	for (;;) {
		char *slash = strrchr(path, '/');

		if (snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root, mount, path) <
			(int)sizeof folder)
			limit = smaller(limit, read_one(folder));
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* Does the list `a,b,c` hold `name`? */
static bool lists(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (strncmp(list, name, len) == 0 && (list[len] == ',' || !list[len]))
			return true;
	}
	return false;
}

/* `line` is one of /proc/self/cgroup: "0::/a/b" of v2, "4:cpu,cpuacct:/a/b" of v1. */
static size_t limit_of_line(const char *root, char *line, const struct resource *resource)
{
	char mount[NAME_MAX_BYTES];
	char *controllers = strchr(line, ':'),
	     *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return 0;
	controllers++;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (strstr(path, "..")) /* the cgroup lies outside the mount: only the mount's own limit is
				   ours to see */
		*path = '\0';
	if (!*controllers)
		return smallest_upwards(root, "", path, resource->read_v2);
	if (!lists(controllers, resource->controller))
		return 0;
	/* Each controller has a name of its own there, though several may share a mount. */
	snprintf(mount, sizeof mount, "/%s", resource->controller);
	return smallest_upwards(root, mount, path, resource->read_v1);
}

static size_t smallest_limit(const char *root, const struct resource *resource)
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
		limit = smaller(limit, limit_of_line(root, line, resource));
	fclose(file);
	return limit;
}

size_t cgroup_memory_limit(const char *root)
{
	static const struct resource memory = {"memory", memory_v2, memory_v1};

	return smallest_limit(root, &memory);
}

unsigned cgroup_cpus(const char *root)
{
	static const struct resource cpu = {"cpu", cpus_v2, cpus_v1};
	size_t cpus = smallest_limit(root, &cpu);

	return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}
