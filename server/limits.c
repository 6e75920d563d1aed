/* limits.c - does the configuration fit into what the machine grants this process? */
#include "server/limits.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "common/thread.h"

/* Beside connections and calls: stdio, listener, epoll sets, mailboxes, look-ups of names; and what
 * a worker keeps alive in its last lane. */
enum { FILES_OWN = 64, FILES_PER_WORKER = 80 };

static rlim_t files_needed(const struct config *config)
{
	unsigned workers = config->pool.threads ? config->pool.threads : thread_cpus();

	return (rlim_t)config->server.max_connections + config->pool.max_in_flight + FILES_OWN +
	       (rlim_t)workers * FILES_PER_WORKER;
}

enum err_code limits_open_files(const struct config *config, struct err *err)
{
	rlim_t needed = files_needed(config);
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot read the limit of open files: %s", strerror(errno));
	if (files.rlim_max != RLIM_INFINITY && files.rlim_max < needed)
		return err_set(err, ERR_LIMIT,
			"%ju open files may be needed (server.max_connections %u + "
			"pool.max_in_flight %u + %ju of our own), but the hard limit is %ju; "
			"lower one of the two, or raise the limit (ulimit -Hn, LimitNOFILE=)",
			(uintmax_t)needed, config->server.max_connections,
			config->pool.max_in_flight,
			(uintmax_t)(needed - config->server.max_connections -
				    config->pool.max_in_flight),
			(uintmax_t)files.rlim_max);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot raise the limit of open files: %s", strerror(errno));
	return ERR_OK;
}
