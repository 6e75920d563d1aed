/* docs.c - the files of the API reference for browsers, and how they are sent. */
#include "handlers/docs.h"

#include <string.h>
#include <strings.h>

#include "handlers/embedded.h"

/* Nothing but what comes from here is loaded, run, or spoken to; icons lie in the style sheet. */
#define POLICY                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#ifdef BATCHGATE_DOCS
#define FILE_OF(name, type, from, gzip)                                                           \
	{                                                                                         \
		name, type, "", embedded_##from, &embedded_##from##_size, embedded_##from##_etag, \
			gzip                                                                      \
	}

const struct docs_file docs_page = FILE_OF("", "text/html; charset=utf-8", docs_page, false);

static const struct docs_file files[] = {
	FILE_OF("start.js", "text/javascript; charset=utf-8", docs_start, false),
	FILE_OF("swagger-ui-bundle.js", "text/javascript; charset=utf-8", docs_bundle, true),
	FILE_OF("swagger-ui.css", "text/css; charset=utf-8", docs_css, true),
	FILE_OF("LICENSE", "text/plain; charset=utf-8", docs_license, false),
	FILE_OF("NOTICE", "text/plain; charset=utf-8", docs_notice, false),
	FILE_OF("swagger-ui-bundle.js.LICENSE.txt", "text/plain; charset=utf-8",
		docs_bundle_license, false),
	{0},
};
#else
/* Who opens /docs reads the document itself, instead of being offered a file to save. */
const struct docs_file docs_page = {
	.name = "",
	.content_type = "text/plain; charset=utf-8",
	.before = "# This batchgate was built without the API reference for browsers. Here is the "
		  "document it shows, as at /openapi.yaml.\n",
	.bytes = embedded_openapi_yaml,
	.size = &embedded_openapi_yaml_size,
	.etag = embedded_openapi_yaml_etag,
};

static const struct docs_file files[] = {{0}};
#endif

const struct docs_file *docs_find(const char *name)
{
	for (const struct docs_file *file = files; file->name; file++)
		if (strcmp(file->name, name) == 0)
			return file;
	return NULL;
}

static bool is_zero(const char *quality)
{
	return *quality == '0' && strspn(quality + 1, ".0") == strcspn(quality + 1, " \t,;");
}

/* What Accept-Encoding says of gzip; NULL: the client said nothing, and takes everything. */
static bool takes_gzip(const char *accept)
{
	bool any = false, named = false, taken = false;

	if (!accept)
		return true;
	while (*accept) {
		size_t len;
		const char *q;
		bool yes;

		accept += strspn(accept, ", \t");
		len = strcspn(accept, ",; \t");
		q = accept + strcspn(accept, ",;");
		q += strspn(q, "; \t");
		yes = !(strncasecmp(q, "q=", 2) == 0 && is_zero(q + 2));
		if (len == 4 && strncasecmp(accept, "gzip", len) == 0) {
			named = true;
			taken = yes;
		} else if (len == 1 && *accept == '*') {
			any = yes;
		}
		accept += strcspn(accept, ",");
	}
	return named ? taken : any;
}

/* At most `max` bytes from `pos` on, which is less than `size`. */
static size_t copy(const void *from, size_t size, uint64_t pos, char *out, size_t max)
{
	size_t len = size - (size_t)pos;

	if (len > max)
		len = max;
	memcpy(out, (const char *)from + pos, len);
	return len;
}

static size_t read_file(void *self, uint64_t pos, char *out, size_t max)
{
	const struct docs_file *file = self;
	size_t before = strlen(file->before);

	if (pos < before)
		return copy(file->before, before, pos, out, max);
	pos -= before;
	return pos < *file->size ? copy(file->bytes, *file->size, pos, out, max) : 0;
}

static void refuse(struct exchange *ex)
{
	struct problem problem;

	problem_init(&problem);
	problem_set(&problem, PROBLEM_NOT_ACCEPTABLE,
		"what there is: gzip; this file needs Accept-Encoding: gzip");
	exchange_reply_problem(ex, &problem);
}

void docs_reply(struct exchange *ex, const struct docs_file *file)
{
	const struct http_source source = {
		.self = (void *)(uintptr_t)file,
		.size = strlen(file->before) + *file->size,
		.read = read_file,
	};
	const char *known = exchange_header(ex, "If-None-Match");

	if (file->gzip) {
		exchange_set_header(ex, "Vary", "Accept-Encoding");
		if (!takes_gzip(exchange_header(ex, "Accept-Encoding"))) {
			refuse(ex);
			return;
		}
	}
	exchange_set_header(ex, "Cache-Control", "no-cache");
	exchange_set_header(ex, "Content-Security-Policy", POLICY);
	exchange_set_header(ex, "ETag", file->etag);
	exchange_set_header(ex, "Referrer-Policy", "no-referrer");
	exchange_set_header(ex, "X-Content-Type-Options", "nosniff");
	if (file->gzip)
		exchange_set_header(ex, "Content-Encoding", "gzip");
	/* The size goes along with 304 too, as with HEAD; no byte of it does. */
	if (known && (strcmp(known, "*") == 0 || strstr(known, file->etag)))
		exchange_reply_source(ex, 304, NULL, &source);
	else
		exchange_reply_source(ex, 200, file->content_type, &source);
}
