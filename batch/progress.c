/* progress.c - how far a batch is: a smoothed rate, the time that is left, and the bar that shows
 * them. */
#include "batch/progress.h"

#include <stdio.h>
#include <string.h>

#include "batch/recap.h"
#include "common/clock.h"

#define SMOOTHING 0.3

enum { SAMPLE_US = 100 * 1000, CELLS = 10, CELLS_MIN = 4, EIGHTHS = 8 };

void progress_start(struct progress_meter *meter, uint64_t now_us)
{
	*meter = (struct progress_meter){.started_us = now_us, .seen_us = now_us, .weight = 1};
}

/* Only where something was completed: a moment without news is part of the next update. */
static void sample(struct progress_meter *meter, size_t completed, uint64_t now_us)
{
	uint64_t span_us = now_us - meter->seen_us;

	if (completed == meter->seen || span_us < SAMPLE_US)
		return;
	meter->items += SMOOTHING * ((double)(completed - meter->seen) - meter->items);
	meter->seconds += SMOOTHING * ((double)span_us / 1e6 - meter->seconds);
	meter->weight *= 1 - SMOOTHING;
	meter->seen = completed;
	meter->seen_us = now_us;
}

static double rate_of(
	const struct progress_meter *meter, size_t completed, uint64_t elapsed_us, bool over)
{
	if (over && elapsed_us > 0)
		return (double)completed / ((double)elapsed_us / 1e6);
	if (meter->weight == 1) /* the first moments say nothing */
		return 0;
	return meter->items / meter->seconds; /* the corrections cancel out */
}

void progress_read(struct progress_meter *meter, size_t total, size_t succeeded, size_t failed,
	uint64_t now_us, struct progress *ret_progress)
{
	size_t completed = succeeded + failed;
	uint64_t elapsed_us = now_us - meter->started_us;
	double rate, left;

	sample(meter, completed, now_us);
	rate = rate_of(meter, completed, elapsed_us, completed == total);
	*ret_progress = (struct progress){.total = total,
		.succeeded = succeeded,
		.failed = failed,
		.elapsed_us = elapsed_us,
		.eta_us = CLOCK_NEVER,
		.items_per_second = rate};
	if (total == PROGRESS_UNKNOWN || (completed < total && rate <= 0))
		return;
	left = completed < total ? (double)(total - completed) / rate * 1e6 : 0;
	ret_progress->eta_us = left < 1e15 ? (uint64_t)left : CLOCK_NEVER;
}

void progress_add_json(struct buf *out, const struct progress *progress)
{
	if (progress->total == PROGRESS_UNKNOWN)
		buf_adds(out, "{\"total\":null");
	else
		buf_addf(out, "{\"total\":%zu", progress->total);
	buf_addf(out, ",\"completed\":%zu,\"succeeded\":%zu,\"failed\":%zu,\"elapsed_ms\":",
		progress->succeeded + progress->failed, progress->succeeded, progress->failed);
	buf_add_ms(out, progress->elapsed_us);
	buf_adds(out, ",\"eta_ms\":");
	if (progress->eta_us == CLOCK_NEVER)
		buf_adds(out, "null");
	else
		buf_add_ms(out, progress->eta_us);
	if (progress->items_per_second > 0)
		buf_addf(out, ",\"items_per_second\":%.2f}", progress->items_per_second);
	else
		buf_adds(out, ",\"items_per_second\":null}");
}

/* 00:12, 1:02:03; `?` where it is not known */
static void add_time(struct buf *out, uint64_t us)
{
	uint64_t s = us / 1000000;

	if (us == CLOCK_NEVER)
		buf_add_char(out, '?');
	else if (s >= 3600)
		buf_addf(out, "%llu:%02u:%02u", (unsigned long long)(s / 3600),
			(unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else
		buf_addf(out, "%02u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

static void add_rate(struct buf *out, double rate)
{
	if (rate <= 0)
		buf_adds(out, "? items/s");
	else if (rate < 1)
		buf_addf(out, "%.2f s/item", 1 / rate);
	else
		buf_addf(out, "%.2f items/s", rate);
}

/* [00:12<00:14, 3.71 items/s, 2 failed] */
static void add_figures(struct buf *out, const struct progress *progress)
{
	buf_add_char(out, '[');
	add_time(out, progress->elapsed_us);
	if (progress->total != PROGRESS_UNKNOWN) {
		buf_add_char(out, '<');
		add_time(out, progress->eta_us);
	}
	buf_adds(out, ", ");
	add_rate(out, progress->items_per_second);
	if (progress->failed)
		buf_addf(out, ", %zu failed", progress->failed);
	buf_add_char(out, ']');
}

static void add_cells(struct buf *out, size_t done, size_t total, size_t cells)
{
	static const char *const parts[EIGHTHS] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	size_t eighths = total ? (size_t)((double)done / (double)total * (double)(cells * EIGHTHS))
			       : cells * EIGHTHS;

	for (size_t i = 0; i < cells; i++, eighths -= eighths < EIGHTHS ? eighths : EIGHTHS)
		buf_adds(out, eighths >= EIGHTHS ? "█" : parts[eighths]);
}

size_t progress_add_bar(
	struct buf *out, const struct progress *progress, struct span label, size_t columns)
{
	size_t done = progress->succeeded + progress->failed, cells = CELLS, used;
	char head[64] = ":", count[64];
	struct buf figures;

	buf_init(&figures, 256);
	add_figures(&figures, progress);
	if (progress->total == PROGRESS_UNKNOWN) {
		snprintf(count, sizeof count, " %zu items ", done);
		cells = 0;
	} else {
		snprintf(head, sizeof head, ": %3u%%",
			progress->total ? (unsigned)((double)done * 100 / (double)progress->total)
					: 100);
		snprintf(count, sizeof count, " %zu/%zu ", done, progress->total);
	}
	used = recap_add_text(out, label) + strlen(head) + strlen(count) + figures.len;
	buf_adds(out, head);
	if (cells) {
		if (columns)
			cells = columns > used + 2 + CELLS_MIN ? columns - used - 2 : CELLS_MIN;
		buf_add_char(out, '|');
		add_cells(out, done, progress->total, cells);
		buf_add_char(out, '|');
		used += cells + 2;
	}
	buf_adds(out, count);
	if (figures.len)
		buf_add(out, figures.ptr, figures.len);
	out->failed |= figures.failed;
	buf_free(&figures);
	return used;
}
