/* batch_post.c - POST /v1/batch: an ad-hoc batch. */
#include "handlers/routes.h"
#include "handlers/submission.h"

static bool admit_here(
	struct service *service, const struct config *config, struct problem *problem)
{
	if (config->targets.ad_hoc)
		return submission_has_room(service, config, problem);
	problem_set(
		problem, PROBLEM_NOT_FOUND, "ad-hoc batches are off here (targets.ad_hoc: false)");
	return false;
}

static bool admit(void *arg, struct exchange *ex, struct problem *problem)
{
	struct service *service = arg;
	struct snapshot *snapshot = service_snapshot(service);
	bool admitted = admit_here(service, snapshot->config, problem);

	(void)ex;
	snapshot_unref(snapshot);
	return admitted;
}

static void run(void *service, struct exchange *ex)
{
	submission_run(service, ex, false);
}

const struct route batch_post_route = {
	.method = "POST",
	.path = "/v1/batch",
	.operation = "postBatch",
	.access = ROUTE_AD_HOC,
	.consumes = "application/json",
	.produces = submission_produces,
	.admit = admit,
	.run = run,
};
