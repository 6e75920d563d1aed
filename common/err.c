/* err.c - one error type for the whole program: a code by value and, where a person reads it, a
 * sentence. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cut sentence must not end in half a character: it may be put into JSON. */
static void cut_at_character(char *text)
{
	size_t len = strlen(text), back = 0;

	while (back < len && back < 4 && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0xC0)
		text[len - 1 - back] = '\0';
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list args;
	int len;

	if (!err)
		return code;
	err->code = code;
	va_start(args, fmt);
	len = vsnprintf(err->detail, sizeof err->detail, fmt, args);
	va_end(args);
	if (len >= (int)sizeof err->detail)
		cut_at_character(err->detail);
	return code;
}

const char *err_text(enum err_code code)
{
	static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
		ERR_CODES(X)
#undef X
	};

	return (size_t)code < sizeof texts / sizeof *texts ? texts[code] : "unknown";
}

_Noreturn void err_panic(const char *what, const char *file, int line)
{
	fprintf(stderr, "batchgate: bug: %s does not hold (%s:%d)\n", what, file, line);
	abort();
}
