/* run_journal.c - which calls that may not be repeated were begun: OUTPUT.inflight. */
#include "cli/run_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run_lines.h"
#include "cli/run_output.h"
#include "common/mem.h"

enum { LINE_MAX_BYTES = 48 };

static const char key_word[] = "key ";

enum err_code run_journal_init(struct run_journal *journal, const char *output, struct err *err)
{
	journal->fd = -1;
	atomic_init(&journal->failed, 0);
	journal->path = mem_print("%s.inflight", output);
	return journal->path ? ERR_OK : err_set(err, ERR_NOMEM, "no memory");
}

void run_journal_free(struct run_journal *journal)
{
	if (journal->path && journal->fd >= 0)
		close(journal->fd);
	mem_free(journal->path);
	journal->path = NULL;
}

bool run_journal_is_there(const struct run_journal *journal)
{
	struct stat about;

	return stat(journal->path, &about) == 0 && about.st_size > 0;
}

static bool read_index(struct span text, size_t *ret_index)
{
	size_t index = 0;

	if (text.len == 0 || text.len > 19)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		index = index * 10 + (size_t)(text.ptr[i] - '0');
	}
	*ret_index = index;
	return true;
}

static enum err_code fail(const struct run_journal *journal, const char *what, struct err *err)
{
	return err_set(err, ERR_IO, "%s: %s", journal->path, what);
}

/* False where the line is no key. */
static bool take_key(struct run_journal *journal, struct span text)
{
	size_t word = strlen(key_word);

	if (text.len != word + RUN_JOURNAL_KEY ||
		!span_equals((struct span){text.ptr, word}, key_word))
		return false;
	for (size_t i = word; i < text.len; i++)
		if (!text.ptr[i] || !strchr("0123456789abcdef", text.ptr[i]))
			return false;
	for (size_t i = 0; journal->key && i < RUN_JOURNAL_KEY; i++)
		journal->key[i] = text.ptr[word + i];
	return true;
}

/* A last line without its end was being written: that call had not begun. */
static enum err_code load_lines(struct run_journal *journal, struct run_lines *lines,
	struct run_seen *seen, struct err *err)
{
	struct run_line line;
	struct err why;
	size_t index;

	for (;;) {
		enum run_lines_got got = run_lines_next(lines, &line);
		enum err_code code;

		if (got == RUN_LINES_END || (got == RUN_LINES_LINE && line.torn))
			return ERR_OK;
		if (got == RUN_LINES_MORE) {
			code = run_lines_fill(lines, &why);
			if (code != ERR_OK && code != ERR_BUSY)
				return fail(journal, why.detail, err);
			continue;
		}
		if (line.number == 1 && !line.too_long && take_key(journal, line.text))
			continue;
		if (line.too_long || !read_index(line.text, &index) || index >= RUN_SEEN_MAX)
			return err_set(err, ERR_INVALID, "%s: is not what a run has written",
				journal->path);
		if (!run_seen_has(seen, index) && run_seen_lose(seen, index) != ERR_OK)
			return err_set(err, ERR_NOMEM, "no memory");
	}
}

enum err_code run_journal_load(struct run_journal *journal, struct run_seen *seen, struct err *err)
{
	int fd = open(journal->path, O_RDONLY | O_CLOEXEC);
	struct run_lines lines;
	enum err_code code;

	if (fd < 0)
		return errno == ENOENT ? ERR_OK : fail(journal, strerror(errno), err);
	run_lines_init(&lines, fd, LINE_MAX_BYTES);
	code = load_lines(journal, &lines, seen, err);
	run_lines_free(&lines);
	close(fd);
	return code;
}

static bool put_line(int fd, const char *line)
{
	size_t len = strlen(line);
	ssize_t done = write(fd, line, len);

	if (done >= 0 && (size_t)done < len)
		errno = ENOSPC; /* what else ends a line of a file early; the next write would say
				 */
	return done == (ssize_t)len;
}

static bool put(int fd, size_t index)
{
	char line[LINE_MAX_BYTES];

	snprintf(line, sizeof line, "%zu\n", index);
	return put_line(fd, line);
}

static bool put_key(int fd, const char *key)
{
	char line[LINE_MAX_BYTES];

	snprintf(line, sizeof line, "%s%s\n", key_word, key);
	return put_line(fd, line);
}

/* Beside it first: a run that is killed meanwhile must not find less. */
static enum err_code rewrite(
	struct run_journal *journal, const struct run_seen *seen, struct err *err)
{
	char *path = mem_print("%s.new", journal->path);
	enum err_code code = ERR_OK;
	int fd;

	if (!path)
		return err_set(err, ERR_NOMEM, "no memory");
	fd = run_output_beside(path);
	if (fd < 0 || (journal->key && !put_key(fd, journal->key)))
		code = fail(journal, strerror(errno), err);
	for (size_t left = seen->lost, i = 0; code == ERR_OK && left > 0; i++) {
		if (!run_seen_lost(seen, i))
			continue;
		left--;
		if (!put(fd, i))
			code = fail(journal, strerror(errno), err);
	}
	if (code == ERR_OK && rename(path, journal->path) != 0)
		code = fail(journal, strerror(errno), err);
	if (code != ERR_OK && fd >= 0)
		unlink(path);
	mem_free(path);
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = fd;
	return code;
}

enum err_code run_journal_begin(
	struct run_journal *journal, const struct run_seen *seen, struct err *err)
{
	return rewrite(journal, seen, err);
}

bool run_journal_note(struct run_journal *journal, size_t index)
{
	int none = 0;

	/* Nothing may stand behind half a line. */
	if (atomic_load(&journal->failed))
		return false;
	if (put(journal->fd, index))
		return true;
	atomic_compare_exchange_strong(&journal->failed, &none, errno);
	return false;
}

enum err_code run_journal_end(
	struct run_journal *journal, const struct run_seen *seen, struct err *err)
{
	journal->key = NULL; /* nothing is under way that it could repeat */
	if (seen->lost > 0)
		return rewrite(journal, seen, err);
	return unlink(journal->path) == 0 || errno == ENOENT ? ERR_OK
							     : fail(journal, strerror(errno), err);
}
