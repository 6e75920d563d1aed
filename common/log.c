/* log.c - one event a line on stderr: a JSON object, or text for people.
 *
 * The list of redacted names is immutable and counted: a line takes a reference under the lock and
 * renders without it, so that a reload may replace the list while other threads write.
 *
 * Nobody waits for who reads the lines: what does not fit now is lost, and counted. stderr itself
 * is not made non-blocking, since whoever started us shares it. For a pipe `poll` promises room for
 * PIPE_BUF bytes, which holds for as long as only one thread writes: hence the second lock. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/thread.h"
#include "common/utf8.h"

enum { VALUE_MAX_BYTES = 8 * 1024, LINE_MAX_BYTES = 128 * 1024, PIPE_BYTES = 1024 * 1024 };

struct redact_list {
	size_t refs; /* under state.lock */
	size_t count;
	char *names[];
};

static struct {
	atomic_int level, format;
	struct mutex lock;
	struct {
		struct redact_list *redact;
	} shared;
} state = {.level = LOG_INFO, .format = LOG_JSON, .lock = {PTHREAD_MUTEX_INITIALIZER}};

static struct {
	struct mutex lock; /* of one line that goes into a pipe or a socket, piece by piece */
	struct {
		bool torn; /* the last one ends without its end */
	} shared;
} output = {.lock = {PTHREAD_MUTEX_INITIALIZER}};

static void destroy_list(struct redact_list *list)
{
	for (size_t i = 0; list && i < list->count; i++)
		mem_free(list->names[i]);
	mem_free(list);
}

static struct redact_list *copy_list(const char *const *names, size_t count)
{
	struct redact_list *list = mem_try(sizeof *list + count * sizeof *list->names);

	if (!list)
		return NULL;
	list->refs = 1;
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		list->names[i] = mem_copy(names[i], strlen(names[i]));
		if (!list->names[i]) {
			destroy_list(list);
			return NULL;
		}
	}
	return list;
}

static struct redact_list *ref_locked(void)
{
	struct redact_list *list = state.shared.redact;

	if (list)
		list->refs++;
	return list;
}

static struct redact_list *replace_locked(struct redact_list *list)
{
	struct redact_list *old = state.shared.redact;

	state.shared.redact = list;
	return old;
}

static struct redact_list *take_list(void)
{
	struct redact_list *list;

	mutex_lock(&state.lock);
	list = ref_locked();
	mutex_unlock(&state.lock);
	return list;
}

static void release_list(struct redact_list *list)
{
	bool last;

	if (!list)
		return;
	mutex_lock(&state.lock);
	last = --list->refs == 0;
	mutex_unlock(&state.lock);
	if (last)
		destroy_list(list);
}

void log_configure(enum log_level level, enum log_format format, const char *const *redact,
	size_t redact_count)
{
	struct redact_list *list = copy_list(redact, redact_count), *old;

	/* Room for a burst that comes faster than its reader; an error means no pipe, or no more.
	 */
	fcntl(STDERR_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	atomic_store(&state.level, (int)level);
	atomic_store(&state.format, (int)format);
	if (!list) /* without memory the old list stays: too much hidden is better than a secret
		      shown */
		return;
	mutex_lock(&state.lock);
	old = replace_locked(list);
	mutex_unlock(&state.lock);
	release_list(old);
}

bool log_enabled(enum log_level level)
{
	return level != LOG_OFF &&
	       (int)level >= atomic_load_explicit(&state.level, memory_order_relaxed);
}

static bool is_redacted(const struct redact_list *list, const char *name)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (strcasecmp(list->names[i], name) == 0)
			return true;
	return false;
}

/* The bytes of `text` that a line shows: at most VALUE_MAX_BYTES, never half a character. */
static size_t shown_length(const char *text, bool *ret_cut)
{
	size_t len = strnlen(text, VALUE_MAX_BYTES + 1);

	*ret_cut = len > VALUE_MAX_BYTES;
	return utf8_cut(text, len, VALUE_MAX_BYTES);
}

static bool is_bare(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return len > 0;
}

/* The character at `text`, `len` bytes long (0: a bad byte), as it may stand within quotes, those
 * of JSON too. A terminal obeys DEL and the C1 controls as well. */
static void add_quoted_char(struct buf *line, const char *text, size_t len)
{
	unsigned char first = (unsigned char)text[0];

	if (len == 0)
		buf_adds(line, "\xEF\xBF\xBD");
	else if (first == '"' || first == '\\')
		buf_addf(line, "\\%c", first);
	else if (first == '\n')
		buf_adds(line, "\\n");
	else if (first < ' ' || first == 0x7F)
		buf_addf(line, "\\u%04x", first);
	else if (first == 0xC2 && (unsigned char)text[1] < 0xA0)
		buf_addf(line, "\\u%04x", (unsigned char)text[1]);
	else
		buf_add(line, text, len);
}

static void add_quoted(struct buf *line, const char *text)
{
	bool cut;
	size_t len = shown_length(text, &cut), i = 0;

	buf_add_char(line, '"');
	while (i < len) {
		size_t n = utf8_char(text + i, len - i);

		add_quoted_char(line, text + i, n);
		i += n ? n : 1;
	}
	if (cut)
		buf_adds(line, "...[cut]");
	buf_add_char(line, '"');
}

