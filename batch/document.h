/* document.h - a finished batch as one JSON document, read piece by piece out of its slots. One
 * reader at a time. */
#ifndef BATCH_DOCUMENT_H
#define BATCH_DOCUMENT_H
#include "batch/batch_internal.h"

enum err_code document_init(struct document *document,
	const char *request_id) MUST_CHECK; /* ERR_NOMEM; nothing fails later */
void document_free(struct document *document);
void document_finish(
	struct batch *batch); /* all results are there: the summary and the size are made */
/* The summary object; after complete. */
void document_add_summary(struct buf *out, const struct batch *batch);
size_t document_read(struct batch *batch, uint64_t pos, char *out, size_t max);
#endif
