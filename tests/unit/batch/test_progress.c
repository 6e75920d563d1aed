/* test_progress.c - the rate, what is left, and the exact text of the bar. */
#include <string.h>

#include "batch/progress.h"
#include "batch/recap.h"
#include "common/clock.h"
#include "tests/harness/check_main.h"

#define S UINT64_C(1000000)

static struct buf text;

static const char *bar(struct progress progress, const char *label, size_t columns)
{
	size_t used, shown = 0;

	buf_free(&text);
	buf_init(&text, 4096);
	used = progress_add_bar(&text, &progress, span_of(label), columns);
	for (size_t i = 0; i < text.len; i++)
		shown += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
	ck_assert_uint_eq(used, shown);
	return text.ptr;
}

static struct progress some(size_t total, size_t succeeded, size_t failed)
{
	return (struct progress){total, succeeded, failed, 12 * S, 14 * S, 3.7123};
}

START_TEST(the_bar_is_drawn_as_tqdm_draws_it)
{
	ck_assert_str_eq(bar(some(100, 43, 2), "Processing", 0),
		"Processing:  45%|████▌     | 45/100 [00:12<00:14, 3.71 items/s, 2 failed]");
	ck_assert_str_eq(bar(some(100, 0, 0), "Processing", 0),
		"Processing:   0%|          | 0/100 [00:12<00:14, 3.71 items/s]");
	ck_assert_str_eq(bar(some(100, 100, 0), "x", 0),
		"x: 100%|██████████| 100/100 [00:12<00:14, 3.71 items/s]");
	ck_assert_str_eq(bar(some(1000, 999, 0), "x", 0),
		"x:  99%|█████████▉| 999/1000 [00:12<00:14, 3.71 items/s]");
	ck_assert_str_eq(
		bar(some(0, 0, 0), "x", 0), "x: 100%|██████████| 0/0 [00:12<00:14, 3.71 items/s]");
}
END_TEST

START_TEST(the_bar_fills_the_width_and_keeps_four_cells)
{
	ck_assert_str_eq(
		bar(some(4, 1, 0), "x", 50), "x:  25%|██▎      | 1/4 [00:12<00:14, 3.71 items/s]");
	for (size_t columns = 48; columns < 200; columns++) {
		bar(some(4, 1, 0), "x", columns);
		ck_assert_uint_eq(
			progress_add_bar(&text, &(struct progress){.total = 4, .eta_us = 0},
				SPAN("x"), columns),
			columns);
	}
	ck_assert_str_eq(
		bar(some(4, 1, 0), "x", 10), "x:  25%|█   | 1/4 [00:12<00:14, 3.71 items/s]");
}
END_TEST

START_TEST(what_is_not_known_is_a_question_mark_or_left_out)
{
	struct progress progress = {.total = 10, .elapsed_us = 3723 * S, .eta_us = CLOCK_NEVER};

	ck_assert_str_eq(bar(progress, "x", 0), "x:   0%|          | 0/10 [1:02:03<?, ? items/s]");
	progress = (struct progress){PROGRESS_UNKNOWN, 5, 1, 61 * S, CLOCK_NEVER, 0.25};
	ck_assert_str_eq(bar(progress, "x", 80), "x: 6 items [01:01, 4.00 s/item, 1 failed]");
}
END_TEST

START_TEST(a_label_cannot_steer_a_terminal)
{
	ck_assert_str_eq(bar(some(PROGRESS_UNKNOWN, 1, 0), "a\x1b[2J\r\n\x7f\xc2\x9bü", 0),
		"a?[2J????ü: 1 items [00:12, 3.71 items/s]");
	buf_clear(&text);
	ck_assert_uint_eq(
		recap_add_text(&text,
			SPAN("\u200e\u200f\u202a\u202e\u2066\u2069\u061c\u2028\u2013\u20ac!")),
		11);
	ck_assert_str_eq(text.ptr, "????????\u2013\u20ac!");
}
END_TEST

START_TEST(the_rate_is_an_average_that_forgets)
{
	struct progress_meter meter;
	struct progress progress;

	progress_start(&meter, 1 * S);
	progress_read(&meter, 1000, 0, 0, 1 * S, &progress);
	ck_assert(progress.items_per_second == 0 && progress.eta_us == CLOCK_NEVER);
	for (unsigned i = 1; i <= 20; i++)
		progress_read(&meter, 1000, 10 * i, 0, (1 + i) * S, &progress);
	ck_assert(progress.items_per_second > 9.99 && progress.items_per_second < 10.01);
	ck_assert_uint_eq(progress.eta_us / S, 80);
	for (unsigned i = 1; i <= 20; i++)
		progress_read(&meter, 1000, 200 + 20 * i, 0, (21 + i) * S, &progress);
	ck_assert(progress.items_per_second > 19.9 && progress.items_per_second < 20);
	progress_read(&meter, 1000, 1000, 0, 101 * S, &progress); /* the whole, at the end */
	ck_assert(progress.items_per_second > 9.99 && progress.items_per_second < 10.01);
	ck_assert_uint_eq(progress.eta_us, 0);
	ck_assert_uint_eq(progress.elapsed_us, 100 * S);
}
END_TEST

START_TEST(a_moment_without_news_changes_neither_rate_nor_forgets_the_time)
{
	struct progress_meter meter;
	struct progress first, second;

	progress_start(&meter, S);
	progress_read(&meter, 100, 10, 0, 2 * S, &first);
	progress_read(&meter, 100, 10, 0, 5 * S, &second);
	ck_assert(first.items_per_second == second.items_per_second);
	progress_read(&meter, 100, 20, 0, 12 * S, &second); /* ten in ten seconds */
	ck_assert(second.items_per_second < first.items_per_second);
	ck_assert(second.items_per_second > 1);
}
END_TEST

START_TEST(the_json_form_has_null_for_what_is_not_known)
{
	struct progress progress = {100, 40, 5, 12345678, 14 * S, 3.456};

	buf_free(&text);
	buf_init(&text, 4096);
	progress_add_json(&text, &progress);
	ck_assert_str_eq(text.ptr, "{\"total\":100,\"completed\":45,\"succeeded\":40,\"failed\":5,"
				   "\"elapsed_ms\":12345.678,\"eta_ms\":14000.0,"
				   "\"items_per_second\":3.46}");
	buf_clear(&text);
	progress = (struct progress){PROGRESS_UNKNOWN, 0, 0, 0, CLOCK_NEVER, 0};
	progress_add_json(&text, &progress);
	ck_assert_str_eq(text.ptr, "{\"total\":null,\"completed\":0,\"succeeded\":0,\"failed\":0,"
				   "\"elapsed_ms\":0.0,\"eta_ms\":null,\"items_per_second\":null}");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {the_bar_is_drawn_as_tqdm_draws_it,
		the_bar_fills_the_width_and_keeps_four_cells,
		what_is_not_known_is_a_question_mark_or_left_out, a_label_cannot_steer_a_terminal,
		the_rate_is_an_average_that_forgets,
		a_moment_without_news_changes_neither_rate_nor_forgets_the_time,
		the_json_form_has_null_for_what_is_not_known};

	return check_main("progress", tests, sizeof tests / sizeof *tests);
}
