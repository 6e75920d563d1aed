/* scan.c - where things are in a JSON text, without building a tree. */
#include "batch/scan.h"

#include <string.h>

#include "batch/escape.h"
#include "batch/proof.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool scan_check(struct span text, unsigned depth_max, struct scan_error *ret_error)
{
	struct scan_error error;

	if (proof_find(text, depth_max, &error.offset, &error.what))
		return true;
	if (ret_error)
		*ret_error = error;
	return false;
}

void scan_position(struct span text, size_t offset, size_t *ret_line, size_t *ret_column)
{
	const char *at = text.ptr, *line = text.ptr, *end;
	size_t lines = 1;

	if (offset > text.len)
		offset = text.len;
	end = offset ? text.ptr + offset : at;
	while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		line = ++at;
		lines++;
	}
	*ret_line = lines;
	*ret_column = (size_t)(end - line) + 1;
}

struct span scan_trim(struct span text)
{
	while (text.len && is_space(text.ptr[0])) {
		text.ptr++;
		text.len--;
	}
	while (text.len && is_space(text.ptr[text.len - 1]))
		text.len--;
	return text;
}

enum scan_type scan_type(struct span value)
{
	switch (value.ptr[0]) {
	case 'n':
		return SCAN_NULL;
	case 'f':
		return SCAN_FALSE;
	case 't':
		return SCAN_TRUE;
	case '"':
		return SCAN_STRING;
	case '[':
		return SCAN_ARRAY;
	case '{':
		return SCAN_OBJECT;
	default:
		return SCAN_NUMBER;
	}
}

/* `at` is behind the opening quote; the answer is behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
	const char *begin = at;

	for (;;) {
		const char *slash;

		at = memchr(at, '"', (size_t)(end - at));
		REQUIRE(at != NULL);
		for (slash = at; slash > begin && slash[-1] == '\\'; slash--)
			;
		at++;
		if ((at - 1 - slash) % 2 == 0)
			return at;
		begin = at;
	}
}

static const char *skip_container(const char *at, const char *end)
{
	static const signed char step[256] = {
		['{'] = 1, ['['] = 1, ['}'] = -1, [']'] = -1, ['"'] = 2};
	size_t depth = 0;

	while (at < end) {
		signed char kind = step[(unsigned char)*at++];

		if (kind == 0)
			continue;
		if (kind == 2)
			at = skip_string(at, end);
		else if (kind == 1)
			depth++;
		else if (--depth == 0)
			break;
	}
	return at;
}

static const char *skip_value(const char *at, const char *end)
{
	if (*at == '"')
		return skip_string(at + 1, end);
	if (*at == '{' || *at == '[')
		return skip_container(at, end);
	while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
		at++;
	return at;
}

void scan_begin(struct scan_walk *walk, struct span container)
{
	walk->at = container.ptr + 1;
	walk->end =
		container.ptr + container.len - 1; /* the closing bracket, which tells the kind */
}

bool scan_next(struct scan_walk *walk, struct scan_member *ret_member)
{
	const char *at = walk->at, *end = walk->end, *begin;

	while (at < end && (is_space(*at) || *at == ','))
		at++;
	walk->at = at;
	if (at == end)
		return false;
	ret_member->name = (struct span){NULL, 0};
	if (*end == '}') {
		begin = at;
		at = skip_string(at + 1, end);
		ret_member->name = (struct span){begin, (size_t)(at - begin)};
		while (is_space(*at) || *at == ':')
			at++;
	}
	begin = at;
	at = skip_value(at, end);
	ret_member->value = (struct span){begin, (size_t)(at - begin)};
	walk->at = at;
	return true;
}

size_t scan_count(struct span container, size_t stop_after)
{
	struct scan_walk walk;
	struct scan_member member;
	size_t count = 0;

	scan_begin(&walk, container);
	while (count <= stop_after && scan_next(&walk, &member))
		count++;
	return count;
}

size_t scan_decode(struct span value, char *out)
{
	const char *at = value.ptr + 1, *end = value.ptr + value.len - 1;
	char *to = out;

	while (at < end) {
		const char *slash = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((slash ? slash : end) - at);
		char decoded[4];
		size_t len;

		memmove(to, at, plain);
		to += plain;
		if (!slash)
			break;
		at = slash + 1;
		len = escape_decode(&at, end, decoded);
		memcpy(to, decoded, len);
		to += len;
	}
	return (size_t)(to - out);
}

enum err_code scan_string(struct span value, struct buf *out)
{
	struct span inner = {value.ptr + 1, value.len - 2};
	struct scan_walk walk = {inner.ptr, inner.ptr + inner.len};
	enum err_code code = ERR_OK;

	while (code == ERR_OK && walk.at < walk.end) { /* piecewise: `out` may be smaller than the
							  text with its escapes */
		const char *slash = memchr(walk.at, '\\', (size_t)(walk.end - walk.at));
		char decoded[4];

		code = buf_add(out, walk.at, (size_t)((slash ? slash : walk.end) - walk.at));
		if (!slash || code != ERR_OK)
			break;
		walk.at = slash + 1;
		code = buf_add(out, decoded, escape_decode(&walk.at, walk.end, decoded));
	}
	return code;
}

bool scan_name_is(struct span name, const char *text)
{
	const char *at = name.ptr + 1, *end = name.ptr + name.len - 1;
	size_t len = strlen(text);

	while (at < end) {
		const char *slash = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((slash ? slash : end) - at), count;
		char decoded[4];

		if (plain > len || memcmp(at, text, plain) != 0)
			return false;
		text += plain;
		len -= plain;
		if (!slash)
			break;
		at = slash + 1;
		count = escape_decode(&at, end, decoded);
		if (count > len || memcmp(decoded, text, count) != 0)
			return false;
		text += count;
		len -= count;
	}
	return len == 0;
}

enum err_code scan_add_line(struct buf *out, struct span value)
{
	size_t from = out->len;
	enum err_code code = buf_add(out, value.ptr, value.len);

	if (code != ERR_OK)
		return code;
	for (const char *breaks = "\n\r"; *breaks; breaks++) {
		char *at = out->ptr + from, *end = out->ptr + out->len;

		while ((at = memchr(at, *breaks, (size_t)(end - at))) != NULL)
			*at++ = ' ';
	}
	return ERR_OK;
}
