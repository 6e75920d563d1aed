/* docs_file_get.c - GET /docs/{file}: what the page at /docs is made of, and the licences. */
#include <string.h>

#include "handlers/docs.h"
#include "handlers/routes.h"

static void run(void *service, struct exchange *ex)
{
	const char *name = strrchr(exchange_request(ex)->path, '/') + 1;
	const struct docs_file *file = docs_find(name);
	struct problem problem;

	(void)service;
	if (file) {
		docs_reply(ex, file);
		return;
	}
	problem_init(&problem);
	problem_set(
		&problem, PROBLEM_NOT_FOUND, "the API reference is at /docs, and has no such file");
	exchange_reply_problem(ex, &problem);
}

const struct route docs_file_get_route = {
	.method = "GET",
	.path = "/docs/{file}",
	.operation = "getDocsFile",
	.access = ROUTE_OPEN,
	.run = run,
};
