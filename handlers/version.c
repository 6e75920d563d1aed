/* version.c - GET /version: which batchgate this is, and the libraries it runs with. */
#include "handlers/version.h"

#include <stdio.h>
#include <string.h>

#include <ares.h>
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <yaml.h>
#include <zlib.h>

#include "handlers/routes.h"

enum { BODY_MAX_BYTES = 4096 };

void version_libraries(struct library ret_libraries[VERSION_LIBRARIES])
{
	const struct library libraries[VERSION_LIBRARIES] = {
		{"libmicrohttpd", MHD_get_version()},
		{"libcurl", curl_version_info(CURLVERSION_NOW)->version},
		{"c-ares", ares_version(NULL)},
		{"jansson", jansson_version_str()},
		{"libyaml", yaml_get_version_string()},
		{"zlib", zlibVersion()},
		{"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
	};

	memcpy(ret_libraries, libraries, sizeof libraries);
}

/* libmicrohttpd 1.0.5 is the first that refuses every field that must not come twice. */
bool version_http_strict(void)
{
	unsigned major = 0, minor = 0, patch = 0;

	if (sscanf(MHD_get_version(), "%u.%u.%u", &major, &minor, &patch) < 2)
		return false;
	if (major != 1)
		return major > 1;
	return minor > 0 || patch >= 5;
}

static void add_member(struct buf *out, const char *name, const char *value)
{
	buf_add_json_string(out, name, strlen(name));
	buf_adds(out, ": ");
	buf_add_json_string(out, value, strlen(value));
}

static void render(struct buf *out)
{
	struct library libraries[VERSION_LIBRARIES];

	version_libraries(libraries);
	buf_add_char(out, '{');
	add_member(out, "version", BATCHGATE_VERSION);
	buf_adds(out, ", \"libraries\": {");
	for (size_t i = 0; i < VERSION_LIBRARIES; i++) {
		if (i)
			buf_adds(out, ", ");
		add_member(out, libraries[i].name, libraries[i].version);
	}
	buf_adds(out, "}}\n");
}

static void run(void *service, struct exchange *ex)
{
	struct problem problem;
	struct buf out;

	(void)service;
	buf_init(&out, BODY_MAX_BYTES);
	render(&out);
	if (!out.failed) {
		exchange_reply_buf(ex, 200, "application/json", &out);
		return;
	}
	buf_free(&out);
	problem_init(&problem);
	problem_set(&problem, PROBLEM_MEMORY_FULL, "no memory for the answer; try again shortly");
	exchange_reply_problem(ex, &problem);
}

const struct route version_route = {
	.method = "GET",
	.path = "/version",
	.operation = "getVersion",
	.access = ROUTE_OPEN,
	.run = run,
};
