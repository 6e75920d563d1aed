/* log.c - one event a line on stderr: a JSON object, or text for people.
 *
 * The list of redacted names is immutable and counted: a line takes a reference under the lock and
 * renders without it, so that a reload may replace the list while other threads write. */
#include "common/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/thread.h"
#include "common/utf8.h"

enum { VALUE_MAX_BYTES = 8 * 1024, LINE_MAX_BYTES = 128 * 1024 };

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
	if (!*ret_cut)
		return len;
	len = VALUE_MAX_BYTES;
	for (size_t back = 1; back <= 3; back++) {
		unsigned char c = (unsigned char)text[len - back];

		if ((c & 0xC0) == 0xC0 && utf8_char(text + len - back, back) == 0)
			return len - back;
		if ((c & 0xC0) != 0x80)
			break;
	}
	return len;
}

static void add_json_value(struct buf *line, const char *text)
{
	bool cut;
	size_t len = shown_length(text, &cut);

	buf_add_json_string(line, text, len);
	if (cut && !line->failed) {
		line->len--; /* reopens the string */
		buf_adds(line, "...[cut]\"");
	}
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

/* The character at `text`, `len` bytes long (0: a bad byte), as it may stand within quotes. A
 * terminal obeys DEL and the C1 controls too. */
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

static void add_text_value(struct buf *line, const char *text)
{
	bool cut;
	size_t len = shown_length(text, &cut), i = 0;

	if (!cut && is_bare(text, len)) {
		buf_add(line, text, len);
		return;
	}
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
		add_json_value(line, field->string);
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
	add_json_value(line, event);
	add_fields(line, fields, count, format);
	buf_adds(line, "}\n");
}

/* One write(2), so that lines of several threads do not mix; a rest follows only where the kernel
 * took a part. */
static void write_line(const char *text, size_t len)
{
	int kept = errno;

	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* nowhere to say it */
		text += n;
		len -= (size_t)n;
	}
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
	if (line.failed)
		write_line(lost, sizeof lost - 1);
	else
		write_line(line.ptr, line.len);
	buf_free(&line);
}
