/* prose.h - text that --help, the man pages and the reference share.
 *
 * Paragraphs stand apart by an empty line. One that begins with a blank is kept as it is, line by
 * line, without two blanks at their start; the others are filled. `Backquotes` mark what is
 * typed. */
#ifndef CLI_PROSE_H
#define CLI_PROSE_H
#include <stdbool.h>

#include "common/buf.h"

struct prose { /* a section; the last of a list has no title */
	const char *title, *text;
};

struct prose_paragraph {
	struct span text; /* without the line break at its end */
	bool kept;
};

bool prose_next(const char **text, struct prose_paragraph *ret_paragraph); /* false: no more */
/* Fills lines of at most `width` columns with words, the first behind `used` columns that are
 * there, the others behind `indent` blanks; ends with a line break. */
void prose_fill(struct span text, size_t used, size_t indent, size_t width, struct buf *out);
void prose_print(const char *text, size_t indent, struct buf *out); /* for a terminal */
#endif
