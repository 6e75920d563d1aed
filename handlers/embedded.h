/* embedded.h - files that are part of the binary; cmake/embed.cmake makes the definitions. */
#ifndef HANDLERS_EMBEDDED_H
#define HANDLERS_EMBEDDED_H
#include <stddef.h>

/* NAME, NAME_size (bytes), NAME_etag (as it stands in the field, quoted). */
#define EMBEDDED(name)                                \
	extern const unsigned char embedded_##name[]; \
	extern const size_t embedded_##name##_size;   \
	extern const char embedded_##name##_etag[]

EMBEDDED(openapi_yaml);

/* Where BATCHGATE_DOCS is defined only. */
EMBEDDED(docs_page);
EMBEDDED(docs_start);
EMBEDDED(docs_css);    /* gzip */
EMBEDDED(docs_bundle); /* gzip */
EMBEDDED(docs_bundle_license);
EMBEDDED(docs_license);
EMBEDDED(docs_notice);
#undef EMBEDDED
#endif
