/* heap.c - timers: a binary heap of nodes that live in the things that wait. */
#include "common/heap.h"

#include "common/clock.h"
#include "common/mem.h"

void heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void heap_free(struct heap *heap)
{
	mem_free(heap->nodes);
	heap_init(heap);
}

enum err_code heap_reserve(struct heap *heap, size_t capacity)
{
	size_t larger = heap->capacity ? heap->capacity : 64;
	struct heap_node **nodes;

	if (capacity <= heap->capacity)
		return ERR_OK;
	while (larger < capacity)
		larger *= 2;
	nodes = mem_resize(heap->nodes, larger * sizeof(struct heap_node *));
	if (!nodes)
		return ERR_NOMEM;
	heap->nodes = nodes;
	heap->capacity = larger;
	return ERR_OK;
}

static void put(struct heap *heap, size_t place, struct heap_node *node)
{
	heap->nodes[place - 1] = node;
	node->place = place;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
	size_t place = node->place;

	while (place > 1 && heap->nodes[place / 2 - 1]->due_us > node->due_us) {
		put(heap, place, heap->nodes[place / 2 - 1]);
		place /= 2;
	}
	put(heap, place, node);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
	size_t place = node->place;

	for (;;) {
		size_t child = place * 2;

		if (child > heap->count)
			break;
		if (child < heap->count &&
			heap->nodes[child]->due_us < heap->nodes[child - 1]->due_us)
			child++;
		if (heap->nodes[child - 1]->due_us >= node->due_us)
			break;
		put(heap, place, heap->nodes[child - 1]);
		place = child;
	}
	put(heap, place, node);
}

void heap_set(struct heap *heap, struct heap_node *node, uint64_t due_us)
{
	node->due_us = due_us;
	if (node->place == 0) {
		REQUIRE(heap->count < heap->capacity);
		put(heap, ++heap->count, node);
	}
	sift_up(heap, node);
	sift_down(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *last;
	size_t place = node->place;

	if (place == 0)
		return;
	last = heap->nodes[heap->count - 1];
	heap->count--;
	node->place = 0;
	if (last == node)
		return;
	put(heap, place, last);
	sift_up(heap, last);
	sift_down(heap, last);
}

struct heap_node *heap_first(const struct heap *heap)
{
	return heap->count ? heap->nodes[0] : NULL;
}

uint64_t heap_due(const struct heap *heap)
{
	return heap->count ? heap->nodes[0]->due_us : CLOCK_NEVER;
}
