/* endpoints_get.c - GET /v1/endpoints: the named endpoints that the caller may use. */
#include "handlers/named.h"
#include "handlers/routes.h"

static void render(const struct exchange *ex, const struct snapshot *snapshot, struct buf *out)
{
	const struct caller *caller = exchange_request(ex)->caller;
	const char *comma = "";

	buf_adds(out, "{\"data\":[");
	for (size_t i = 0; i < endpoint_count(snapshot->endpoints); i++) {
		const struct endpoint *endpoint = endpoint_at(snapshot->endpoints, i);

		if (!caller_may_use(caller, endpoint->config->name))
			continue;
		buf_adds(out, comma);
		if (named_describe(endpoint, snapshot->config, out) != ERR_OK)
			return;
		comma = ",";
	}
	buf_adds(out, "]}\n");
}

static void run(void *arg, struct exchange *ex)
{
	struct snapshot *snapshot = service_snapshot(arg);
	struct problem problem;
	struct buf body;

	problem_init(&problem);
	buf_init(&body, SIZE_MAX / 2);
	render(ex, snapshot, &body);
	snapshot_unref(snapshot);
	if (!body.failed) {
		exchange_reply_buf(ex, 200, "application/json", &body);
		return;
	}
	buf_free(&body);
	problem_set(&problem, PROBLEM_MEMORY_FULL, "no memory for the answer");
	exchange_reply_problem(ex, &problem);
}

static const char *const produces[] = {"application/json", NULL};

const struct route endpoints_get_route = {
	.method = "GET",
	.path = "/v1/endpoints",
	.operation = "listEndpoints",
	.access = ROUTE_CALLER,
	.produces = produces,
	.run = run,
};
