/* version.c - GET /version: which batchgate this is, and the libraries it runs with. */
#include "handlers/version.h"

#include <string.h>

#include "batch/batch.h"
#include "common/config_node.h"
#include "common/digest.h"
#include "handlers/answer.h"
#include "handlers/routes.h"
#include "pool/decode.h"
#include "pool/resolver.h"
#include "pool/transport.h"
#include "server/http_server.h"

void version_libraries(struct library ret_libraries[VERSION_LIBRARIES])
{
	const struct library libraries[VERSION_LIBRARIES] = {
		{"libmicrohttpd", http_server_library_version()},
		{"libcurl", transport_library_version()},
		{"c-ares", resolver_library_version()},
		{"jansson", batch_library_version()},
		{"libyaml", config_node_library_version()},
		{"zlib", decode_library_version()},
		{"openssl", digest_library_version()},
	};

	memcpy(ret_libraries, libraries, sizeof libraries);
}

static void render(struct buf *out)
{
	struct library libraries[VERSION_LIBRARIES];

	version_libraries(libraries);
	buf_add_char(out, '{');
	answer_add_text(out, "version", BATCHGATE_VERSION);
	buf_adds(out, ",\"libraries\":{");
	for (size_t i = 0; i < VERSION_LIBRARIES; i++) {
		if (i)
			buf_add_char(out, ',');
		answer_add_text(out, libraries[i].name, libraries[i].version);
	}
	buf_adds(out, "}}\n");
}

static void run(void *service, struct exchange *ex)
{
	struct buf out;

	(void)service;
	answer_init(&out);
	render(&out);
	answer_send(ex, "application/json", &out);
}

const struct route version_route = {
	.method = "GET",
	.path = "/version",
	.operation = "getVersion",
	.access = ROUTE_OPEN,
	.run = run,
};
