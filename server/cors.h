/* cors.h - which web origins may read the answers (server.cors_origins).
 *
 * Pure functions, any thread. */
#ifndef SERVER_CORS_H
#define SERVER_CORS_H
#include <stdbool.h>

#include "common/config.h"

#define CORS_ALLOW_HEADERS                                                              \
	"Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, " \
	"X-Request-Id, traceparent, tracestate"
#define CORS_EXPOSE_HEADERS \
	"Allow, Location, Preference-Applied, Retry-After, WWW-Authenticate, X-Request-Id"

/* The value of Access-Control-Allow-Origin for a request with this Origin (NULL is fine): "*", or
 * the origin where the list names it, or NULL for none. */
const char *cors_origin(const struct config_strings *origins, const char *origin);
/* Does the answer depend on Origin, so that caches must know? */
bool cors_varies(const struct config_strings *origins);
#endif
