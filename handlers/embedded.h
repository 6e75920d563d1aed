/* embedded.h - files that are part of the binary; cmake/embed.cmake makes the definitions. */
#ifndef HANDLERS_EMBEDDED_H
#define HANDLERS_EMBEDDED_H
#include <stddef.h>

extern const unsigned char embedded_openapi_yaml[];
extern const size_t embedded_openapi_yaml_size; /* bytes */
#endif
