/* err_check.h - every failure is told: makes each allocation of a function fail, one after the
 * other, and looks at what its `struct err` says. */
#ifndef TESTS_UNIT_COMMON_ERR_CHECK_H
#define TESTS_UNIT_COMMON_ERR_CHECK_H
#include <check.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#define ERR_CHECK_UNWRITTEN "nobody wrote this"

static inline struct err err_check_begin(void)
{
	return (struct err){.code = ERR_OK, .detail = ERR_CHECK_UNWRITTEN};
}

/* What was returned is what `err` says, and there is a sentence. */
static inline void err_check_told(const struct err *err, enum err_code code)
{
	ck_assert_int_ne(code, ERR_OK);
	ck_assert_int_eq(err->code, code);
	ck_assert_str_ne(err->detail, "");
	ck_assert_str_ne(err->detail, ERR_CHECK_UNWRITTEN);
}

/* `make` does it and undoes it. Gives the number of allocations without which it failed. */
static inline unsigned err_check(enum err_code (*make)(struct err *err))
{
	unsigned failures = 0;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		struct err err = err_check_begin();
		enum err_code code;

		ck_assert_uint_lt(n, 1000);
		mem_fail_at(n);
		code = make(&err);
		failed = mem_failed();
		mem_fail_at(0);
		if (code == ERR_OK)
			continue;
		ck_assert(failed);
		err_check_told(&err, code);
		failures++;
	}
	return failures;
}
#endif
