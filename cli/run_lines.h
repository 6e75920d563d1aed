/* run_lines.h - the lines of a file or pipe, one after the other, in bounded memory. One owner. */
#ifndef CLI_RUN_LINES_H
#define CLI_RUN_LINES_H
#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"

struct run_lines {
	int fd;
	size_t max; /* bytes of a line; longer ones are dropped while they are read */
	char *ptr;
	size_t begin, seen, end, capacity; /* unread: begin to end; no line break before `seen` */
	off_t offset;                      /* in the file, of ptr[0] */
	size_t number;                     /* of the last line, 1-based */
	bool at_end, skipping;
};

struct run_line {
	struct span text; /* without its end; until the next call */
	size_t number;
	off_t offset;
	bool too_long; /* text is empty */
	bool torn;     /* the file ended before the line did */
};

enum run_lines_got { RUN_LINES_LINE, RUN_LINES_MORE, RUN_LINES_END };

void run_lines_init(struct run_lines *lines, int fd, size_t max);
void run_lines_free(struct run_lines *lines);
enum run_lines_got run_lines_next(struct run_lines *lines, struct run_line *ret_line);
/* One read(2), after RUN_LINES_MORE. ERR_IO, ERR_NOMEM; ERR_BUSY where a signal came first. */
enum err_code run_lines_fill(struct run_lines *lines, struct err *err) MUST_CHECK;
/* The line that was given last will be given again. */
void run_lines_back(struct run_lines *lines, const struct run_line *line);
/* From the line that comes next to the end of the file, which is read. ERR_LIMIT past `max`
 * bytes. */
enum err_code run_lines_rest(
	struct run_lines *lines, size_t max, struct span *ret_text, struct err *err) MUST_CHECK;
/* To where the file was at `offset`. False where it cannot. */
bool run_lines_rewind(struct run_lines *lines, off_t offset);
bool run_lines_blank(struct span text); /* white space alone */
#endif
