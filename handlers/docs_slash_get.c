/* docs_slash_get.c - GET /docs/: the page is at /docs, beside which its own links are relative. */
#include "handlers/routes.h"

static void run(void *service, struct exchange *ex)
{
	(void)service;
	/* Relative, since a proxy may have put something in front of the path. */
	exchange_set_header(ex, "Location", "../docs");
	exchange_reply(ex, 308, NULL, "", 0);
}

const struct route docs_slash_get_route = {
	.method = "GET",
	.path = "/docs/",
	.operation = "getDocsSlash",
	.access = ROUTE_OPEN,
	.run = run,
};
