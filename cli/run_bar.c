/* run_bar.c - the progress bar of `batchgate run` on standard error, and what is said at the end.
 */
#include "cli/run_bar.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "batch/recap.h"
#include "common/clock.h"

enum { DRAW_US = 100 * 1000, IDLE_US = 1000 * 1000, COLUMNS_DEFAULT = 80, LINES_BYTES = 64 * 1024 };

void run_bar_begin(struct run_bar *bar, bool drawn, struct span label, size_t total)
{
	*bar = (struct run_bar){.drawn = drawn, .label = label, .total = total};
	buf_init(&bar->lines, LINES_BYTES);
	progress_start(&bar->meter, clock_us());
	bar->next_us = bar->meter.started_us;
}

void run_bar_free(struct run_bar *bar)
{
	buf_free(&bar->lines);
}

/* ---- counting ---- */

static void add_failed(struct run_bar *bar, struct span result)
{
	bar->known_failed++;
	recap_add_item(&bar->lines, result);
	buf_add_char(&bar->lines, '\n');
}

void run_bar_count(struct run_bar *bar, const struct feed_result *result)
{
	bar->by_code[result->code]++;
	if (result->code == ITEM_OK) {
		bar->succeeded++;
		return;
	}
	bar->failed++;
	if (bar->known_failed < RUN_BAR_FAILED_MAX)
		add_failed(bar, result->bytes);
}

/* ---- drawing ---- */

static size_t terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS_DEFAULT;
}

/* So many bytes of the text as take `columns` columns at most. */
static size_t cut(const struct buf *text, size_t columns)
{
	size_t at = 0;

	for (; at < text->len; at++)
		if (((unsigned char)text->ptr[at] & 0xC0) != 0x80 && columns-- == 0)
			break;
	return at;
}

/* The last column stays free: a terminal may wrap behind it. */
static void draw(struct run_bar *bar, uint64_t now_us)
{
	size_t width = terminal_columns() - 1, used;
	struct progress progress;
	struct buf text;

	progress_read(&bar->meter, bar->total, bar->succeeded, bar->failed, now_us, &progress);
	buf_init(&text, 16 * 1024);
	buf_add_char(&text, '\r');
	used = progress_add_bar(&text, &progress, bar->label, width);
	if (used > width) {
		text.len = cut(&text, width + 1);
		used = width;
	}
	for (size_t i = used; i < bar->columns && i < width; i++)
		buf_add_char(&text, ' ');
	bar->columns = used;
	bar->shown = bar->succeeded + bar->failed;
	if (!text.failed && write(STDERR_FILENO, text.ptr, text.len) < 0)
		bar->drawn = false;
	buf_free(&text);
}

static bool takes_some(void)
{
	struct pollfd ask = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&ask, 1, 0) > 0 && (ask.revents & POLLOUT);
}

uint64_t run_bar_draw(struct run_bar *bar, uint64_t now_us)
{
	bool news = bar->succeeded + bar->failed != bar->shown;

	if (!bar->drawn)
		return CLOCK_NEVER;
	if (now_us < bar->next_us)
		return news || bar->columns == 0 ? bar->next_us : bar->next_us + IDLE_US - DRAW_US;
	if (news || bar->columns == 0 || now_us >= bar->next_us + IDLE_US - DRAW_US) {
		if (takes_some())
			draw(bar, now_us);
		bar->next_us = now_us + DRAW_US;
	}
	return bar->next_us + (news ? 0 : IDLE_US - DRAW_US);
}

void run_bar_clear(struct run_bar *bar)
{
	if (bar->columns)
		fprintf(stderr, "\r%*s\r", (int)bar->columns, "");
	bar->columns = 0;
}

void run_bar_finish(struct run_bar *bar)
{
	if (!bar->drawn)
		return;
	draw(bar, clock_us());
	fputc('\n', stderr);
}

/* ---- the end ---- */

static void add_rest(struct buf *out, const struct run_bar_end *end)
{
	const char *how = end->resumable ? " (--resume runs what is missing)" : "";

	if (end->stopped && end->unrun == PROGRESS_UNKNOWN)
		buf_addf(out, "; the rest was not run%s", how);
	else if (end->unrun)
		buf_addf(out, "; %zu not run%s", end->unrun, how);
	if (end->earlier)
		buf_addf(out, "; %zu were there already", end->earlier);
	if (end->earlier_failed)
		buf_addf(out, ", %zu of them failed (--retry-failed runs those again)",
			end->earlier_failed);
	buf_adds(out, "\n");
}

void run_bar_summary(const struct run_bar *bar, const struct run_bar_end *end)
{
	size_t count = bar->succeeded + bar->failed;
	uint64_t duration_us = clock_us() - bar->meter.started_us;
	struct buf out;

	buf_init(&out, 2 * LINES_BYTES);
	recap_add_figures(&out, bar->by_code, duration_us);
	if (count > 0 && duration_us > 0)
		buf_addf(&out, ", %.2f items/s", (double)count / ((double)duration_us / 1e6));
	add_rest(&out, end);
	if (bar->lines.len)
		buf_add(&out, bar->lines.ptr, bar->lines.len);
	if (bar->failed > bar->known_failed)
		buf_addf(&out, "… and %zu more\n", bar->failed - bar->known_failed);
	if (out.len)
		fwrite(out.ptr, 1, out.len, stderr);
	buf_free(&out);
}
