/* transport_body.c - an answer's body as it comes: decoded, bounded, charged to the budget. */
#include "pool/transport_internal.h"

#include "common/mem.h"

enum {
	DECODE_BYTES = 44 * 1024, /* zlib's window and tables */
	COMPRESSED_PIECE = 512,
	PIECES_MAX = 1024 /* in one call of libcurl */
};

static enum transfer_fault fault_of_decode(enum decode_status status)
{
	switch (status) {
	case DECODE_OK:
		return TRANSFER_FAULT_NONE;
	case DECODE_FULL:
		return TRANSFER_FAULT_TOO_LARGE;
	case DECODE_NOMEM:
		return TRANSFER_FAULT_NO_MEMORY;
	case DECODE_MALFORMED:
		break;
	}
	return TRANSFER_FAULT_ENCODING;
}

/* The body's memory is charged as it grows. */
static bool charge(struct call *call, size_t before)
{
	size_t grown = call->outcome.body.capacity - before;

	if (!mem_take(call->budget, grown))
		return false;
	call->outcome.charged += grown;
	return true;
}

static enum transfer_fault fault_of_add(enum err_code code)
{
	if (code == ERR_OK)
		return TRANSFER_FAULT_NONE;
	return code == ERR_LIMIT ? TRANSFER_FAULT_TOO_LARGE : TRANSFER_FAULT_NO_MEMORY;
}

static enum transfer_fault add_piece(struct transfer *transfer, const char *bytes, size_t len)
{
	struct call *call = transfer->call;
	struct buf *body = &call->outcome.body;
	size_t before = body->capacity;
	enum transfer_fault fault =
		transfer->decode ? fault_of_decode(decode_feed(transfer->decode, bytes, len, body))
				 : fault_of_add(buf_add(body, bytes, len));

	if (!charge(call, before) && fault == TRANSFER_FAULT_NONE)
		fault = TRANSFER_FAULT_NO_MEMORY;
	return fault;
}

static enum transfer_fault begin_body(struct transfer *transfer)
{
	enum decode_status status;

	transfer->decode_ready = true;
	status = decode_new(span_of(transfer->coding), &transfer->decode);
	if (status == DECODE_OK && transfer->decode && !transport_charge(transfer, DECODE_BYTES))
		return TRANSFER_FAULT_NO_MEMORY;
	return fault_of_decode(status);
}

/* libcurl 7.88 reads a hundred buffers before it looks elsewhere, and gives each chunk by itself:
 * in chunks of a byte that is as much work as a thousand other answers. */
static bool must_rest(struct transfer *transfer)
{
	struct transport *transport = transfer->transport;

	if (transfer->http2)
		return false; /* gives whole buffers */
	if (transfer->pieces_call != transport->watchdog.call)
		transfer->pieces = 0;
	transfer->pieces_call = transport->watchdog.call;
	if (++transfer->pieces <= PIECES_MAX)
		return false;
	list_remove(&transfer->resting);
	list_push_back(&transport->resting, &transfer->resting);
	return true;
}

/* An error here is not told to anybody by libcurl 7.88. */
void transport_end_rest(
	struct transport *transport, void (*over)(struct transfer *transfer, int curl_code))
{
	struct list_node resting, *node;

	list_init(&resting);
	list_move_all(&resting, &transport->resting);
	while ((node = list_pop(&resting))) {
		struct transfer *transfer = LIST_OF(node, struct transfer, resting);
		struct lane *lane = transfer->lane;
		CURLcode code;

		lane->touched = true;
		transport_watch_begin(lane);
		code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
		transport_watch_end(lane);
		if (code != CURLE_OK)
			over(transfer, (int)code);
	}
}

/* What is compressed may grow a thousandfold: in pieces, so that the budget is asked in between. */
size_t transport_body(char *bytes, size_t size, size_t count, void *transfer_arg)
{
	struct transfer *transfer = transfer_arg;
	enum transfer_fault fault = TRANSFER_FAULT_NONE;
	size_t len = size * count, at = 0;

	if (must_rest(transfer))
		return CURL_WRITEFUNC_PAUSE;
	transfer->transport->watchdog.words++;
	transfer->received += len;
	if (!transfer->decode_ready)
		fault = begin_body(transfer);
	while (at < len && fault == TRANSFER_FAULT_NONE) {
		size_t piece = len - at;

		if (transfer->decode && piece > COMPRESSED_PIECE)
			piece = COMPRESSED_PIECE;
		fault = add_piece(transfer, bytes + at, piece);
		at += piece;
	}
	return fault == TRANSFER_FAULT_NONE ? len : transport_fail(transfer, fault);
}
