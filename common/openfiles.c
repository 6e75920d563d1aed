/* openfiles.c - how many open files the calls may take, and the limit raised to what may be had. */
#include "common/openfiles.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "common/thread.h"

enum { FILES_OWN = 64, FILES_PER_WORKER = 80, CALLS_PER_LANE = 64, FILES_PER_LANE = 2 };

size_t openfiles_own(const struct config *config)
{
	size_t workers = config->pool.threads ? config->pool.threads : thread_cpus();
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
