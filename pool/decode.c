/* decode.c - gzip and deflate of an upstream's answer, decoded as it arrives.
 *
 * A gzip body may have several members (RFC 1952); any other byte behind the end, padding too,
 * makes it malformed. "deflate" is a zlib stream (RFC 9110) or, as some servers have it, the bare
 * one: the first two bytes tell. */
#include "pool/decode.h"

#include <string.h>
#include <zlib.h>

#include "common/mem.h"
#include "pool/field.h"

enum { ZLIB_BITS = 15, RAW_BITS = -15, GZIP_BITS = 15 + 16, STEP_BYTES = 16384 };

enum state {
	STATE_NEW,     /* not a byte was fed */
	STATE_SNIFFED, /* deflate: the first byte is in `first`, the second tells */
	STATE_RUNNING,
	STATE_ENDED /* the trailer was seen; gzip may begin another member */
};

struct decode {
	z_stream zlib;
	enum state state;
	bool gzip;
	unsigned char first;
};

static void *allocate(void *unused, unsigned count, unsigned size)
{
	(void)unused;
	return mem_try((size_t)count * size);
}

static void release(void *unused, void *ptr)
{
	(void)unused;
	mem_free(ptr);
}

enum decode_status decode_new(struct span coding, struct decode **ret_decode)
{
	struct decode *decode;
	bool gzip;

	coding = span_trim(coding);
	if (coding.len == 0 || span_equals_nocase(coding, "identity")) {
		*ret_decode = NULL;
		return DECODE_OK;
	}
	gzip = span_equals_nocase(coding, "gzip") || span_equals_nocase(coding, "x-gzip");
	if (!gzip && !span_equals_nocase(coding, "deflate"))
		return DECODE_MALFORMED;
	decode = mem_try(sizeof *decode);
	if (!decode)
		return DECODE_NOMEM;
	decode->gzip = gzip;
	decode->zlib.zalloc = allocate;
	decode->zlib.zfree = release;
	if (inflateInit2(&decode->zlib, gzip ? GZIP_BITS : ZLIB_BITS) != Z_OK) {
		mem_free(decode);
		return DECODE_NOMEM;
	}
	*ret_decode = decode;
	return DECODE_OK;
}

/* One step of inflate into `out`; past its max a single byte that nobody keeps shows whether there
 * is more. */
static int step(struct decode *decode, struct buf *out, enum decode_status *ret_status)
{
	unsigned char beyond = 0;
	size_t room = out->max - out->len;
	int result;

	if (room > STEP_BYTES)
		room = STEP_BYTES;
	if (room > 0 && buf_reserve(out, room) != ERR_OK) {
		*ret_status = DECODE_NOMEM;
		return Z_MEM_ERROR;
	}
	decode->zlib.next_out = room > 0 ? (unsigned char *)out->ptr + out->len : &beyond;
	decode->zlib.avail_out = room > 0 ? (unsigned)room : 1;
	result = inflate(&decode->zlib, Z_NO_FLUSH);
	if (room == 0) {
		*ret_status = decode->zlib.avail_out == 0 ? DECODE_FULL : DECODE_OK;
		return result;
	}
	out->len += room - decode->zlib.avail_out;
	out->ptr[out->len] = '\0';
	*ret_status = DECODE_OK;
	return result;
}

/* All of the input that belongs to the current stream. */
static enum decode_status run(struct decode *decode, struct buf *out)
{
	enum decode_status status;

	for (;;) {
		switch (step(decode, out, &status)) {
		case Z_OK:
			if (status != DECODE_OK)
				return status;
			if (decode->zlib.avail_in == 0 && decode->zlib.avail_out > 0)
				return DECODE_OK;
			break;
		case Z_STREAM_END:
			decode->state = STATE_ENDED;
			return status;
		case Z_BUF_ERROR: /* no progress: it wants more input */
			return status;
		case Z_MEM_ERROR:
			return DECODE_NOMEM;
		default:
			return DECODE_MALFORMED;
		}
	}
}

static enum decode_status feed(
	struct decode *decode, const unsigned char *bytes, unsigned len, struct buf *out)
{
	enum decode_status status = DECODE_OK;

	decode->zlib.next_in = (unsigned char *)(uintptr_t)bytes; /* zlib only reads it */
	decode->zlib.avail_in = len;
	while (status == DECODE_OK && decode->zlib.avail_in > 0) {
		if (decode->state == STATE_ENDED) {
			if (!decode->gzip || *decode->zlib.next_in != 0x1F ||
				inflateReset(&decode->zlib) != Z_OK)
				return DECODE_MALFORMED;
		}
		decode->state = STATE_RUNNING;
		status = run(decode, out);
		if (decode->state == STATE_RUNNING)
			break;
	}
	return status;
}

/* RFC 1950: a deflate method, a window that fits, and a check of both bytes. */
static bool zlib_header(unsigned char a, unsigned char b)
{
	return (a & 0x0F) == 8 && a >> 4 <= 7 && (a * 256u + b) % 31 == 0;
}

static enum decode_status sniff(
	struct decode *decode, const unsigned char **bytes, size_t *len, struct buf *out)
{
	if (decode->state == STATE_NEW) {
		decode->first = **bytes;
		decode->state = STATE_SNIFFED;
		++*bytes;
		--*len;
	}
	if (*len == 0)
		return DECODE_OK;
	if (!zlib_header(decode->first, **bytes) && inflateReset2(&decode->zlib, RAW_BITS) != Z_OK)
		return DECODE_NOMEM;
	return feed(decode, &decode->first, 1, out);
}

enum decode_status decode_feed(
	struct decode *decode, const char *bytes, size_t len, struct buf *out)
{
	const unsigned char *at = (const unsigned char *)bytes;
	enum decode_status status = DECODE_OK;

	if (len > 0 && !decode->gzip && decode->state <= STATE_SNIFFED)
		status = sniff(decode, &at, &len, out);
	while (status == DECODE_OK && len > 0) {
		unsigned part = len < 1u << 30 ? (unsigned)len : 1u << 30;

		status = feed(decode, at, part, out);
		at += part;
		len -= part;
	}
	return status;
}

bool decode_complete(const struct decode *decode)
{
	return decode->state == STATE_ENDED || decode->state == STATE_NEW;
}

void decode_destroy(struct decode *decode)
{
	if (!decode)
		return;
	inflateEnd(&decode->zlib);
	mem_free(decode);
}

const char *decode_library_version(void)
{
	return zlibVersion();
}
