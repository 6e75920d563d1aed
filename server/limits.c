/* limits.c - does the configuration fit into what the machine grants this process? */
#include "server/limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/thread.h"
#include "server/http_server.h"

/* Beside connections and calls: stdio, listener, epoll sets, mailboxes, look-ups of names; what a
 * worker keeps alive in its last lane; and what a lane of 64 calls has of its own. */
enum { FILES_OWN = 64, FILES_PER_WORKER = 80, CALLS_PER_LANE = 64, FILES_PER_LANE = 2 };

static rlim_t files_of_our_own(const struct config *config)
{
	unsigned workers = config->pool.threads ? config->pool.threads : thread_cpus();
	unsigned lanes = config->pool.max_in_flight / CALLS_PER_LANE;

	return FILES_OWN + (rlim_t)workers * FILES_PER_WORKER + (rlim_t)lanes * FILES_PER_LANE;
}

static rlim_t files_needed(const struct config *config, unsigned max_connections)
{
	return http_server_connection_limit(max_connections) + config->pool.max_in_flight +
	       files_of_our_own(config);
}

/* The most connections that fit, or 0. */
static unsigned most_connections(const struct config *config, rlim_t files)
{
	unsigned fit = 0, too_many = config->server.max_connections;

	while (too_many - fit > 1) {
		unsigned middle = fit + (too_many - fit) / 2;

		if (files_needed(config, middle) <= files)
			fit = middle;
		else
			too_many = middle;
	}
	return fit;
}

static enum err_code refuse(const struct config *config, rlim_t files, struct err *err)
{
	unsigned connections = config->server.max_connections;
	unsigned fit = most_connections(config, files);
	char most[32] = "";

	if (fit > 0)
		snprintf(most, sizeof most, " (to %u)", fit);
	return err_set(err, ERR_LIMIT,
		"%ju open files may be needed (%zu for server.max_connections %u, those that are "
		"turned away included, %u for pool.max_in_flight %u, %ju of our own), but the hard "
		"limit is %ju; raise it (ulimit -Hn, LimitNOFILE=, docker run --ulimit nofile=), "
		"or "
		"lower server.max_connections%s or pool.max_in_flight",
		(uintmax_t)files_needed(config, connections),
		http_server_connection_limit(connections), connections, config->pool.max_in_flight,
		config->pool.max_in_flight, (uintmax_t)files_of_our_own(config), (uintmax_t)files,
		most);
}

enum err_code limits_open_files(const struct config *config, struct err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot read the limit of open files: %s", strerror(errno));
	if (files.rlim_max != RLIM_INFINITY &&
		files.rlim_max < files_needed(config, config->server.max_connections))
		return refuse(config, files.rlim_max, err);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(
			err, ERR_IO, "cannot raise the limit of open files: %s", strerror(errno));
	return ERR_OK;
}
