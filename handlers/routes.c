/* routes.c - every operation the server offers: the table of contents of this folder. */
#include "handlers/routes.h"

const struct route *const routes_all[] = {
	&batch_post_route,     /* POST /v1/batch */
	&endpoint_post_route,  /* POST /v1/batch/{name} */
	&endpoints_get_route,  /* GET /v1/endpoints */
	&endpoint_get_route,   /* GET /v1/endpoints/{name} */
	&healthz_route,        /* GET /healthz */
	&readyz_route,         /* GET /readyz */
	&metrics_get_route,    /* GET /metrics */
	&upstreams_get_route,  /* GET /v1/upstreams */
	&version_route,        /* GET /version */
	&openapi_get_route,    /* GET /openapi.yaml */
	&docs_get_route,       /* GET /docs */
	&docs_slash_get_route, /* GET /docs/ */
	&docs_file_get_route,  /* GET /docs/{file} */
	NULL,
};
