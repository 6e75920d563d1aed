/* document.h - a finished batch as one JSON document, read piece by piece out of its slots.
 *
 * No lock: document_finish runs on the thread that filled the last slot, before anybody is told
 * that the batch is complete; from then on any thread reads it, one at a time. */
#ifndef BATCH_DOCUMENT_H
#define BATCH_DOCUMENT_H
#include "batch/batch_internal.h"

/* ERR_NOMEM; nothing fails later. */
enum err_code document_init(struct document *document, const char *request_id) MUST_CHECK;
void document_free(struct document *document);
/* All results are there: the summary and the size are made. */
void document_finish(struct batch *batch);
/* The summary object; after complete. */
void document_add_summary(struct buf *out, const struct batch *batch);
size_t document_read(struct batch *batch, uint64_t pos, char *out, size_t max);
#endif
