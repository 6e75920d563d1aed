/* service.h - what the routes stand on: the pool, the budget, the current configuration.
 *
 * The daemon makes it. A handler takes a snapshot when its request begins and keeps it until the
 * request has ended, so that a reload never changes a batch that runs.
 *
 * It also counts what runs, so that the daemon can wait for the end of it: work stands between
 * service_enter and service_leave. Draining, a descriptor tells it each time nothing runs; once
 * closed, nothing may begin. */
#ifndef HANDLERS_SERVICE_H
#define HANDLERS_SERVICE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "batch/endpoint.h"
#include "common/config.h"
#include "common/mem.h"
#include "common/thread.h"
#include "handlers/pace.h"
#include "pool/guard.h"
#include "pool/pool.h"
#include "server/http_server.h"

struct snapshot { /* shared by count, immutable */
	atomic_uint refs;
	struct config *config;
	struct guard *guard;
	struct endpoint_set *endpoints;
};

struct service {
	struct pool *pool;
	struct http_server *server;
	struct mem_budget budget;
	struct pace pace;
	struct mutex lock;
	struct {
		struct snapshot *snapshot;
		size_t running;
		int idle_fd; /* an eventfd, the daemon's; -1 until draining */
		bool closed;
	} shared;
};

void service_init(struct service *service, size_t memory_bytes);
void service_free(struct service *service); /* nothing may run */
/* Takes references of its own. NULL without memory. */
struct snapshot *snapshot_new(
	struct config *config, struct guard *guard, struct endpoint_set *endpoints);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */
/* Any thread. Takes the snapshot; requests that run keep the one they began with. */
void service_set(struct service *service, struct snapshot *snapshot);
struct snapshot *service_snapshot(struct service *service); /* a reference: snapshot_unref */

/* Any thread. False, and nothing to leave, once the service is closed. */
bool service_enter(struct service *service) MUST_CHECK;
/* After the reply: the daemon may stop the server as soon as all have left. */
void service_leave(struct service *service);
size_t service_running(struct service *service);
/* From now on `idle_fd` becomes readable whenever nothing runs, at once where that is so already.
 * It must stay open until the workers and the http threads have ended. */
void service_drain(struct service *service, int idle_fd);
void service_close(struct service *service); /* nothing may begin any more; what runs goes on */

/* http_server_options.retry_after_s */
unsigned service_retry_after_s(void *service, enum problem_code code);
/* http_server_options.answered: counts the batches, by status; the log's line of a request that was
 * refused (debug: of every request). */
void service_answered(
	void *service, const struct exchange *ex, unsigned status, uint64_t duration_us);
#endif
