/* version.h - GET /version: which batchgate this is, and the libraries it runs with.
 *
 * version.c is the one file beside each library's own that includes its header, for its version
 * alone. Any thread. */
#ifndef HANDLERS_VERSION_H
#define HANDLERS_VERSION_H
#include <stdbool.h>

enum { VERSION_LIBRARIES = 7 };

struct library { /* static texts */
	const char *name, *version;
};

void version_libraries(struct library ret_libraries[VERSION_LIBRARIES]);
/* Does the HTTP library itself refuse requests that two parsers read differently? */
bool version_http_strict(void);
#endif
