/* test_list.c - the intrusive list against an array that does the same. */

#include "common/list.h"

#include "tests/harness/check_main.h"

struct thing {
	int number;
	struct list_node link;
};

static void check_is(const struct list_node *head, const int *numbers, size_t count)
{
	const struct list_node *node = head->next;

	for (size_t i = 0; i < count; i++, node = node->next) {
		ck_assert_ptr_ne(node, head);
		ck_assert_int_eq(LIST_OF(node, const struct thing, link)->number, numbers[i]);
		ck_assert_ptr_eq(node->next->prev, node);
	}
	ck_assert_ptr_eq(node, head);
	ck_assert_int_eq(list_empty(head), count == 0);
}

START_TEST(things_leave_from_the_front_in_the_order_they_were_put)
{
	struct list_node head;
	struct thing a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

	list_init(&head);
	check_is(&head, NULL, 0);
	list_push_back(&head, &b.link);
	list_push_back(&head, &c.link);
	list_push_front(&head, &a.link);
	check_is(&head, (int[]){1, 2, 3}, 3);
	ck_assert_ptr_eq(list_pop(&head), &a.link);
	ck_assert(!list_linked(&a.link));
	check_is(&head, (int[]){2, 3}, 2);
	ck_assert_ptr_eq(list_pop(&head), &b.link);
	ck_assert_ptr_eq(list_pop(&head), &c.link);
	ck_assert_ptr_null(list_pop(&head));
}
END_TEST

START_TEST(removing_works_anywhere_and_twice_and_on_a_zeroed_node)
{
	struct list_node head;
	struct thing a = {.number = 1}, b = {.number = 2}, c = {.number = 3},
		     zeroed = {.number = 4};

	list_init(&head);
	list_push_back(&head, &a.link);
	list_push_back(&head, &b.link);
	list_push_back(&head, &c.link);
	list_insert_after(&a.link, &zeroed.link);
	check_is(&head, (int[]){1, 4, 2, 3}, 4);
	list_remove(&zeroed.link);
	list_remove(&b.link);
	list_remove(&b.link);
	check_is(&head, (int[]){1, 3}, 2);
	zeroed = (struct thing){0};
	ck_assert(!list_linked(&zeroed.link));
	list_remove(&zeroed.link);
	list_remove(&c.link);
	ck_assert(list_linked(&a.link)); /* the only one: its neighbours are the head */
	list_remove(&a.link);
	check_is(&head, NULL, 0);
}
END_TEST

START_TEST(moving_appends_everything_and_leaves_an_empty_list)
{
	struct list_node to, from;
	struct thing things[5];

	list_init(&to);
	list_init(&from);
	list_move_all(&to, &from);
	check_is(&to, NULL, 0);
	for (int i = 0; i < 5; i++) {
		things[i].number = i;
		list_push_back(i < 2 ? &to : &from, &things[i].link);
	}
	list_move_all(&to, &from);
	check_is(&from, NULL, 0);
	check_is(&to, (int[]){0, 1, 2, 3, 4}, 5);
	list_move_all(&from, &to); /* into an empty one */
	check_is(&from, (int[]){0, 1, 2, 3, 4}, 5);
	check_is(&to, NULL, 0);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, things_leave_from_the_front_in_the_order_they_were_put);
	tcase_add_test(tests, removing_works_anywhere_and_twice_and_on_a_zeroed_node);
	tcase_add_test(tests, moving_appends_everything_and_leaves_an_empty_list);
	return check_run("list", tests);
}
