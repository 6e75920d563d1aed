/* heap.h - timers: a binary heap of nodes that live in the things that wait. One owner, one lock or
 * thread.
 *
 * Room is reserved beforehand, so that setting a timer never fails. */
#ifndef COMMON_HEAP_H
#define COMMON_HEAP_H
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct heap_node {
	uint64_t due_us;
	size_t place;  /* 1-based; 0: not in the heap */
	unsigned kind; /* the owner's: what it is embedded in */
};

struct heap {
	struct heap_node **nodes;
	size_t count, capacity;
};

void heap_init(struct heap *heap);
void heap_free(struct heap *heap);
enum err_code heap_reserve(struct heap *heap, size_t capacity) MUST_CHECK; /* ERR_NOMEM */
/* Inserts, or moves one that is there. */
void heap_set(struct heap *heap, struct heap_node *node, uint64_t due_us);
void heap_remove(struct heap *heap, struct heap_node *node); /* not there: nothing */
struct heap_node *heap_first(const struct heap *heap);       /* NULL where empty */
uint64_t heap_due(const struct heap *heap); /* of the first; CLOCK_NEVER where empty */
#endif
