/* openapi_get.c - GET /openapi.yaml: what clients can rely on, embedded at build time. */
#include "handlers/embedded.h"
#include "handlers/routes.h"

static void run(void *service, struct exchange *ex)
{
	(void)service;
	exchange_set_header(ex, "Cache-Control", "no-cache");
	exchange_reply(ex, 200, "application/yaml", (const char *)embedded_openapi_yaml,
		embedded_openapi_yaml_size);
}

const struct route openapi_get_route = {
	.method = "GET",
	.path = "/openapi.yaml",
	.operation = "getOpenapi",
	.access = ROUTE_OPEN,
	.run = run,
};
