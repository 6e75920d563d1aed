/* test_ready_window.c - how far a streamed batch may run ahead of its reader. */
#include "tests/unit/batch/ready_kit.h"

/* Four results of 1 MiB and what stands around them are more than READY_BYTES_MAX; it opens again
 * where not more than half of it waits. */
START_TEST(the_window_closes_when_much_waits_and_opens_at_half_of_it)
{
	start(10, "");
	ck_assert_uint_eq(fakepool.windows, 0);
	for (size_t i = 0; i < 3; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.windows, 0);
	end_large(3);
	ck_assert_uint_eq(fakepool.window, 0);
	end_large(4); /* was in flight */
	expect_result(0);
	expect_result(1);
	expect_result(2);
	ck_assert_uint_eq(fakepool.window, 0);
	ck_assert_uint_eq(fakepool.windows, 1);
	expect_result(3);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	ck_assert_uint_eq(fakepool.windows, 2);
	for (size_t i = 5; i < 7; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.windows, 2); /* above half, but it was open */
	end_large(7);
	ck_assert_uint_eq(fakepool.window, 0);
}
END_TEST

START_TEST(where_the_budget_runs_low_the_window_closes_earlier)
{
	start(10, "");
	kit.budget.limit = mem_used(&kit.budget) + 8 * LARGE_BYTES; /* a share is half of one */
	end_large(0);
	ck_assert_uint_eq(fakepool.window, 0);
	expect_result(0);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	kit.budget.limit = 0;
}
END_TEST

START_TEST(in_the_order_of_items_the_window_goes_along_in_steps)
{
	start(MANY, "\"order\":\"input\"");
	ck_assert_uint_eq(fakepool.window, READY_WINDOW);
	ck_assert_uint_eq(fakepool.windows, 1);
	for (size_t i = 1; i < READY_WINDOW; i++)
		end_small(i);
	ck_assert_uint_eq(fakepool.windows, 1); /* whatever completes: item 0 holds it */
	end_small(0);
	for (size_t i = 0; i < READY_WINDOW; i++) {
		expect_result(i);
		ck_assert_uint_gt(fakepool.window, i + 1);
		ck_assert_uint_le(fakepool.window, i + 1 + READY_WINDOW);
		ck_assert_uint_gt(fakepool.window, i + 1 + READY_WINDOW / 2);
	}
	ck_assert_uint_le(fakepool.windows, 6);
}
END_TEST

START_TEST(in_the_order_of_items_a_closed_window_leaves_the_next_one_in)
{
	start(10, "\"order\":\"input\"");
	for (size_t i = 1; i < 6; i++)
		end_large(i);
	ck_assert_uint_eq(fakepool.window, 1); /* item 0, on which all others wait */
	expect_state(READY_LATER);
	end_large(0);
	ck_assert_uint_eq(fakepool.window, 1);
	for (size_t i = 0; i < 4; i++) {
		expect_result(i);
		ck_assert_uint_eq(fakepool.window, i + 2);
	}
	expect_result(4); /* one waits */
	ck_assert_uint_eq(fakepool.window, 5 + READY_WINDOW);
}
END_TEST

START_TEST(refusals_that_fill_the_window_before_there_is_a_group_close_it)
{
	parse(9990, 250, 1, "");
	ck_assert_uint_eq(fakepool.windows, 0);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.window, 0);
	for (size_t i = 0; i < 9990; i++)
		expect_result(i);
	ck_assert_uint_eq(fakepool.window, UINT64_MAX);
	end_small(0);
	expect_result(9990);
	expect_state(READY_OVER);
}
END_TEST

START_TEST(refusals_before_the_group_leave_the_next_item_in)
{
	parse(9990, 250, 1, "\"order\":\"input\"");
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_uint_eq(fakepool.window, 1);
	for (size_t i = 0; i < 9990; i++) {
		expect_result(i);
		ck_assert_uint_gt(fakepool.window, i + 1);
	}
	end_small(0);
	expect_result(9990);
}
END_TEST

START_TEST(a_batch_that_the_pool_refused_moves_no_window_any_more)
{
	parse(3, 100, 2, "\"order\":\"input\"");
	fakepool.submit_code = ERR_BUSY; /* the calls stay the batch's */
	ck_assert_int_eq(kit_start(&kit), ERR_BUSY);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	fakepool.windows = 0;
	expect_result(0);
	ready_abandon(kit.batch);
	ck_assert_uint_eq(fakepool.windows, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {the_window_closes_when_much_waits_and_opens_at_half_of_it,
		where_the_budget_runs_low_the_window_closes_earlier,
		in_the_order_of_items_the_window_goes_along_in_steps,
		in_the_order_of_items_a_closed_window_leaves_the_next_one_in,
		refusals_that_fill_the_window_before_there_is_a_group_close_it,
		refusals_before_the_group_leave_the_next_item_in,
		a_batch_that_the_pool_refused_moves_no_window_any_more};

	return ready_main("ready_window", tests, sizeof tests / sizeof *tests);
}
