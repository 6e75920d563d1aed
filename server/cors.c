/* cors.c - which web origins may read the answers (server.cors_origins). */
#include "server/cors.h"

#include <string.h>

static bool lists(const struct config_strings *origins, const char *text)
{
	for (size_t i = 0; i < origins->count; i++)
		if (strcmp(origins->items[i], text) == 0)
			return true;
	return false;
}

const char *cors_origin(const struct config_strings *origins, const char *origin)
{
	if (!origin)
		return NULL;
	if (lists(origins, "*"))
		return "*";
	return lists(origins, origin) ? origin : NULL;
}

bool cors_varies(const struct config_strings *origins)
{
	return origins->count > 0 && !lists(origins, "*");
}
