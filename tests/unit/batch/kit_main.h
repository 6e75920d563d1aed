/* kit_main.h - the main function of tests that share one kit. */
#ifndef TESTS_UNIT_BATCH_KIT_MAIN_H
#define TESTS_UNIT_BATCH_KIT_MAIN_H
#include "tests/harness/check_main.h"
#include "tests/unit/batch/kit.h"

/* Makes the kit before the first test and frees it after the last. */
static inline int kit_main(
	struct kit *kit, const char *name, const TTest *const *tests, size_t count)
{
	int failed;

	kit_init(kit);
	failed = check_main(name, tests, count);
	kit_free(kit);
	return failed;
}
#endif
