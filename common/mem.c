/* mem.c - allocation, and the budget that bounds what requests may hold. */
#include "common/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

enum {
	RESERVE_SHARE = 8, /* of limits.memory is the process's own; it needs about 12 MiB, the rest
			      is for the heap's free pages and connections */
	RESERVE_MOST = 24 * 1024 * 1024,
	SLACK_SHARE = 32, /* of the budget may lie free in the heap */
	SLACK_MOST = 8 * 1024 * 1024,
	BLOCK_HEADER = 8,
	BLOCK_LEAST = 32,
	BLOCK_STEP = 16,
	PAGES_FROM = 128 * 1024, /* what is as large may have pages of its own */
	PAGE_BYTES = 4096,
	MMAP_THRESHOLD = 256 * 1024,
	END_BYTES = 128 * 1024 /* large for glibc, and not mapped by itself */
};

static atomic_ulong fail_countdown; /* tests only; 0: off */
static atomic_bool fail_happened;

/* Bodies come and go by the megabyte. Left alone, glibc moves its thresholds up with the first of
 * them and keeps what is freed in its arenas: the process would hold twice what the budget says. */
void mem_setup(void)
{
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
	mallopt(M_ARENA_MAX, 4);
}

static bool fails_now(void)
{
	if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
		return false;
	if (atomic_fetch_sub(&fail_countdown, 1) != 1)
		return false;
	atomic_store(&fail_happened, true);
	return true;
}

void mem_fail_at(unsigned long n)
{
	atomic_store(&fail_happened, false);
	atomic_store(&fail_countdown, n);
}

bool mem_failed(void)
{
	return atomic_load(&fail_happened);
}

void *mem_try(size_t size)
{
	return fails_now() ? NULL : calloc(1, size ? size : 1);
}

void *mem_new(size_t size)
{
	void *ptr = calloc(1, size ? size : 1);

	REQUIRE(ptr != NULL);
	return ptr;
}

void *mem_resize(void *old, size_t size)
{
	return fails_now() ? NULL : realloc(old, size ? size : 1);
}

char *mem_copy(const void *from, size_t len)
{
	char *copy = fails_now() ? NULL : malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, from, len);
	copy[len] = '\0';
	return copy;
}

char *mem_print(const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	if (fails_now())
		return NULL;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

void mem_free(void *ptr)
{
	free(ptr);
}

void mem_wipe(void *ptr, size_t len)
{
	explicit_bzero(ptr, len);
}

size_t mem_for_requests(size_t memory)
{
	size_t reserve = memory / RESERVE_SHARE;

	return memory - (reserve < RESERVE_MOST ? reserve : RESERVE_MOST);
}

size_t mem_block(size_t size)
{
	size_t block;

	if (size >= PAGES_FROM)
		return (size + 2 * BLOCK_HEADER + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	block = (size + BLOCK_HEADER + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP;
	return block < BLOCK_LEAST ? BLOCK_LEAST : block;
}

static void note_high(struct mem_budget *budget, size_t used)
{
	size_t high = atomic_load_explicit(&budget->high, memory_order_relaxed);

	while (used > high && !atomic_compare_exchange_weak_explicit(&budget->high, &high, used,
				      memory_order_relaxed, memory_order_relaxed))
		continue;
}

bool mem_take(struct mem_budget *budget, size_t bytes)
{
	size_t used;

	if (!budget)
		return true;
	used = atomic_fetch_add(&budget->used, bytes) + bytes;
	if (budget->limit == 0 || used <= budget->limit) {
		note_high(budget, used);
		return true;
	}
	atomic_fetch_sub(&budget->used, bytes);
	return false;
}

void mem_owe(struct mem_budget *budget, size_t bytes)
{
	if (budget)
		note_high(budget, atomic_fetch_add(&budget->used, bytes) + bytes);
}

static size_t slack_of(const struct mem_budget *budget)
{
	size_t share = budget->limit / SLACK_SHARE;

	return share == 0 || share > SLACK_MOST ? SLACK_MOST : share;
}

/* glibc's own: joining small free blocks to the end of an arena does not return that end, the next
 * large block that is freed does. */
static void trim(void)
{
	void *block = malloc(END_BYTES);

	malloc_trim(0);
	if (block)
		mem_wipe(block, 1); /* else the compiler leaves it all out */
	free(block);
}

/* Small blocks of many threads lie mixed in a few arenas: one that is still held keeps glibc from
 * returning all the free ones below it. Pages that are free as a whole go back here; rarely, since
 * it takes a walk through the arenas. */
static void return_pages(struct mem_budget *budget, size_t used)
{
	size_t high = atomic_load_explicit(&budget->high, memory_order_relaxed);

	if (high <= used || high - used <= slack_of(budget))
		return;
	if (atomic_compare_exchange_strong(&budget->high, &high, used)) /* one thread does it */
		trim();
}

void mem_give(struct mem_budget *budget, size_t bytes)
{
	size_t before;

	if (!budget || bytes == 0)
		return;
	before = atomic_fetch_sub(&budget->used, bytes);
	REQUIRE(before >= bytes);
	return_pages(budget, before - bytes);
}

size_t mem_used(struct mem_budget *budget)
{
	return atomic_load(&budget->used);
}

size_t mem_left(struct mem_budget *budget)
{
	size_t used;

	if (!budget || !budget->limit)
		return SIZE_MAX;
	used = atomic_load(&budget->used);
	return used < budget->limit ? budget->limit - used : 0;
}
