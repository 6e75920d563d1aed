/* stream.c - a batch that runs, read as a text that grows: results as they complete, progress, and
 * the summary at the end.
 *
 * What is said next is made of up to three pieces: text before, a result's bytes, text behind. They
 * are copied out, then the result is let go and the next ones are made. */
#include "batch/stream.h"

#include <string.h>

#include "batch/document.h"
#include "batch/progress.h"
#include "batch/ready.h"
#include "batch/recap.h"
#include "common/clock.h"

enum {
	LISTED_MAX = 20, /* items a batch may have for each to get its line */
	EVENT_US = 100 * 1000,
	REDRAW_US = 1000 * 1000,
	SILENCE_US = 15 * 1000 * 1000,
	TEXT_MAX = 1 << 20,
	TEXT_BYTES = 4096 /* more than anything takes but an item's line */
};

enum said { SAID_NOTHING, SAID_SUMMARY, SAID_ALL };

struct stream {
	struct batch *batch;
	enum stream_shape shape;
	struct progress_meter meter;
	struct buf before, behind;
	struct span pieces[3];
	size_t piece, piece_pos;
	bool holding; /* `held` is being said */
	size_t held;
	size_t number;    /* of results said */
	size_t progress;  /* items that had completed when progress was said last */
	uint64_t said_us; /* when something was said last */
	uint64_t progress_us;
	size_t bar_columns; /* of the bar that stands on the person's line; 0: none */
	size_t listed;      /* TEXT: failed items are listed up to here */
	size_t charged;
	enum said said;
	char room[RESULT_BRIEF_MAX];
};

static bool make_room(struct stream *stream)
{
	size_t bytes = mem_block(sizeof *stream) + 2 * mem_block(TEXT_BYTES);

	if (!mem_take(stream->batch->terms.env.budget, bytes))
		return false;
	stream->charged = bytes;
	return buf_reserve(&stream->before, TEXT_BYTES) == ERR_OK &&
	       buf_reserve(&stream->behind, TEXT_BYTES) == ERR_OK;
}

struct stream *stream_new(struct batch *batch, enum stream_shape shape)
{
	struct stream *stream = mem_try(sizeof *stream);

	if (!stream)
		return NULL;
	stream->batch = batch_ref(batch);
	stream->shape = shape;
	buf_init(&stream->before, TEXT_MAX);
	buf_init(&stream->behind, TEXT_MAX);
	stream->said_us = clock_us();
	progress_start(&stream->meter, stream->said_us);
	if (make_room(stream))
		return stream;
	stream_destroy(stream);
	return NULL;
}

void stream_destroy(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->holding)
		ready_done(stream->batch, stream->held, false);
	ready_abandon(stream->batch);
	buf_free(&stream->before);
	buf_free(&stream->behind);
	mem_give(stream->batch->terms.env.budget, stream->charged);
	batch_unref(stream->batch);
	mem_free(stream);
}

bool stream_over(const struct stream *stream)
{
	return stream->said == SAID_ALL;
}

static struct progress progress_of(struct stream *stream, uint64_t now_us)
{
	struct batch_summary summary;
	struct progress progress;

	batch_summary(stream->batch, &summary);
	progress_read(&stream->meter, summary.total, summary.succeeded, summary.failed, now_us,
		&progress);
	stream->progress = summary.succeeded + summary.failed;
	stream->progress_us = now_us;
	return progress;
}

/* In the place of the bar, whose end it covers. */
static void add_item_line(struct stream *stream, struct buf *out, struct span result)
{
	for (size_t columns = recap_add_item(out, result); columns < stream->bar_columns; columns++)
		buf_add_char(out, ' ');
	buf_add_char(out, '\n');
	stream->bar_columns = 0;
}

/* The bar takes the line it stands on, and covers the one that was there. */
static void add_bar(struct stream *stream, struct buf *out, uint64_t now_us)
{
	struct progress progress = progress_of(stream, now_us);
	struct span label = stream->batch->terms.options.label;
	size_t columns;

	buf_add_char(out, '\r');
	columns = progress_add_bar(out, &progress, label.len ? label : SPAN("Processing"), 0);
	for (size_t i = columns; i < stream->bar_columns; i++)
		buf_add_char(out, ' ');
	stream->bar_columns = columns;
}

static void add_progress(struct stream *stream, struct buf *out, uint64_t now_us)
{
	struct progress progress;

	if (stream->shape == STREAM_TEXT) {
		add_bar(stream, out, now_us);
		return;
	}
	progress = progress_of(stream, now_us);
	buf_adds(out, stream->shape == STREAM_SSE ? "event: progress\ndata: " : "{\"progress\":");
	progress_add_json(out, &progress);
	buf_adds(out, stream->shape == STREAM_SSE ? "\n\n" : "}\n");
}

static void add_figures(const struct stream *stream, struct buf *out)
{
	struct batch_summary summary;

	batch_summary(stream->batch, &summary);
	recap_add_figures(out, summary.by_code, summary.duration_us);
	buf_add_char(out, '\n');
}

static void say_summary(struct stream *stream, uint64_t now_us)
{
	switch (stream->shape) {
	case STREAM_NDJSON:
		buf_adds(&stream->before, "{\"summary\":");
		document_add_summary(&stream->before, stream->batch);
		buf_adds(&stream->before, "}\n");
		break;
	case STREAM_SSE:
		buf_adds(&stream->before, "event: summary\ndata: ");
		document_add_summary(&stream->before, stream->batch);
		buf_adds(&stream->before, "\n\n");
		break;
	case STREAM_TEXT:
		add_bar(stream, &stream->before, now_us);
		buf_add_char(&stream->before, '\n');
		add_figures(stream, &stream->before);
		stream->bar_columns = 0;
		break;
	}
	stream->said = SAID_SUMMARY;
}

