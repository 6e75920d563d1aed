/* config_write.c - texts as YAML that config_node reads as the same. */
#include "common/config_write.h"

#include <ctype.h>
#include <string.h>

#include "common/name.h"

/* Characters of three bytes that YAML takes for line breaks or refuses. */
static const struct {
	char bytes[4], escape[8];
} odd[] = {{"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}, {"\xEF\xBB\xBF", "\\uFEFF"},
	{"\xEF\xBF\xBE", "\\uFFFE"}, {"\xEF\xBF\xBF", "\\uFFFF"}};

static const char *escape_of(const char *text)
{
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		if (strncmp(text, odd[i].bytes, 3) == 0)
			return odd[i].escape;
	return NULL;
}

static void write_quoted(const char *text, const char *dollar, struct buf *out)
{
	buf_add_char(out, '"');
	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		const char *escape = byte >= 0x80 ? escape_of(c) : NULL;

		if (escape) {
			buf_adds(out, escape);
			c += 2;
		} else if (byte == '"' || byte == '\\') {
			buf_addf(out, "\\%c", byte);
		} else if (byte == '$') {
			buf_adds(out, dollar);
		} else if (byte < ' ' || byte == 0x7F) {
			buf_addf(out, "\\x%02x", byte);
		} else {
			buf_add_char(out, *c);
		}
	}
	buf_add_char(out, '"');
}

void config_write_text(const char *text, struct buf *out)
{
	write_quoted(text, "$$", out);
}

void config_write_key(const char *key, struct buf *out)
{
	if (isalnum((unsigned char)*key) && !key[name_span(key)])
		buf_adds(out, key);
	else
		write_quoted(key, "$", out);
}

/* Behind the JSON string at `at`. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

void config_write_json(const char *json, struct buf *out)
{
	for (const char *at = json; *at;) {
		const char *end = *at == '"' ? skip_string(at) : at + 1;
		bool key = *at == '"' && *end == ':';

		while (at < end) {
			const char *escape = escape_of(at);

			buf_adds(out, escape ? escape : *at == '$' && !key ? "$" : "");
			if (!escape)
				buf_add_char(out, *at);
			at += escape ? 3 : 1;
		}
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

/* A block keeps the text's lines, but not blanks at its ends, nor what YAML takes for line breaks.
 */
static bool fits_block(const char *text)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--;
	if (len == 0 || is_blank(text[0]) || is_blank(text[len - 1]))
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c >= 0x80 && escape_of(c))
			return false;
	return true;
}

void config_write_program(const char *text, int indent, struct buf *out)
{
	size_t len = strlen(text);

	if (!fits_block(text)) {
		write_quoted(text, "$", out);
		buf_add_char(out, '\n');
		return;
	}
	buf_adds(out, text[len - 1] == '\n' ? "|\n" : "|-\n");
	while (*text) {
		size_t line = strcspn(text, "\n");

		buf_addf(out, "%*s", line ? indent + 2 : 0, "");
		buf_add(out, text, line);
		buf_add_char(out, '\n');
		text += line + (text[line] == '\n');
	}
}
