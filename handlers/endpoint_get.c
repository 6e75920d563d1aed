/* endpoint_get.c - GET /v1/endpoints/{name}: what one named endpoint takes. */
#include "handlers/named.h"
#include "handlers/routes.h"

static void reply(struct exchange *ex, const struct snapshot *snapshot)
{
	const struct endpoint *endpoint;
	struct problem problem;
	struct buf body;

	problem_init(&problem);
	buf_init(&body, SIZE_MAX / 2);
	endpoint = named_find(snapshot, ex, &problem);
	if (endpoint && (named_describe(endpoint, snapshot->config, &body) != ERR_OK ||
				buf_add_char(&body, '\n') != ERR_OK))
		problem_set(&problem, PROBLEM_MEMORY_FULL, "no memory for the answer");
	if (problem.code == PROBLEM_NONE) {
		exchange_reply_buf(ex, 200, "application/json", &body);
		return;
	}
	buf_free(&body);
	exchange_reply_problem(ex, &problem);
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
