/* endpoint_path.c - where a call of a named endpoint goes: the operator's URL, with the path that
 * its `request` template gave below it. */
#include "batch/endpoint_path.h"

#include <string.h>
#include <strings.h>

#include "batch/scan.h"
#include "pool/url.h"

static enum err_code refuse(struct fault *fault, const char *what)
{
	return fault_add(fault, REASON_URL_INVALID, "/path", (struct span){NULL, 0},
		"`path` must not hold %s", what);
}

/* `.` and `..`, each dot plain or as %2e: RFC 3986 section 5.2.4 removes them. Some servers do so
 * only after they have cut off what follows a `;`. */
static bool is_dots(const char *at, size_t len)
{
	const char *parameters = memchr(at, ';', len);
	size_t dots = 0;

	if (parameters)
		len = (size_t)(parameters - at);

	while (len > 0) {
		size_t step = *at == '.' ? 1 : 3;

		if (step == 3 && (len < 3 || strncasecmp(at, "%2e", 3) != 0))
			return false;
		at += step;
		len -= step;
		dots++;
	}
	return dots == 1 || dots == 2;
}

static bool is_hex(char c)
{
	return c && strchr("0123456789abcdefABCDEF", c);
}

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* What a percent-encoded byte may not be, since somebody behind us may decode it early. */
static const char *wrong_escape(const char *at, const char *end)
{
	int byte;

	if (end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]))
		return "a % that begins no escape";
	byte = hex_value(at[1]) * 16 + hex_value(at[2]);
	if (byte == '/' || byte == '\\')
		return "an encoded slash";
	if (byte == '%')
		return "a twice encoded byte";
	if (byte == 0xC0 || byte == 0xC1) /* some decode %c0%ae as a dot, %c0%af as a slash */
		return "an encoded byte that begins no character";
	return byte < 0x20 || byte == 0x7f ? "an encoded control character" : NULL;
}

static const char *wrong_byte(const char *at, const char *end)
{
	unsigned char c = (unsigned char)*at;

	if (c == '%')
		return wrong_escape(at, end);
	if (c == '\\')
		return "a backslash";
	if (c == '?' || c == '#')
		return "`?` or `#`: `query` is the place for a query";
	if (c <= 0x20 || c >= 0x7f)
		return "spaces, control characters or bytes that are not ASCII: give a list of "
		       "segments, which are percent-encoded";
	return NULL;
}

/* What is wrong with a path that goes in as it stands; NULL: nothing. A `/` at its begin and one at
 * its end are fine. */
static const char *wrong_path(const char *at, const char *end)
{
	const char *segment = at;

	for (; at < end; at++) {
		const char *what = wrong_byte(at, end);

		if (what)
			return what;
		if (*at != '/')
			continue;
		if (at > segment && is_dots(segment, (size_t)(at - segment)))
			return "a segment `.` or `..`";
		if (at + 1 < end && at[1] == '/')
			return "`//`";
		segment = at + 1;
	}
	return is_dots(segment, (size_t)(end - segment)) ? "a segment `.` or `..`" : NULL;
}

/* As is_dots: somebody behind us may decode twice what we encode once. */
static bool has_slash(const char *text)
{
	return strpbrk(text, "/\\") || strcasestr(text, "%2f") || strcasestr(text, "%5c");
}

static enum err_code add_segment(struct buf *out, struct span value, struct fault *fault)
{
	enum scan_type type = scan_type(value);
	struct buf text;
	enum err_code code;

	if (type == SCAN_NUMBER) {
		buf_add_char(out, '/');
		return url_encode(out, value.ptr, value.len);
	}
	if (type != SCAN_STRING)
		return fault_add(fault, REASON_FIELD_INVALID, "/path", (struct span){NULL, 0},
			"the segments of `path` must be strings or numbers");
	buf_init(&text, URL_MAX_BYTES);
	code = scan_string(value, &text);
	if (code == ERR_OK && text.len == 0)
		code = refuse(fault, "an empty segment");
	else if (code == ERR_OK && is_dots(text.ptr, text.len))
		code = refuse(fault, "a segment `.` or `..`");
	else if (code == ERR_OK && has_slash(text.ptr))
		code = refuse(fault, "a slash within a segment");
	for (size_t i = 0; code == ERR_OK && i < text.len; i++)
		if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			code = refuse(fault, "control characters");
	if (code == ERR_OK) {
		buf_add_char(out, '/');
		code = url_encode(out, text.ptr, text.len);
	}
	buf_free(&text);
	return code;
}

static enum err_code add_list(struct buf *out, struct span list, struct fault *fault)
{
	struct scan_walk walk;
	struct scan_member member;
	enum err_code code = ERR_OK;

	scan_begin(&walk, list);
	while (code == ERR_OK && scan_next(&walk, &member))
		code = add_segment(out, member.value, fault);
	return code;
}

static enum err_code add_text(struct buf *out, struct span value, struct fault *fault)
{
	struct buf text;
	const char *what, *at;
	enum err_code code;

	buf_init(&text, URL_MAX_BYTES);
	code = scan_string(value, &text);
	if (code == ERR_OK && text.len > 0) {
		at = text.ptr + (text.ptr[0] == '/');
		what = *at == '/' ? "`//`" : wrong_path(at, text.ptr + text.len);
		code = what ? refuse(fault, what) : buf_add_char(out, '/');
		if (code == ERR_OK)
			code = buf_add(out, at, text.len - (size_t)(at - text.ptr));
	}
	buf_free(&text);
	return code;
}

/* Where the URL's path ends. */
static size_t path_end(struct span url)
{
	size_t at = 0;

	while (at < url.len && url.ptr[at] != '?' && url.ptr[at] != '#')
		at++;
	return at;
}

enum err_code endpoint_path_join(
	struct span url, struct span path, struct buf *out, struct fault *fault)
{
	size_t end = path_end(url), keep = end;
	enum err_code code;

	while (keep > 0 && url.ptr[keep - 1] == '/')
		keep--;
	code = buf_add(out, url.ptr, keep);
	if (code != ERR_OK)
		return code;
	switch (scan_type(path)) {
	case SCAN_STRING:
		code = add_text(out, path, fault);
		break;
	case SCAN_ARRAY:
		code = add_list(out, path, fault);
		break;
	default:
		code = fault_add(fault, REASON_FIELD_INVALID, "/path", (struct span){NULL, 0},
			"`path` must be a string or a list of segments");
	}
	if (code == ERR_OK && out->len == keep) /* nothing was added */
		code = buf_add(out, url.ptr + keep, end - keep);
	return code == ERR_OK ? buf_add(out, url.ptr + end, url.len - end) : code;
}

bool endpoint_path_is_below(const struct url *base, const struct url *url)
{
	size_t len = path_end(span_of(base->text));

	while (len > 0 && base->text[len - 1] == '/')
		len--;
	return url_same_origin(base, url) && strncmp(url->text, base->text, len) == 0 &&
	       strchr("/?", url->text[len]);
}
