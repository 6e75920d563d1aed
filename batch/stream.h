/* stream.h - a batch that runs, read as a text that grows: results as they complete, progress, and
 * the summary at the end.
 *
 *   NDJSON  a result a line, {"progress":…} after 15 s of silence, {"summary":…}
 *
 *   SSE  events `result`, `progress` (at most 10 a second) and `summary`, a comment after silence;
 *        WHATWG HTML, section 9.2 "Server-sent events"
 *
 *   TEXT  for a person: a bar redrawn with \r, a line an item of a small batch, what failed
 *
 * Results are not rendered again: their bytes are copied out of the slots, and dropped once they
 * were read. One reader, one thread at a time. */
#ifndef BATCH_STREAM_H
#define BATCH_STREAM_H
#include "batch/batch.h"

enum stream_shape { STREAM_NDJSON, STREAM_SSE, STREAM_TEXT };
#define STREAM_END SIZE_MAX
#define STREAM_CUT (SIZE_MAX - 1)

struct stream;

/* Of a batch that was parsed as a streamed one (for TEXT as an outline) and has not been started.
 * Takes a reference of its own. NULL without memory. */
struct stream *stream_new(struct batch *batch, enum stream_shape shape);
/* Copies what there is to say, at most `max` bytes. STREAM_END: that was all. STREAM_CUT: no memory
 * to go on; it must not look complete. 0: nothing now; there will be after the batch's observer was
 * called, or at *ret_again_us. */
size_t stream_read(struct stream *stream, char *out, size_t max, uint64_t *ret_again_us);
bool stream_over(const struct stream *stream); /* all has been read */
/* What was not read is dropped; the batch goes on unless it is cancelled. NULL is fine. */
void stream_destroy(struct stream *stream);
#endif
