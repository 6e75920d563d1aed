/* notice.c - what is told of a configuration: its faults, its warnings, what a reload cannot
 * change.
 */
#include "server/notice.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

void notice_each(struct buf *text, notice_fn *tell)
{
	for (char *line = text->ptr; line && *line;) {
		char *end = strchrnul(line, '\n');
		bool more = *end == '\n';

		*end = '\0';
		tell(line);
		line = more ? end + 1 : end;
	}
}

void notice_say(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

void notice_warn(const char *line)
{
	log_warn("config_warning", LOG_S("message", line));
}

void notice_fault(const char *line)
{
	log_error("reload_failed", LOG_S("fault", line));
}

static void warn_if(bool changed, const char *key)
{
	if (changed)
		log_warn("config_warning", LOG_S("key", key),
			LOG_S("message", "this takes a restart; the old value stays"));
}

void notice_fixed(const struct config *now, const struct config *next)
{
	warn_if(strcmp(now->server.host, next->server.host) != 0, "server.host");
	warn_if(now->server.port != next->server.port, "server.port");
	/* A lower one holds at once: http_server_configure. */
	warn_if(next->server.max_connections > now->server.max_connections,
		"server.max_connections");
	warn_if(now->limits.memory != next->limits.memory, "limits.memory");
	warn_if(now->pool.threads != next->pool.threads, "pool.threads");
}
