/* router.h - which route answers a method and a path. Pure functions over the table of routes, any
 * thread.
 *
 * A route's path is matched byte for byte, as it stands on the wire; a segment written `{name}`
 * matches any one segment that is not empty. A literal path wins over one with such a segment. GET
 * answers HEAD too. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H
#include "common/buf.h"
#include "server/http.h"

enum router_result { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_METHOD, ROUTER_OPTIONS };

/* The route; for NO_METHOD and OPTIONS (a path that has no such route of its own) the first of that
 * path; NULL for NO_PATH. */
const struct route *router_find(const struct route *const *routes, const char *method,
	const char *path, enum router_result *ret_result);
/* The value of Allow: `GET, HEAD, OPTIONS`. */
void router_allow(const struct route *const *routes, const char *path, struct buf *out);
#endif
