/* version.h - GET /version: which batchgate this is, and the libraries it runs with.
 *
 * Each version is told by the file that owns the library. Any thread. */
#ifndef HANDLERS_VERSION_H
#define HANDLERS_VERSION_H
enum { VERSION_LIBRARIES = 7 };

struct library { /* static texts */
	const char *name, *version;
};

void version_libraries(struct library ret_libraries[VERSION_LIBRARIES]);
#endif
