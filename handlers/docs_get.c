/* docs_get.c - GET /docs: the API reference for browsers; built without it, openapi.yaml as text.
 */
#include "handlers/docs.h"
#include "handlers/routes.h"

static void run(void *service, struct exchange *ex)
{
	(void)service;
	docs_reply(ex, &docs_page);
}

const struct route docs_get_route = {
	.method = "GET",
	.path = "/docs",
	.operation = "getDocs",
	.access = ROUTE_OPEN,
	.run = run,
};
