/* err.h - one error type for the whole program: a code by value and, where a person reads it, a
 * sentence.
 *
 * Functions that can fail return `enum err_code`; ERR_OK is 0. The last parameter, `struct err *`,
 * takes the sentence and may be NULL: who has it fills it on each failure, with the code that is
 * returned, so that its caller may print it unseen. Output parameters (`ret_x`) are written only on
 * success. Text that came from outside is quoted and cut before it goes in; secrets never do. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, text */
#define ERR_CODES(X)                \
	X(OK, "no error")           \
	X(NOMEM, "out of memory")   \
	X(INVALID, "not valid")     \
	X(LIMIT, "past a limit")    \
	X(BUSY, "no room now")      \
	X(CLOSING, "shutting down") \
	X(NOT_FOUND, "not found")   \
	X(IO, "input or output failed")

enum err_code {
#define X(name, text) ERR_##name,
	ERR_CODES(X)
#undef X
};

struct err {
	enum err_code code;
	char detail[512]; /* always terminated; cut at a UTF-8 boundary */
};

/* Fills `err` (NULL is fine) and returns `code`, so that `return err_set(…)` is one statement. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *err_text(enum err_code code); /* static, never NULL */

/* Our bugs abort, in every build: REQUIRE says what must hold. The world's faults are errors
 * instead. */
#define REQUIRE(cond) ((cond) ? (void)0 : err_panic(#cond, __FILE__, __LINE__))
_Noreturn void err_panic(const char *what, const char *file, int line);
#endif
