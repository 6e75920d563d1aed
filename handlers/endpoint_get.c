/* endpoint_get.c - GET /v1/endpoints/{name}: what one named endpoint takes. */
#include "handlers/answer.h"
#include "handlers/endpoint_describe.h"
#include "handlers/named.h"
#include "handlers/routes.h"

static void reply(struct exchange *ex, const struct snapshot *snapshot)
{
	const struct endpoint *endpoint;
	struct problem problem;
	struct buf body;

	problem_init(&problem);
	endpoint = named_find(snapshot, ex, &problem);
	if (!endpoint) {
		exchange_reply_problem(ex, &problem);
		return;
	}
	answer_init(&body);
	endpoint_describe(endpoint, snapshot->config, &body);
	buf_add_char(&body, '\n');
	answer_send(ex, "application/json", &body);
}

static void run(void *arg, struct exchange *ex)
{
	struct snapshot *snapshot = service_snapshot(arg);

	reply(ex, snapshot);
	snapshot_unref(snapshot);
}

static const char *const produces[] = {"application/json", NULL};

const struct route endpoint_get_route = {
	.method = "GET",
	.path = "/v1/endpoints/{name}",
	.operation = "getEndpoint",
	.access = ROUTE_CALLER,
	.produces = produces,
	.run = run,
};
