/* named.c - which named endpoint a request means, and whether its caller may use it. */
#include "handlers/named.h"

#include <string.h>

const struct endpoint *named_find(
	const struct snapshot *snapshot, const struct exchange *ex, struct problem *problem)
{
	const struct http_request *request = exchange_request(ex);
	const char *slash = strrchr(request->path, '/');
	const struct endpoint *endpoint =
		slash ? endpoint_find(snapshot->endpoints, slash + 1) : NULL;

	if (!endpoint)
		problem_set(problem, PROBLEM_NOT_FOUND,
			"there is no endpoint of this name; GET /v1/endpoints lists them");
	else if (!caller_may_use(request->caller, endpoint->config->name))
		problem_set(problem, PROBLEM_FORBIDDEN,
			"this key may not use this endpoint (auth.keys[].endpoints)");
	else
		return endpoint;
	return NULL;
}
