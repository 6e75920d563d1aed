/* buf.c - bytes that grow, up to a limit given at birth. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/utf8.h"

struct span span_of(const char *text)
{
	return (struct span){text, text ? strlen(text) : 0};
}

bool span_equals(struct span a, const char *text)
{
	size_t len = strlen(text);

	return a.len == len && memcmp(a.ptr, text, len) == 0;
}

bool span_equals_nocase(struct span a, const char *text)
{
	size_t len = strlen(text);

	return a.len == len && strncasecmp(a.ptr, text, len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span text)
{
	for (; text.len > 0 && is_blank(text.ptr[0]); text.len--)
		text.ptr++;
	while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_free(struct buf *buf)
{
	mem_free(buf->ptr);
	buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->ptr)
		buf->ptr[0] = '\0';
}

enum err_code buf_reserve(struct buf *buf, size_t more)
{
	size_t need = buf->len + more, capacity;
	char *ptr;

	if (need < more || need > buf->max) {
		buf->failed = true;
		return ERR_LIMIT;
	}
	if (need < buf->capacity) /* strictly: one byte is for the NUL */
		return ERR_OK;
	capacity = buf->capacity < 64 ? 64 : buf->capacity;
	while (capacity <= need)
		capacity += capacity < (1u << 20) ? capacity : capacity / 2;
	if (capacity > buf->max && buf->max < SIZE_MAX)
		capacity = buf->max + 1;
	ptr = mem_resize(buf->ptr, capacity);
	if (!ptr) {
		buf->failed = true;
		return ERR_NOMEM;
	}
	buf->ptr = ptr;
	buf->capacity = capacity;
	return ERR_OK;
}

enum err_code buf_add(struct buf *buf, const void *bytes, size_t len)
{
	enum err_code code = buf_reserve(buf, len);

	if (code != ERR_OK)
		return code;
	if (len)
		memcpy(buf->ptr + buf->len, bytes, len);
	buf->len += len;
	buf->ptr[buf->len] = '\0';
	return ERR_OK;
}

enum err_code buf_adds(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

enum err_code buf_add_char(struct buf *buf, char c)
{
	return buf_add(buf, &c, 1);
}

enum err_code buf_addf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	char small[256];
	int len;
	enum err_code code;

	va_start(args, fmt);
	len = vsnprintf(small, sizeof small, fmt, args);
	va_end(args);
	REQUIRE(len >= 0);
	if ((size_t)len < sizeof small)
		return buf_add(buf, small, (size_t)len);
	code = buf_reserve(buf, (size_t)len);
	if (code != ERR_OK)
		return code;
	va_start(args, fmt);
	vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
	return ERR_OK;
}

enum err_code buf_add_u64(struct buf *buf, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return buf_add(buf, digits + at, sizeof digits - at);
}

enum err_code buf_add_ms(struct buf *buf, uint64_t us)
{
	char part[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
		(char)('0' + us % 10)};
	size_t len = part[3] != '0' ? 4 : part[2] != '0' ? 3 : 2;
	enum err_code code = buf_add_u64(buf, us / 1000);

	return code != ERR_OK ? code : buf_add(buf, part, len);
}

static enum err_code add_escaped(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		return buf_add(buf, "\\\"", 2);
	case '\\':
		return buf_add(buf, "\\\\", 2);
	case '\n':
		return buf_add(buf, "\\n", 2);
	case '\r':
		return buf_add(buf, "\\r", 2);
	case '\t':
		return buf_add(buf, "\\t", 2);
	case '\b':
		return buf_add(buf, "\\b", 2);
	case '\f':
		return buf_add(buf, "\\f", 2);
	default:
		return buf_addf(buf, "\\u%04x", c);
	}
}

enum err_code buf_add_json_string(struct buf *buf, const char *text, size_t len)
{
	size_t i = 0, run = 0; /* [run, i) is plain and not yet added */

	buf_add_char(buf, '"');
	while (i < len) {
		unsigned char c = (unsigned char)text[i];
		size_t n = c < 0x80 ? 1 : utf8_char(text + i, len - i);

		if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += n;
			continue;
		}
		buf_add(buf, text + run, i - run);
		if (n > 0)
			add_escaped(buf, c);
		else
			buf_add(buf, "\xEF\xBF\xBD", 3);
		run = ++i;
	}
	buf_add(buf, text + run, len - run);
	buf_add_char(buf, '"');
	return buf->failed ? ERR_LIMIT : ERR_OK;
}

enum err_code buf_add_base64(struct buf *buf, const void *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	enum err_code code = buf_reserve(buf, (len + 2) / 3 * 4);
	char *out;

	if (code != ERR_OK)
		return code;
	out = buf->ptr + buf->len;
	for (; len >= 3; len -= 3, in += 3) {
		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ = digits[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = digits[in[2] & 63];
	}
	if (len > 0) {
		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | (len > 1 ? in[1] >> 4 : 0)];
		*out++ = len > 1 ? digits[(in[1] & 15) << 2] : '=';
		*out++ = '=';
	}
	*out = '\0';
	buf->len = (size_t)(out - buf->ptr);
	return ERR_OK;
}

char *buf_steal(struct buf *buf, size_t *ret_len)
{
	char *ptr = buf->ptr;

	*ret_len = buf->len;
	buf_init(buf, buf->max);
	return ptr;
}
