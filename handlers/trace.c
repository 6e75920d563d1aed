/* trace.c - W3C Trace Context: is a `traceparent` fit to be passed on? */
#include "handlers/trace.h"

#include <stddef.h>
#include <string.h>

enum { PARENT_BYTES = 55, STATE_MAX_BYTES = 512 };

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

static bool is_id(const char *text, size_t len)
{
	return is_hex(text, len) && strspn(text, "0") < len;
}

static bool is_printable(const char *value)
{
	while (*value >= 0x20 && *value <= 0x7e)
		value++;
	return *value == '\0';
}

/* version "-" trace-id "-" parent-id "-" flags: 2, 32, 16 and 2 lower-case digits */
bool trace_parent_valid(const char *value)
{
	size_t len = value ? strnlen(value, STATE_MAX_BYTES + 1) : 0;

	if (len < PARENT_BYTES || len > STATE_MAX_BYTES)
		return false;
	if (value[2] != '-' || value[35] != '-' || value[52] != '-')
		return false;
	if (!is_hex(value, 2) || !is_id(value + 3, 32) || !is_id(value + 36, 16) ||
		!is_hex(value + 53, 2))
		return false;
	if (memcmp(value, "ff", 2) == 0)
		return false;
	if (len == PARENT_BYTES)
		return true;
	return memcmp(value, "00", 2) != 0 && value[PARENT_BYTES] == '-' && is_printable(value);
}

bool trace_state_valid(const char *value)
{
	size_t len = value ? strnlen(value, STATE_MAX_BYTES + 1) : 0;

	return len > 0 && len <= STATE_MAX_BYTES && is_printable(value);
}
