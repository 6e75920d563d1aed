/* healthz.c - GET /healthz: the process is alive and its HTTP threads turn. */
#include "handlers/routes.h"

static void run(void *service, struct exchange *ex)
{
	static const char body[] = "{\"status\": \"ok\"}\n";

	(void)service;
	exchange_set_header(ex, "Cache-Control", "no-store");
	exchange_reply(ex, 200, "application/json", body, sizeof body - 1);
}

const struct route healthz_route = {
	.method = "GET",
	.path = "/healthz",
	.operation = "getHealth",
	.access = ROUTE_OPEN,
	.health = true,
	.run = run,
};
