/* test_heap.c - timers come out in the order of their times, however they were set, moved and
 * removed. */

#include "common/clock.h"
#include "common/heap.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

enum { COUNT = 300 };

static uint64_t state = 88172645463325252u;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void check_order(const struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		ck_assert_uint_eq(heap->nodes[i]->place, i + 1);
		if (i > 0)
			ck_assert_uint_le(
				heap->nodes[(i + 1) / 2 - 1]->due_us, heap->nodes[i]->due_us);
	}
}

START_TEST(an_empty_heap_is_never_due)
{
	struct heap heap;
	struct heap_node node = {0};

	heap_init(&heap);
	ck_assert_ptr_null(heap_first(&heap));
	ck_assert_uint_eq(heap_due(&heap), CLOCK_NEVER);
	heap_remove(&heap, &node); /* not there: nothing */
	ck_assert_int_eq(heap_reserve(&heap, 1), ERR_OK);
	heap_set(&heap, &node, 7);
	ck_assert_uint_eq(heap_due(&heap), 7);
	heap_remove(&heap, &node);
	ck_assert_uint_eq(node.place, 0);
	ck_assert_uint_eq(heap_due(&heap), CLOCK_NEVER);
	heap_free(&heap);
}
END_TEST

START_TEST(timers_come_out_in_order_after_any_mixture_of_moves)
{
	struct heap heap;
	struct heap_node nodes[COUNT] = {0};
	uint64_t last = 0;
	size_t there = 0;

	heap_init(&heap);
	ck_assert_int_eq(heap_reserve(&heap, COUNT), ERR_OK);
	for (int step = 0; step < 3000; step++) {
		struct heap_node *node = &nodes[draw() % COUNT];

		if (draw() % 3 == 0) {
			there -= node->place != 0;
			heap_remove(&heap, node);
		} else {
			there += node->place == 0;
			heap_set(&heap, node, draw() % 50); /* many of the same time */
		}
		ck_assert_uint_eq(heap.count, there);
		if (step % 50 == 0)
			check_order(&heap);
	}
	check_order(&heap);
	while (heap.count > 0) {
		struct heap_node *first = heap_first(&heap);

		ck_assert_uint_eq(heap_due(&heap), first->due_us);
		ck_assert_uint_ge(first->due_us, last);
		last = first->due_us;
		heap_remove(&heap, first);
		there--;
	}
	ck_assert_uint_eq(there, 0);
	heap_free(&heap);
}
END_TEST

START_TEST(reserved_room_is_enough_and_without_memory_the_old_room_stays)
{
	struct heap heap;
	struct heap_node nodes[COUNT] = {0};

	heap_init(&heap);
	mem_fail_at(1);
	ck_assert_int_eq(heap_reserve(&heap, 1), ERR_NOMEM);
	ck_assert_int_eq(heap_reserve(&heap, 10), ERR_OK);
	for (size_t i = 0; i < 10; i++)
		heap_set(&heap, &nodes[i], 100 - i);
	mem_fail_at(1);
	ck_assert_int_eq(heap_reserve(&heap, 10), ERR_OK); /* nothing to allocate */
	ck_assert_int_eq(heap_reserve(&heap, COUNT), ERR_NOMEM);
	mem_fail_at(0);
	ck_assert_uint_eq(heap_due(&heap), 91);
	ck_assert_int_eq(heap_reserve(&heap, COUNT), ERR_OK);
	for (size_t i = 10; i < COUNT; i++)
		heap_set(&heap, &nodes[i], 1000 - i);
	check_order(&heap);
	ck_assert_uint_eq(heap_due(&heap), 91);
	heap_free(&heap);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, an_empty_heap_is_never_due);
	tcase_add_test(tests, timers_come_out_in_order_after_any_mixture_of_moves);
	tcase_add_test(tests, reserved_room_is_enough_and_without_memory_the_old_room_stays);
	return check_run("heap", tests);
}
