/* test_mem.c - the budget holds, charges what the heap takes, and brings free pages back. */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/harness/check_main.h"

enum { MIB = 1024 * 1024, BLOCKS = 100000, BLOCK_BYTES = 500 };

START_TEST(a_block_is_charged_at_no_less_than_the_heap_takes)
{
	for (size_t size = 0; size < 5000; size++) {
		void *block = mem_try(size);

		ck_assert_uint_ge(mem_block(size), malloc_usable_size(block) + sizeof(size_t));
		ck_assert_uint_le(mem_block(size), size + 32);
		mem_free(block);
	}
	for (size_t size = 100000; size < 600000; size += 1021) {
		void *block = mem_try(size);

		ck_assert_uint_ge(mem_block(size), malloc_usable_size(block) + sizeof(size_t));
		ck_assert_uint_le(mem_block(size), size + 4096 + 32);
		mem_free(block);
	}
}
END_TEST

START_TEST(a_part_of_the_limit_is_the_processs_own)
{
	ck_assert_uint_eq(mem_for_requests(0), 0);
	ck_assert_uint_eq(mem_for_requests(64 * 1024), 56 * 1024);
	ck_assert_uint_eq(mem_for_requests(128 * (size_t)MIB), 112 * (size_t)MIB);
	ck_assert_uint_eq(mem_for_requests(512 * (size_t)MIB), 488 * (size_t)MIB);
}
END_TEST

START_TEST(what_does_not_fit_is_not_taken_unless_it_is_owed)
{
	struct mem_budget budget = {.limit = 1000};

	ck_assert(mem_take(&budget, 1000));
	ck_assert(!mem_take(&budget, 1));
	ck_assert_uint_eq(mem_used(&budget), 1000);
	mem_owe(&budget, 500);
	ck_assert_uint_eq(mem_used(&budget), 1500);
	mem_give(&budget, 1000);
	ck_assert(!mem_take(&budget, 501));
	ck_assert(mem_take(&budget, 500));
	mem_give(&budget, 1000);
	ck_assert_uint_eq(mem_used(&budget), 0);
	ck_assert(mem_take(NULL, SIZE_MAX));
	mem_owe(NULL, SIZE_MAX);
	mem_give(NULL, SIZE_MAX);
}
END_TEST

/* A sanitizer brings a heap of its own, which keeps what is free: this is about glibc's. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long all = 0, resident = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu %lu", &all, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* One block that stays, at the very top, is enough for glibc to keep all that is free below it. */
START_TEST(free_pages_below_a_block_that_stays_go_back_to_the_system)
{
	static void *blocks[BLOCKS];
	struct mem_budget budget = {.limit = 128 * (size_t)MIB};
	size_t before, charged = 0;
	void *stays;

	mem_setup();
	before = resident();
	for (size_t i = 0; i < BLOCKS; i++) {
		ck_assert(mem_take(&budget, mem_block(BLOCK_BYTES)));
		blocks[i] = mem_try(BLOCK_BYTES);
	}
	stays = mem_try(BLOCK_BYTES);
	ck_assert_uint_ge(resident(), before + BLOCKS * BLOCK_BYTES);
	for (size_t i = 0; i < BLOCKS; i++) {
		mem_free(blocks[i]);
		charged += mem_block(BLOCK_BYTES);
		if (i % 1000 == 999) {
			mem_give(&budget, charged);
			charged = 0;
		}
	}
	ck_assert_uint_eq(mem_used(&budget), 0);
	ck_assert_uint_le(resident(), before + 8 * (size_t)MIB);
	mem_free(stays);
}
END_TEST
#endif

int main(void)
{
	const TTest *const tests[] = {
		a_block_is_charged_at_no_less_than_the_heap_takes,
		a_part_of_the_limit_is_the_processs_own,
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		free_pages_below_a_block_that_stays_go_back_to_the_system,
#endif
		what_does_not_fit_is_not_taken_unless_it_is_owed
	};

	return check_main("mem", tests, sizeof tests / sizeof *tests);
}
