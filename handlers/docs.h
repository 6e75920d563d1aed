/* docs.h - the files of the API reference for browsers, and how they are sent.
 *
 * Any thread. Nothing is copied: they are read from the binary as fast as the client takes them. */
#ifndef HANDLERS_DOCS_H
#define HANDLERS_DOCS_H
#include <stdbool.h>
#include <stddef.h>

#include "server/http.h"

struct docs_file { /* constant */
	const char *name, *content_type;
	const char *before; /* a text that stands in front of the bytes */
	const unsigned char *bytes;
	const size_t *size;
	const char *etag;
	bool gzip; /* it lies there compressed */
};

extern const struct docs_file docs_page;

const struct docs_file *docs_find(const char *name); /* NULL: none, or built without them */
/* 200, 304 for who has it, or 406 for who takes no gzip where there is nothing else. */
void docs_reply(struct exchange *ex, const struct docs_file *file);
#endif
