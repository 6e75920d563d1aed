/* run_lines.c - the lines of a file or pipe, one after the other, in bounded memory. */
#include "cli/run_lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

enum { READ_BYTES = 64 * 1024 };

void run_lines_init(struct run_lines *lines, int fd, size_t max)
{
	*lines = (struct run_lines){.fd = fd, .max = max};
}

void run_lines_free(struct run_lines *lines)
{
	mem_free(lines->ptr);
	lines->ptr = NULL;
}

bool run_lines_blank(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\r' &&
			text.ptr[i] != '\n')
			return false;
	return true;
}

static void drop_unread(struct run_lines *lines)
{
	lines->skipping = true;
	lines->begin = lines->seen = lines->end;
}

static enum run_lines_got give(
	struct run_lines *lines, size_t len, bool torn, struct run_line *ret_line)
{
	bool too_long = lines->skipping || len > lines->max;

	lines->number++;
	*ret_line = (struct run_line){.number = lines->number,
		.offset = lines->offset + (off_t)lines->begin,
		.too_long = too_long,
		.torn = torn};
	if (!too_long)
		ret_line->text = (struct span){lines->ptr + lines->begin, len};
	lines->begin = lines->seen = lines->begin + len + !torn;
	lines->skipping = false;
	return RUN_LINES_LINE;
}

enum run_lines_got run_lines_next(struct run_lines *lines, struct run_line *ret_line)
{
	const char *at = NULL;

	if (lines->end > lines->seen)
		at = memchr(lines->ptr + lines->seen, '\n', lines->end - lines->seen);
	if (at)
		return give(lines, (size_t)(at - lines->ptr) - lines->begin, false, ret_line);
	lines->seen = lines->end;
	if (lines->end - lines->begin > lines->max)
		drop_unread(lines);
	if (!lines->at_end)
		return RUN_LINES_MORE;
	if (lines->end == lines->begin && !lines->skipping)
		return RUN_LINES_END;
	return give(lines, lines->end - lines->begin, true, ret_line);
}

static enum err_code make_room(struct run_lines *lines)
{
	size_t capacity = lines->capacity ? lines->capacity : 2 * READ_BYTES;
	char *ptr;

	if (lines->begin > 0) {
		memmove(lines->ptr, lines->ptr + lines->begin, lines->end - lines->begin);
		lines->offset += (off_t)lines->begin;
		lines->seen -= lines->begin;
		lines->end -= lines->begin;
		lines->begin = 0;
	}
	while (capacity - lines->end < READ_BYTES)
		capacity += capacity / 2;
	if (capacity == lines->capacity)
		return ERR_OK;
	ptr = mem_resize(lines->ptr, capacity);
	if (!ptr)
		return ERR_NOMEM;
	lines->ptr = ptr;
	lines->capacity = capacity;
	return ERR_OK;
}

enum err_code run_lines_fill(struct run_lines *lines, struct err *err)
{
	ssize_t got;

	if (lines->capacity - lines->end < READ_BYTES && make_room(lines) != ERR_OK)
		return err_set(err, ERR_NOMEM, "no memory for what is read");
	got = read(lines->fd, lines->ptr + lines->end, READ_BYTES);
	if (got < 0 && errno == EAGAIN) /* somebody made it so: others share the descriptor */
		poll(&(struct pollfd){.fd = lines->fd, .events = POLLIN}, 1, -1);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return err_set(err, ERR_BUSY, "nothing was read yet");
	if (got < 0)
		return err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
	lines->at_end = got == 0;
	lines->end += (size_t)got;
	return ERR_OK;
}

void run_lines_back(struct run_lines *lines, const struct run_line *line)
{
	lines->begin = lines->seen = (size_t)(line->offset - lines->offset);
	lines->number = line->number - 1;
}

enum err_code run_lines_rest(
	struct run_lines *lines, size_t max, struct span *ret_text, struct err *err)
{
	while (!lines->at_end) {
		enum err_code code = run_lines_fill(lines, err);

		if (code != ERR_OK && code != ERR_BUSY)
			return code;
		if (lines->end - lines->begin > max)
			return err_set(err, ERR_LIMIT,
				"a document that is larger than %zu bytes (limits.memory): write "
				"its items as lines instead, batchgate run --help shows how",
				max);
	}
	*ret_text = (struct span){lines->ptr + lines->begin, lines->end - lines->begin};
	lines->begin = lines->seen = lines->end;
	return ERR_OK;
}

bool run_lines_rewind(struct run_lines *lines, off_t offset)
{
	lines->begin = lines->seen = lines->end = lines->number = 0;
	lines->offset = offset;
	lines->at_end = lines->skipping = false;
	return lseek(lines->fd, offset, SEEK_SET) == offset;
}
