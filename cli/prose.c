/* prose.c - text that --help, the man pages and the reference share. */
#include "cli/prose.h"

#include <string.h>

enum { WIDTH = 100 };

bool prose_next(const char **text, struct prose_paragraph *ret_paragraph)
{
	const char *begin = *text + strspn(*text, "\n"), *end = strstr(begin, "\n\n");
	size_t len = end ? (size_t)(end - begin) : strlen(begin);

	while (len > 0 && begin[len - 1] == '\n')
		len--;
	*text = begin + len;
	*ret_paragraph = (struct prose_paragraph){{begin, len}, *begin == ' '};
	return len > 0;
}

void prose_fill(struct span text, size_t used, size_t indent, size_t width, struct buf *out)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	size_t column = used;
	bool first = true;

	while (at < end) {
		const char *word = at;

		while (at < end && *at != ' ' && *at != '\n')
			at++;
		if (!first && column + 1 + (size_t)(at - word) > width) {
			buf_addf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			buf_add_char(out, ' ');
			column++;
		}
		buf_add(out, word, (size_t)(at - word));
		column += (size_t)(at - word);
		first = false;
		while (at < end && (*at == ' ' || *at == '\n'))
			at++;
	}
	buf_add_char(out, '\n');
}

void prose_print(const char *text, size_t indent, struct buf *out)
{
	struct prose_paragraph paragraph;
	bool first = true;

	while (prose_next(&text, &paragraph)) {
		if (!first && !paragraph.kept)
			buf_add_char(out, '\n');
		first = false;
		buf_addf(out, "%*s", (int)indent, "");
		if (!paragraph.kept) {
			prose_fill(paragraph.text, indent, indent, WIDTH, out);
			continue;
		}
		for (size_t i = 0; i < paragraph.text.len; i++) {
			buf_add_char(out, paragraph.text.ptr[i]);
			if (paragraph.text.ptr[i] == '\n')
				buf_addf(out, "%*s", (int)indent, "");
		}
		buf_add_char(out, '\n');
	}
}
