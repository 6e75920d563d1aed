/* mem.c - allocation, and the budget that bounds what requests may hold. */
#include "common/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

static atomic_ulong fail_countdown; /* tests only; 0: off */
static atomic_bool fail_happened;

/* Bodies come and go by the megabyte. Left alone, glibc moves its thresholds up with the first of
 * them and keeps what is freed in its arenas: the process would hold twice what the budget says. */
void mem_setup(void)
{
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
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

bool mem_take(struct mem_budget *budget, size_t bytes)
{
	size_t used;

	if (!budget)
		return true;
	used = atomic_fetch_add(&budget->used, bytes) + bytes;
	if (budget->limit == 0 || used <= budget->limit)
		return true;
	atomic_fetch_sub(&budget->used, bytes);
	return false;
}

void mem_give(struct mem_budget *budget, size_t bytes)
{
	if (budget && bytes)
		REQUIRE(atomic_fetch_sub(&budget->used, bytes) >= bytes);
}

size_t mem_used(struct mem_budget *budget)
{
	return atomic_load(&budget->used);
}
