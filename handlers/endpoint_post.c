/* endpoint_post.c - POST /v1/batch/{name}: a batch of data for a named endpoint. */
#include "handlers/named.h"
#include "handlers/routes.h"
#include "handlers/submission.h"

static bool admit(void *arg, struct exchange *ex, struct problem *problem)
{
	struct service *service = arg;
	struct snapshot *snapshot = service_snapshot(service);
	bool admitted = named_find(snapshot, ex, problem) &&
			submission_has_room(service, snapshot->config, problem);

	snapshot_unref(snapshot);
	return admitted;
}

static void run(void *service, struct exchange *ex)
{
	submission_run(service, ex, true);
}

const struct route endpoint_post_route = {
	.method = "POST",
	.path = "/v1/batch/{name}",
	.operation = "postEndpointBatch",
	.access = ROUTE_CALLER,
	.consumes = "application/json",
	.produces = submission_produces,
	.admit = admit,
	.run = run,
};
