/* readyz.c - GET /readyz: should a load balancer send work here? Not while draining. */
#include "handlers/routes.h"
#include "handlers/service.h"

static void run(void *arg, struct exchange *ex)
{
	static const char body[] = "{\"status\": \"ready\"}\n";
	const struct service *service = arg;
	struct problem problem;

	exchange_set_header(ex, "Cache-Control", "no-store");
	if (http_server_state(service->server) == HTTP_READY) {
		exchange_reply(ex, 200, "application/json", body, sizeof body - 1);
		return;
	}
	problem_init(&problem);
	problem_set(&problem, PROBLEM_DRAINING,
		"this instance is shutting down; send new work to another one");
	exchange_reply_problem(ex, &problem);
}

const struct route readyz_route = {
	.method = "GET",
	.path = "/readyz",
	.operation = "getReadiness",
	.access = ROUTE_OPEN,
	.health = true,
	.run = run,
};
