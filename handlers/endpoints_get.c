/* endpoints_get.c - GET /v1/endpoints: the named endpoints that the caller may use. */
#include "handlers/answer.h"
#include "handlers/endpoint_describe.h"
#include "handlers/routes.h"
#include "handlers/service.h"

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
		endpoint_describe(endpoint, snapshot->config, out);
		comma = ",";
	}
	buf_adds(out, "]}\n");
}

static void run(void *arg, struct exchange *ex)
{
	struct snapshot *snapshot = service_snapshot(arg);
	struct buf body;

	answer_init(&body);
	render(ex, snapshot, &body);
	snapshot_unref(snapshot);
	answer_send(ex, "application/json", &body);
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
