/* run_resume.c - what a run finds in the file it goes on with: its results, and a last line that
 * was torn. */
#include "cli/run_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/glance.h"
#include "cli/run_lines.h"
#include "common/mem.h"

enum { DEPTH_MAX = SCAN_DEPTH_MAX + 8, COPY_BYTES = 256 * 1024 };

static bool read_result(const struct run_line *line, struct glance *ret_glance)
{
	return !line->too_long && scan_check(line->text, DEPTH_MAX, NULL) &&
	       glance_read(line->text, ret_glance);
}

/* The next line; false at the end, or where `*code` is not ERR_OK. */
static bool next(
	struct run_lines *lines, struct run_line *ret_line, enum err_code *code, struct err *err)
{
	for (;;) {
		enum run_lines_got got = run_lines_next(lines, ret_line);

		if (got != RUN_LINES_MORE)
			return got == RUN_LINES_LINE;
		*code = run_lines_fill(lines, err);
		if (*code != ERR_OK && *code != ERR_BUSY)
			return false;
		*code = ERR_OK;
	}
}

static enum err_code note(const struct run_output *output, const struct run_line *line,
	const struct glance *glance, struct run_seen *seen, struct err *err)
{
	switch (run_seen_put(seen, (size_t)glance->index, glance->id, !glance->success)) {
	case ERR_OK:
		return ERR_OK;
	case ERR_BUSY:
		return err_set(err, ERR_INVALID, "%.300s: line %zu: a second result of item %zu",
			output->path, line->number, (size_t)glance->index);
	case ERR_LIMIT:
		return err_set(err, ERR_INVALID, "%.300s: line %zu: no run has an item %zu",
			output->path, line->number, (size_t)glance->index);
	default:
		return err_set(err, ERR_NOMEM, "no memory");
	}
}

/* What a killed run leaves of its first line. */
static bool begins_result(const struct run_line *line)
{
	static const char head[] = "{\"index\":";
	size_t len = line->text.len < sizeof head - 1 ? line->text.len : sizeof head - 1;

	return line->torn && memcmp(line->text.ptr, head, len) == 0;
}

static enum err_code foreign(const struct run_output *output, size_t line, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"%.300s: line %zu is no result of batchgate: not a file to go on with",
		output->path, line);
}

static enum err_code load(const struct run_output *output, struct run_lines *lines,
	struct run_seen *seen, struct run_resume *resume, struct err *err)
{
	enum err_code code = ERR_OK;
	struct run_line line;
	struct glance glance;
	size_t bad = 0;

	while (code == ERR_OK && next(lines, &line, &code, err)) {
		if (!line.torn && !line.too_long && run_lines_blank(line.text))
			continue;
		if (bad)
			return foreign(output, bad, err);
		if (!read_result(&line, &glance)) {
			if (line.too_long)
				return err_set(err, ERR_INVALID,
					"%.300s: line %zu is longer than %zu bytes (limits.memory)",
					output->path, line.number, lines->max);
			if (seen->count == 0 && !begins_result(&line))
				return foreign(output, line.number, err);
			bad = line.number;
			resume->whole = line.offset;
			continue;
		}
		code = note(output, &line, &glance, seen, err);
		resume->unfinished = line.torn;
	}
	if (code == ERR_OK && !bad)
		resume->whole = lines->offset + (off_t)lines->begin;
	return code;
}

enum err_code run_resume_load(struct run_output *output, size_t line_max, struct run_seen *seen,
	struct run_resume *ret_resume, struct err *err)
{
	struct run_lines lines;
	enum err_code code;

	*ret_resume = (struct run_resume){0};
	if (lseek(output->fd, 0, SEEK_SET) != 0)
		return err_set(err, ERR_IO, "%.300s: %s", output->path, strerror(errno));
	run_lines_init(&lines, output->fd, line_max);
	code = load(output, &lines, seen, ret_resume, err);
	run_lines_free(&lines);
	return code;
}

enum err_code run_resume_repair(
	struct run_output *output, const struct run_resume *resume, struct err *err)
{
	struct stat about;
	bool ok = fstat(output->fd, &about) == 0;

	if (ok && about.st_size > resume->whole)
		ok = ftruncate(output->fd, resume->whole) == 0;
	if (ok && resume->unfinished)
		ok = write(output->fd, "\n", 1) == 1;
	return ok ? ERR_OK : err_set(err, ERR_IO, "%.300s: %s", output->path, strerror(errno));
}

static bool put_all(int fd, struct buf *bytes)
{
	for (size_t at = 0; at < bytes->len;) {
		ssize_t put = write(fd, bytes->ptr + at, bytes->len - at);

		if (put < 0 && errno != EINTR)
			return false;
		at += put > 0 ? (size_t)put : 0;
	}
	buf_clear(bytes);
	return true;
}

static enum err_code copy_good(struct run_output *output, struct run_lines *lines, int to,
	const struct run_seen *seen, struct err *err)
{
	enum err_code code = ERR_OK;
	struct run_line line;
	struct glance glance;
	struct buf bytes;

	buf_init(&bytes, SIZE_MAX / 2);
	while (code == ERR_OK && next(lines, &line, &code, err)) {
		if (!read_result(&line, &glance) || run_seen_failed(seen, (size_t)glance.index))
			continue;
		buf_add(&bytes, line.text.ptr, line.text.len);
		buf_add_char(&bytes, '\n');
		if (bytes.failed)
			code = err_set(err, ERR_NOMEM, "no memory");
		else if (bytes.len >= COPY_BYTES && !put_all(to, &bytes))
			code = err_set(err, ERR_IO, "%.300s: %s", output->path, strerror(errno));
	}
	if (code == ERR_OK && !put_all(to, &bytes))
		code = err_set(err, ERR_IO, "%.300s: %s", output->path, strerror(errno));
	buf_free(&bytes);
	return code;
}

static enum err_code rewrite(
	struct run_output *output, const char *path, const struct run_seen *seen, struct err *err)
{
	struct stat about;
	struct run_lines lines;
	enum err_code code;
	int fd = run_output_beside(path);

	if (fd < 0 || fstat(output->fd, &about) != 0 || fchmod(fd, about.st_mode & 0777) != 0 ||
		lseek(output->fd, 0, SEEK_SET) != 0) {
		code = err_set(err, ERR_IO, "%.300s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return code;
	}
	run_lines_init(&lines, output->fd, SIZE_MAX / 2);
	code = copy_good(output, &lines, fd, seen, err);
	run_lines_free(&lines);
	if (code == ERR_OK)
		return run_output_replace(output, fd, path, err);
	close(fd);
	return code;
}

enum err_code run_resume_drop_failed(
	struct run_output *output, const struct run_seen *seen, struct err *err)
{
	char *path = mem_print("%s.retry", output->path);
	enum err_code code;

	if (!path)
		return err_set(err, ERR_NOMEM, "no memory");
	code = rewrite(output, path, seen, err);
	if (code != ERR_OK)
		unlink(path);
	mem_free(path);
	return code;
}
