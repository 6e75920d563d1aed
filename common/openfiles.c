/* openfiles.c - how many open files the calls may take, and the limit raised to what may be had. */
#include "common/openfiles.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "common/thread.h"

enum { FILES_OWN = 64, FILES_PER_WORKER = 80, CALLS_PER_LANE = 64, FILES_PER_LANE = 2 };
enum { IDLE_MAX = 4096, IDLE_MAX_PER_WORKER = 2048 };

static size_t count_workers(const struct config *config)
{
	return config->pool.threads ? config->pool.threads : thread_cpus();
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Half of what is left: there are files that nobody counts. */
size_t openfiles_idle(const struct config *config, size_t left)
{
	return smaller(smaller(left / 2, IDLE_MAX) / count_workers(config), IDLE_MAX_PER_WORKER);
}

size_t openfiles_own(const struct config *config)
{
	size_t workers = count_workers(config);
	size_t lanes = config->pool.max_in_flight / CALLS_PER_LANE;

	return FILES_OWN + workers * FILES_PER_WORKER + lanes * FILES_PER_LANE;
}

enum err_code openfiles_raise(size_t needed, size_t *ret_most, struct err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot read the limit of open files: %s", strerror(errno));
	*ret_most = files.rlim_max == RLIM_INFINITY ? SIZE_MAX : (size_t)files.rlim_max;
	if (*ret_most < needed)
		return err_set(err, ERR_LIMIT,
			"%zu open files may be needed, but the hard limit is %zu", needed,
			*ret_most);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot raise the limit of open files: %s", strerror(errno));
	return ERR_OK;
}