/* What failed, one line each; only failed results were kept. */
static void say_rest(struct stream *stream)
{
	struct batch *batch = stream->batch;

	while (stream->shape == STREAM_TEXT && stream->listed < batch->count) {
		size_t index = stream->listed++;

		if (!batch->slots[index].failed)
			continue;
		add_item_line(stream, &stream->before, batch_result(batch, index, stream->room));
		return;
	}
	stream->said = SAID_ALL;
}

/* When something has to be said although no result came. */
static uint64_t due_us(const struct stream *stream, size_t completed)
{
	uint64_t silent_us = stream->said_us + SILENCE_US;

	if (stream->shape == STREAM_NDJSON)
		return silent_us;
	if (completed != stream->progress || (stream->shape == STREAM_TEXT && !stream->progress_us))
		return stream->progress_us ? stream->progress_us + EVENT_US : 0;
	return stream->shape == STREAM_TEXT ? stream->progress_us + REDRAW_US : silent_us;
}

static size_t completed_of(const struct stream *stream)
{
	struct batch_summary summary;

	batch_summary(stream->batch, &summary);
	return summary.succeeded + summary.failed;
}

static void say_result(struct stream *stream, size_t index, uint64_t now_us)
{
	struct span result = batch_result(stream->batch, index, stream->room);

	stream->held = index;
	stream->holding = true;
	stream->number++;
	switch (stream->shape) {
	case STREAM_NDJSON:
		buf_add_char(&stream->behind, '\n');
		break;
	case STREAM_SSE:
		buf_addf(&stream->before, "event: result\nid: %zu\ndata: ", stream->number);
		buf_adds(&stream->behind, "\n\n");
		break;
	case STREAM_TEXT:
		if (stream->batch->count <= LISTED_MAX) {
			buf_add_char(&stream->before, '\r');
			add_item_line(stream, &stream->before, result);
			add_bar(stream, &stream->before, now_us);
		}
		result = (struct span){"", 0};
		break;
	}
	stream->pieces[1] = result;
	if (stream->shape != STREAM_NDJSON && now_us >= due_us(stream, completed_of(stream)))
		add_progress(stream, &stream->behind, now_us);
}

/* True: it was due, and is being said. */
static bool say_what_is_due(struct stream *stream, uint64_t now_us, uint64_t *ret_again_us)
{
	size_t completed = completed_of(stream);
	uint64_t due = due_us(stream, completed);

	if (now_us < due) {
		*ret_again_us = due;
		return false;
	}
	if (stream->shape == STREAM_SSE && completed == stream->progress)
		buf_adds(&stream->before, ": still running\n\n");
	else
		add_progress(stream, &stream->before, now_us);
	return true;
}

/* True: there is something to say. */
static bool say_next(struct stream *stream, uint64_t now_us, uint64_t *ret_again_us)
{
	size_t index;

	if (stream->said != SAID_NOTHING) {
		say_rest(stream);
		return stream->said != SAID_ALL;
	}
	switch (ready_take(stream->batch, &index)) {
	case READY_RESULT:
		say_result(stream, index, now_us);
		return true;
	case READY_OVER:
		say_summary(stream, now_us);
		return true;
	case READY_LATER:
		break;
	}
	return say_what_is_due(stream, now_us, ret_again_us);
}

static void let_go(struct stream *stream)
{
	struct batch *batch = stream->batch;
	bool keep;

	if (!stream->holding)
		return;
	stream->holding = false;
	keep = stream->shape == STREAM_TEXT && batch->slots[stream->held].failed;
	ready_done(batch, stream->held, keep);
}

/* False: nothing more for now. */
static bool compose(struct stream *stream, uint64_t *ret_again_us)
{
	uint64_t now_us = clock_us();

	let_go(stream);
	buf_clear(&stream->before);
	buf_clear(&stream->behind);
	stream->pieces[1] = (struct span){"", 0};
	if (!say_next(stream, now_us, ret_again_us))
		return false;
	stream->pieces[0] = (struct span){stream->before.ptr, stream->before.len};
	stream->pieces[2] = (struct span){stream->behind.ptr, stream->behind.len};
	stream->piece = stream->piece_pos = 0;
	stream->said_us = now_us;
	return true;
}

static size_t copy(struct stream *stream, char *out, size_t max)
{
	size_t done = 0;

	while (stream->piece < 3 && done < max) {
		struct span piece = stream->pieces[stream->piece];
		size_t len = piece.len - stream->piece_pos;

		if (len > max - done)
			len = max - done;
		if (len)
			memcpy(out + done, piece.ptr + stream->piece_pos, len);
		done += len;
		stream->piece_pos += len;
		if (stream->piece_pos == piece.len) {
			stream->piece++;
			stream->piece_pos = 0;
		}
	}
	return done;
}

/* Part of what had to be said is missing; nothing may follow it. */
static bool is_broken(const struct stream *stream)
{
	return stream->before.failed || stream->behind.failed;
}

size_t stream_read(struct stream *stream, char *out, size_t max, uint64_t *ret_again_us)
{
	size_t done = 0;

	*ret_again_us = CLOCK_NEVER;
	while (done < max && !is_broken(stream)) {
		done += copy(stream, out + done, max - done);
		if (done < max && !compose(stream, ret_again_us))
			break;
	}
	if (is_broken(stream))
		return STREAM_CUT;
	return done == 0 && stream->said == SAID_ALL ? STREAM_END : done;
}
