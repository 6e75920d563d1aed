/* limits.c - does the configuration fit into what the machine grants this process? */
#include "server/limits.h"

#include <stdio.h>

#include "common/openfiles.h"
#include "server/http_server.h"

static size_t files_needed(const struct config *config, unsigned max_connections)
{
	return http_server_connection_limit(max_connections) + config->pool.max_in_flight +
	       openfiles_own(config);
}

/* The most connections that fit, or 0. */
static unsigned most_connections(const struct config *config, size_t files)
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

static enum err_code refuse(const struct config *config, size_t files, struct err *err)
{
	unsigned connections = config->server.max_connections;
	unsigned fit = most_connections(config, files);
	char most[32] = "";

	if (fit > 0)
		snprintf(most, sizeof most, " (to %u)", fit);
	return err_set(err, ERR_LIMIT,
		"%zu open files may be needed (%zu for server.max_connections %u, those that are "
		"turned away included, %u for pool.max_in_flight %u, %zu of our own), but the hard "
		"limit is %zu; raise it (ulimit -Hn, LimitNOFILE=, docker run --ulimit nofile=), "
		"or lower server.max_connections%s or pool.max_in_flight",
		files_needed(config, connections), http_server_connection_limit(connections),
		connections, config->pool.max_in_flight, config->pool.max_in_flight,
		openfiles_own(config), files, most);
}

enum err_code limits_open_files(struct config *config, struct err *err)
{
	size_t needed = files_needed(config, config->server.max_connections), most;
	enum err_code code = openfiles_raise(needed, &most, err);

	if (code == ERR_LIMIT)
		return refuse(config, most, err);
	if (code == ERR_OK)
		config->pool.idle_files = openfiles_idle(config, most - needed);
	return code;
}
