/* router.c - which route answers a method and a path. */
#include "server/router.h"

#include <string.h>

static bool is_pattern(const struct route *route)
{
	return strchr(route->path, '{') != NULL;
}

static bool matches(const struct route *route, const char *path)
{
	const char *want = route->path;

	if (!is_pattern(route))
		return strcmp(want, path) == 0;
	while (*want && *path) {
		if (*want == '{') {
			size_t len = strcspn(path, "/");

			if (len == 0)
				return false;
			path += len;
			want += strcspn(want, "/");
		} else if (*want++ != *path++) {
			return false;
		}
	}
	return *want == *path;
}

static bool takes(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Of the routes with this path, the literal ones first. */
static const struct route *find(
	const struct route *const *routes, const char *method, const char *path)
{
	const struct route *found = NULL;

	for (; *routes; routes++) {
		if (!matches(*routes, path) || (method && !takes(*routes, method)))
			continue;
		if (!is_pattern(*routes))
			return *routes;
		if (!found)
			found = *routes;
	}
	return found;
}

const struct route *router_find(const struct route *const *routes, const char *method,
	const char *path, enum router_result *ret_result)
{
	const struct route *route = find(routes, method, path);

	*ret_result = ROUTER_FOUND;
	if (route)
		return route;
	route = find(routes, NULL, path);
	*ret_result = !route                           ? ROUTER_NO_PATH
		      : strcmp(method, "OPTIONS") == 0 ? ROUTER_OPTIONS
						       : ROUTER_NO_METHOD;
	return route;
}

void router_allow(const struct route *const *routes, const char *path, struct buf *out)
{
	for (; *routes; routes++)
		if (matches(*routes, path)) {
			buf_adds(out, (*routes)->method);
			buf_adds(out, strcmp((*routes)->method, "GET") == 0 ? ", HEAD, " : ", ");
		}
	buf_adds(out, "OPTIONS");
}
