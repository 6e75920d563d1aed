/* mem.h - allocation, and the budget that bounds what requests may hold.
 *
 * Before the server listens, no memory stops the process (`mem_new`); from then on every allocation
 * may fail (`mem_try`) and becomes ERR_NOMEM. All of these are for any thread. */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void mem_setup(void); /* once, before the first thread: what is freed goes back to the system */
void *mem_new(size_t size); /* zeroed; never NULL: aborts */
void *mem_try(size_t size); /* zeroed, or NULL */
/* As realloc: NULL leaves `old` as it was; new bytes are not zeroed. */
void *mem_resize(void *old, size_t size);
char *mem_copy(const void *from, size_t len); /* a copy with a NUL behind it, or NULL */
char *mem_print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* or NULL */
void mem_free(void *ptr);                                                    /* NULL is fine */
void mem_wipe(void *ptr, size_t len); /* zeroes in a way the compiler keeps; for secrets */

/* Tests: the n-th allocation from now fails (1 = the next), once; 0 switches this off. True if one
 * failed since. */
void mem_fail_at(unsigned long n);
bool mem_failed(void);

/* `limits.memory`: bodies being read, parsed items, answers being received and results held, over
 * all requests. What is freed is given back after it is freed: when much less is held than there
 * was, mem_give makes the heap return its free pages, so that the process follows the budget down.
 *
 * A part of `limits.memory` is kept from requests for the process itself (code, threads, libraries,
 * what the heap has not returned yet): see mem_for_requests. */
struct mem_budget {
	atomic_size_t used; /* bytes */
	atomic_size_t high; /* the most since the heap's free pages were last returned */
	size_t limit;       /* bytes; 0: none */
};

size_t mem_for_requests(size_t memory); /* an eighth less, 24 MiB less at most; 0 stays 0 */
size_t mem_block(size_t size); /* what the heap takes for a block of `size`; to charge small ones */
/* False, and nothing taken, where it does not fit; NULL budget: true. */
bool mem_take(struct mem_budget *budget, size_t bytes);
/* As mem_take, for what can no longer be refused: always fits. */
void mem_owe(struct mem_budget *budget, size_t bytes);
void mem_give(struct mem_budget *budget, size_t bytes);
size_t mem_used(struct mem_budget *budget);
size_t mem_left(struct mem_budget *budget); /* NULL or without a limit: SIZE_MAX */
#endif
