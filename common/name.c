/* name.c - names that people choose: of keys, endpoints, params and requests. */
#include "common/name.h"

#include <string.h>

size_t name_span(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
}

bool name_valid(const char *text)
{
	size_t len = name_span(text);

	return len >= 1 && len <= NAME_LENGTH_MAX && !text[len];
}
