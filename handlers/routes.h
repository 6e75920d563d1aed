/* routes.h - every operation the server offers: the table of contents of this folder.
 *
 * Each operation is one file that describes itself in one constant `struct route`. To add one:
 * write the file, name it here and in routes.c, describe it in openapi.yaml; tests/openapi fails
 * while the two differ. */
#ifndef HANDLERS_ROUTES_H
#define HANDLERS_ROUTES_H
#include "server/http.h"

extern const struct route batch_post_route;
extern const struct route docs_file_get_route;
extern const struct route docs_get_route;
extern const struct route docs_slash_get_route;
extern const struct route endpoint_get_route;
extern const struct route endpoint_post_route;
extern const struct route endpoints_get_route;
extern const struct route healthz_route;
extern const struct route metrics_get_route;
extern const struct route openapi_get_route;
extern const struct route readyz_route;
extern const struct route upstreams_get_route;
extern const struct route version_route;

extern const struct route *const routes_all[]; /* NULL-terminated */
#endif
