/* err.c - one error type for the whole program: a code by value and, where a person reads it, a
 * sentence. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/utf8.h"

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list args;
	size_t shown;
	int len;

	if (!err)
		return code;
	err->code = code;
	va_start(args, fmt);
	len = vsnprintf(err->detail, sizeof err->detail, fmt, args);
	va_end(args);
	/* It may be put into JSON. */
	shown = len > 0 ? utf8_cut(err->detail, (size_t)len, sizeof err->detail - 1) : 0;
	err->detail[shown] = '\0';
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
