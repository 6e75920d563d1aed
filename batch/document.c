/* document.c - a finished batch as one JSON document, read piece by piece out of its slots. */
#include "batch/document.h"

#include <string.h>

/* {"results":[  slot 0  ,  slot 1  ],"summary":{…}}\n  -  the head is piece 0, then each slot and
 * what follows it. */
#define HEAD "{\"results\":["

enum { SUMMARY_BYTES = 2048 }; /* more than all its members need, the request id aside */

enum err_code document_init(struct document *document, const char *request_id)
{
	buf_init(&document->tail, SIZE_MAX / 2);
	return buf_reserve(&document->tail, SUMMARY_BYTES + 6 * strlen(request_id)) == ERR_OK
		       ? ERR_OK
		       : ERR_NOMEM;
}

void document_free(struct document *document)
{
	buf_free(&document->tail);
}

void document_add_summary(struct buf *out, const struct batch *batch)
{
	struct batch_summary summary;
	const char *comma = "";

	batch_summary(batch, &summary);
	buf_addf(out, "{\"total\":%zu,\"succeeded\":%zu,\"failed\":%zu,\"by_code\":{",
		summary.total, summary.succeeded, summary.failed);
	for (unsigned i = ITEM_OK + 1; i < ITEM_CODE_COUNT; i++) {
		if (summary.by_code[i] == 0)
			continue;
		buf_addf(out, "%s\"%s\":%zu", comma, code_text((enum item_code)i),
			summary.by_code[i]);
		comma = ",";
	}
	buf_addf(out, "},\"concurrency\":%u,\"duration_ms\":", summary.concurrency);
	buf_add_ms(out, summary.duration_us);
	buf_adds(out, ",\"request_id\":");
	buf_add_json_string(out, batch->request_id, strlen(batch->request_id));
	buf_add_char(out, '}');
}

void document_finish(struct batch *batch)
{
	struct document *document = &batch->document;

	buf_adds(&document->tail, "],\"summary\":");
	document_add_summary(&document->tail, batch);
	buf_adds(&document->tail, "}\n");
	REQUIRE(!document->tail.failed);
	document->size =
		sizeof HEAD - 1 + document->tail.len + (batch->count ? batch->count - 1 : 0);
	for (size_t i = 0; i < batch->count; i++) {
		if (!batch->slots[i].bytes)
			batch->slots[i].len = batch_result(batch, i, document->brief).len;
		document->size += batch->slots[i].len;
	}
}

static struct span piece(struct batch *batch, size_t n)
{
	struct document *document = &batch->document;
	size_t index;

	if (n == 0)
		return SPAN(HEAD);
	if (n == 2 * batch->count + 1 || batch->count == 0)
		return (struct span){document->tail.ptr, document->tail.len};
	index = (n - 1) / 2;
	if (n % 2 == 0)
		return index + 1 < batch->count ? SPAN(",") : (struct span){"", 0};
	if (batch->slots[index].bytes || document->brief_index != index + 1) {
		document->brief_index = index + 1;
		return batch_result(batch, index, document->brief);
	}
	return (struct span){document->brief, batch->slots[index].len};
}

size_t document_read(struct batch *batch, uint64_t pos, char *out, size_t max)
{
	struct document *document = &batch->document;
	size_t done = 0, last = 2 * batch->count + 1;

	if (pos < document->piece_pos)
		document->piece = document->piece_pos = 0;
	while (done < max && document->piece <= last) {
		struct span bytes = piece(batch, document->piece);
		uint64_t skip = pos + done - document->piece_pos, len;

		if (skip >= bytes.len) {
			document->piece++;
			document->piece_pos += bytes.len;
			continue;
		}
		len = bytes.len - skip;
		if (len > max - done)
			len = max - done;
		memcpy(out + done, bytes.ptr + skip, len);
		done += len;
	}
	return done;
}
