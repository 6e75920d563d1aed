/* log.h - one event a line on stderr: a JSON object, or text for people.
 *
 * Any thread, and never waiting: a line that stderr does not take at once is lost, and counted in
 * batchgate_log_lines_lost_total. Values of fields whose name stands in `log.redact` are shown as
 * "[redacted]". Library-like code never logs above debug; errors are logged once, by handlers/ or
 * main. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_JSON, LOG_TEXT };

enum log_type { LOG_TYPE_STRING, LOG_TYPE_U64, LOG_TYPE_MS, LOG_TYPE_BOOL };
struct log_field {
	const char *name;
	enum log_type type;
	const char *string; /* NULL leaves the field out */
	uint64_t number;    /* MS: microseconds, printed as milliseconds */
};

#define LOG_S(name, value) ((struct log_field){(name), LOG_TYPE_STRING, (value), 0})
#define LOG_U(name, value) ((struct log_field){(name), LOG_TYPE_U64, NULL, (value)})
#define LOG_MS(name, us) ((struct log_field){(name), LOG_TYPE_MS, NULL, (us)})
#define LOG_B(name, value) ((struct log_field){(name), LOG_TYPE_BOOL, NULL, (value)})
#define LOG_FIELDS(...)                    \
	(struct log_field[]){__VA_ARGS__}, \
		sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)

/* Replaces level, format and the list of redacted names (copied). Before the first call: info,
 * JSON, none. */
void log_configure(enum log_level level, enum log_format format, const char *const *redact,
	size_t redact_count);
bool log_enabled(enum log_level level); /* cheap: ask before building fields on a hot path */
/* {"time":…,"level":…,"event":…, fields…} */
void log_write(
	enum log_level level, const char *event, const struct log_field *fields, size_t count);
#define log_debug(event, ...) log_write(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_write(LOG_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#endif
