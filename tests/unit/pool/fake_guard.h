/* fake_guard.h - stands in for pool/guard.c, which is none of the scheduler's business but for its
 * references: these are counted.
 *
 * It defines what pool/guard.c defines, and so is included by one file of a program, and by none
 * that uses the real guard. */
#ifndef TESTS_UNIT_POOL_FAKE_GUARD_H
#define TESTS_UNIT_POOL_FAKE_GUARD_H
#include "tests/unit/pool/fakeworld.h"

size_t fake_guard_refs;

struct guard *guard_ref(struct guard *guard)
{
	fake_guard_refs++;
	return guard;
}

void guard_unref(struct guard *guard)
{
	(void)guard;
	ck_assert_uint_gt(fake_guard_refs, 0);
	fake_guard_refs--;
}
#endif