static void add_text_value(struct buf *line, const char *text)
{
	size_t len = strnlen(text, VALUE_MAX_BYTES + 1);

	if (len <= VALUE_MAX_BYTES && is_bare(text, len))
		buf_add(line, text, len);
	else
		add_quoted(line, text);
}

static void add_value(struct buf *line, const struct log_field *field, enum log_format format)
{
	switch (field->type) {
	case LOG_TYPE_U64:
		buf_add_u64(line, field->number);
		return;
	case LOG_TYPE_MS:
		buf_add_ms(line, field->number);
		return;
	case LOG_TYPE_BOOL:
		buf_adds(line, field->number ? "true" : "false");
		return;
	case LOG_TYPE_STRING:
		break;
	}
	if (format == LOG_TEXT)
		add_text_value(line, field->string);
	else
		add_quoted(line, field->string);
}

static void add_fields(
	struct buf *line, const struct log_field *fields, size_t count, enum log_format format)
{
	struct redact_list *redact = take_list();

	for (size_t i = 0; i < count; i++) {
		struct log_field field = fields[i];

		if (field.type == LOG_TYPE_STRING && !field.string)
			continue;
		if (is_redacted(redact, field.name))
			field = LOG_S(field.name, "[redacted]");
		if (format == LOG_TEXT) {
			buf_addf(line, " %s=", field.name);
		} else {
			buf_add_char(line, ',');
			buf_add_json_string(line, field.name, strlen(field.name));
			buf_add_char(line, ':');
		}
		add_value(line, &field, format);
	}
	release_list(redact);
}

static void render(struct buf *line, enum log_level level, const char *event,
	const struct log_field *fields, size_t count, enum log_format format)
{
	static const struct {
		const char *json, *text;
	} names[] = {
		[LOG_DEBUG] = {"debug", "DEBUG"},
		[LOG_INFO] = {"info", "INFO "},
		[LOG_WARN] = {"warn", "WARN "},
		[LOG_ERROR] = {"error", "ERROR"},
	};
	char now[CLOCK_TEXT_SIZE];

	clock_text(clock_wall_ms(), now);
	if (format == LOG_TEXT) {
		buf_addf(line, "%s %s ", now, names[level].text);
		add_text_value(line, event);
		add_fields(line, fields, count, format);
		buf_add_char(line, '\n');
		return;
	}
	buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", now, names[level].json);
	add_quoted(line, event);
	add_fields(line, fields, count, format);
	buf_adds(line, "}\n");
}

static bool is_writable(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	int count = poll(&out, 1, 0);

	if (count >= 0)
		errno = EAGAIN;
	return count > 0 && (out.revents & POLLOUT);
}

static ssize_t write_file(const char *text, size_t len)
{
	return is_writable() ? write(STDERR_FILENO, text, len) : -1;
}

static ssize_t write_pipe(const char *text, size_t len)
{
	return write_file(text, len < PIPE_BUF ? len : PIPE_BUF);
}

static ssize_t write_socket(const char *text, size_t len)
{
	return send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* How much of it was taken. */
static size_t write_all(const char *text, size_t len, ssize_t (*put)(const char *, size_t))
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = put(text + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return done;
}

/* The line that follows a torn one begins on a line of its own. */
static bool write_locked(const char *text, size_t len, ssize_t (*put)(const char *, size_t))
	REQUIRES(output.lock)
{
	size_t done;

	if (output.shared.torn && write_all("\n", 1, put) == 0)
		return false;
	output.shared.torn = false;
	done = write_all(text, len, put);
	output.shared.torn = done > 0 && done < len;
	return done == len;
}

/* To a file or a terminal in one write(2), so that lines of several threads do not mix; there is no
 * lock then that one could hold for long. */
static void write_line(const char *text, size_t len)
{
	int kept = errno;
	struct stat kind;
	bool written;

	if (fstat(STDERR_FILENO, &kind) == 0 &&
		(S_ISFIFO(kind.st_mode) || S_ISSOCK(kind.st_mode))) {
		mutex_lock(&output.lock);
		written =
			write_locked(text, len, S_ISFIFO(kind.st_mode) ? write_pipe : write_socket);
		mutex_unlock(&output.lock);
	} else {
		written = write_all(text, len, write_file) == len;
	}
	if (!written)
		metrics_add(METRIC_LOG_LINES_LOST, 1);
	errno = kept;
}

void log_write(
	enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	static const char lost[] = "{\"level\":\"error\",\"event\":\"log_line_lost\"}\n";
	struct buf line;

	if (!log_enabled(level))
		return;
	buf_init(&line, LINE_MAX_BYTES);
	render(&line, level, event, fields, count, (enum log_format)atomic_load(&state.format));
	if (line.failed) {
		metrics_add(METRIC_LOG_LINES_LOST, 1);
		write_line(lost, sizeof lost - 1);
	} else {
		write_line(line.ptr, line.len);
	}
	buf_free(&line);
}
