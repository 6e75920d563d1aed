/* header.c - `headers` objects: read, merged over the defaults, made into the lines that go
 * upstream. */
#include "batch/header.h"

#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "batch/scan.h"
#include "common/mem.h"

enum { HEADERS_TEXT_MAX = 65536 };

static const struct span none = {NULL, 0};

static const char *const content_types[BODY_KIND_COUNT] = {
	[BODY_JSON] = "Content-Type: application/json",
	[BODY_TEXT] = "Content-Type: text/plain; charset=utf-8",
	[BODY_BYTES] = "Content-Type: application/octet-stream",
};

void header_list_init(struct header_list *list)
{
	*list = (struct header_list){0};
	buf_init(&list->text, HEADERS_TEXT_MAX * 4); /* never reached: read_object stops before */
}

void header_list_free(struct header_list *list)
{
	mem_free(list->items);
	buf_free(&list->text);
	header_list_init(list);
}

void header_list_clear(struct header_list *list)
{
	list->count = 0;
	buf_clear(&list->text);
}

static enum err_code add(struct header_list *list, struct header header)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 8;
		struct header *items = mem_resize(list->items, capacity * sizeof *items);

		if (!items)
			return ERR_NOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = header;
	return ERR_OK;
}

/* Adds "Name: value\0"; without a value (NULL) only the name, so that it hides the default's. */
static enum err_code add_line(struct header_list *list, struct span name, const struct span *value)
{
	struct header header = {list->text.len, 0, list->text.len, name.len};
	struct span trimmed = value ? span_trim(*value) : (struct span){0};
	struct buf *text = &list->text;

	if (buf_add(text, name.ptr, name.len) != ERR_OK)
		return ERR_NOMEM;
	if (value && trimmed.len == 0) /* of blanks only: libcurl would leave the whole line out */
		buf_add(text, ";", 1);
	else if (value)
		buf_add(text, ": ", 2);
	buf_add(text, trimmed.ptr, trimmed.len);
	header.len = value ? text->len - header.at : 0;
	if (buf_add(text, "", 1) != ERR_OK)
		return ERR_NOMEM;
	return add(list, header);
}

static enum err_code refuse(struct fault *fault, enum item_reason reason, struct span name)
{
	char pointer[FAULT_POINTER_MAX] = "/headers", quoted[FAULT_NAME_MAX];
	const char *what;

	switch (reason) {
	case REASON_HEADER_DENIED:
		what = "is not for callers to set";
		break;
	case REASON_HEADER_TOO_LARGE:
		what = "is too large: 8 KiB a field, 100 fields and 32 KiB in all are the limits";
		break;
	case REASON_FIELD_INVALID:
		what = "must be a string or a list of strings";
		break;
	default:
		what = "is no valid header field";
	}
	fault_point(pointer, name);
	fault_quote_decoded(name, quoted);
	return fault_add(fault, reason, pointer, none, "the header `%s` %s", quoted, what);
}

static enum err_code add_value(
	struct header_list *list, struct span name, const json_t *json, struct fault *fault)
{
	struct span value = {json_string_value(json), json_string_length(json)};
	enum item_reason reason;

	if (!json_is_string(json))
		return refuse(fault, REASON_FIELD_INVALID, name);
	reason = field_check(name, value);
	if (reason != REASON_NONE)
		return refuse(fault, reason, name);
	if (field_ours(name))
		return ERR_OK;
	return add_line(list, name, &value);
}

static enum err_code add_field(struct header_list *list, struct span name, const json_t *value,
	bool can_remove, struct fault *fault)
{
	enum err_code code = ERR_OK;
	enum item_reason reason;

	for (size_t i = 0; i < list->count; i++) {
		const struct header *other = &list->items[i];

		if (other->name_len == name.len &&
			strncasecmp(list->text.ptr + other->name_at, name.ptr, name.len) == 0)
			return fault_add(fault, REASON_HEADER_INVALID, "/headers", none,
				"`headers` names a field more than once, in different case: give "
				"it a list of values");
	}
	if (json_is_string(value))
		return add_value(list, name, value, fault);
	if (!json_is_array(value) && !(json_is_null(value) && can_remove))
		return refuse(fault, REASON_FIELD_INVALID, name);
	if (json_array_size(value) == 0) {
		reason = field_check(name, (struct span){"", 0});
		return reason == REASON_NONE ? add_line(list, name, NULL)
					     : refuse(fault, reason, name);
	}
	for (size_t i = 0; code == ERR_OK && i < json_array_size(value); i++) {
		if (list->count > FIELD_COUNT_MAX || list->text.len > 2 * FIELD_TOTAL_MAX_BYTES)
			return refuse(fault, REASON_HEADER_TOO_LARGE, name);
		code = add_value(list, name, json_array_get(value, i), fault);
	}
	return code;
}

static enum err_code too_large(struct fault *fault)
{
	return fault_add(fault, REASON_HEADER_TOO_LARGE, "/headers", none,
		"`headers` may hold at most %d fields of 8 KiB each, 32 KiB in all",
		FIELD_COUNT_MAX);
}

/* Count and size of the lines that go upstream of what callers say. */
static bool fits(const struct header_list *list)
{
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		count += list->items[i].len > 0;
		bytes += list->items[i].len;
	}
	return count <= FIELD_COUNT_MAX && bytes <= FIELD_TOTAL_MAX_BYTES;
}

static enum err_code read_object(
	json_t *object, bool can_remove, struct header_list *list, struct fault *fault)
{
	enum err_code code = ERR_OK, worst = ERR_OK;

	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		struct span name = {json_object_iter_key(at), json_object_iter_key_len(at)};

		code = add_field(list, name, json_object_iter_value(at), can_remove, fault);
		if (code == ERR_NOMEM || (code != ERR_OK && !fault->problem))
			return code;
		if (code != ERR_OK)
			worst = code;
	}
	return worst == ERR_OK && !fits(list) ? too_large(fault) : worst;
}

enum err_code header_read(
	struct span value, bool can_remove, struct header_list *list, struct fault *fault)
{
	json_error_t error;
	json_t *object;
	enum err_code code;

	if (scan_type(value) != SCAN_OBJECT)
		return fault_add(fault, REASON_FIELD_INVALID, "/headers", none,
			"`headers` must be an object");
	if (value.len > HEADERS_TEXT_MAX || scan_count(value, FIELD_COUNT_MAX) > FIELD_COUNT_MAX)
		return too_large(fault);
	object = json_loadb(value.ptr, value.len, JSON_REJECT_DUPLICATES, &error);
	if (object) {
		code = read_object(object, can_remove, list, fault);
		json_decref(object);
		return code;
	}
	switch (json_error_code(&error)) {
	case json_error_duplicate_key:
		return fault_add(fault, REASON_HEADER_INVALID, "/headers", none,
			"`headers` names a field more than once");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return fault_add(
			fault, REASON_HEADER_INVALID, "/headers", none, "`headers` holds a NUL");
	case json_error_numeric_overflow:
		return fault_add(fault, REASON_FIELD_INVALID, "/headers", none,
			"`headers` must hold strings or lists of strings");
	default:
		return ERR_NOMEM; /* the text is proved, so nothing else can be wrong */
	}
}

bool header_has(const char *const *lines, size_t count, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < count; i++) {
		if (strncasecmp(lines[i], name, len) == 0 &&
			(lines[i][len] == ':' || lines[i][len] == ';'))
			return true;
	}
	return false;
}

/* An empty key names nothing, so it makes nothing repeatable. */
bool header_has_value(const char *const *lines, size_t count, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (strncasecmp(lines[i], name, len) == 0 && lines[i][len] == ':' &&
			strcmp(lines[i] + len, ": \"\"") != 0)
			return true;
	return false;
}

static bool hides(const struct header_list *own, const char *name, size_t len)
{
	for (size_t i = 0; own && i < own->count; i++) {
		if (own->items[i].name_len == len &&
			strncasecmp(own->text.ptr + own->items[i].name_at, name, len) == 0)
			return true;
	}
	return false;
}

bool header_list_sends(const struct header_list *list, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < list->count; i++) {
		const struct header *header = &list->items[i];

		if (header->len > 0 && header->name_len == len &&
			strncasecmp(list->text.ptr + header->name_at, name, len) == 0)
			return true;
	}
	return false;
}

struct span header_clash(const struct header_base *base, const struct header_list *own)
{
	for (size_t i = 0; i < base->defaults.count; i++) {
		const struct header *header = &base->defaults.items[i];
		const char *name = base->defaults.text.ptr + header->name_at;

		if (hides(own, name, header->name_len))
			return (struct span){name, header->name_len};
	}
	return none;
}

enum err_code header_add(struct header_list *list, const char *name, const char *value)
{
	struct span text = span_of(value);

	return add_line(list, span_of(name), &text);
}

/* Behind the callers' lines: what stands there unless they named it. */
static size_t add_ours(
	const struct header_base *base, enum body_kind kind, const char **lines, size_t count)
{
	if (content_types[kind] && !header_has(lines, count, "Content-Type"))
		lines[count++] = content_types[kind];
	if (!header_has(lines, count, "User-Agent"))
		lines[count++] = "User-Agent: batchgate/" BATCHGATE_VERSION;
	if (base->traceparent && !header_has(lines, count, "traceparent")) {
		lines[count++] =
			base->traceparent; /* a tracestate belongs to its traceparent only */
		if (base->tracestate && !header_has(lines, count, "tracestate"))
			lines[count++] = base->tracestate;
	}
	return count;
}

size_t header_merge(const struct header_base *base, const struct header_list *own,
	const char *own_text, enum body_kind kind, const char **lines, struct fault *fault)
{
	const struct header_list *defaults = &base->defaults;
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i < defaults->count; i++) {
		const struct header *header = &defaults->items[i];

		if (header->len == 0 ||
			hides(own, defaults->text.ptr + header->name_at, header->name_len))
			continue;
		lines[count++] = defaults->text.ptr + header->at;
		bytes += header->len;
	}
	for (size_t i = 0; own && i < own->count; i++) {
		bytes += own->items[i].len;
		if (own->items[i].len == 0)
			continue;
		if (count == FIELD_COUNT_MAX || bytes > FIELD_TOTAL_MAX_BYTES) {
			too_large(fault);
			return 0;
		}
		lines[count++] = own_text + own->items[i].at;
	}
	return add_ours(base, kind, lines, count);
}

static enum err_code share_lines(struct header_base *base)
{
	const char *lines[HEADER_LINES_MAX];

	for (unsigned kind = 0; kind < BODY_KIND_COUNT; kind++) {
		size_t count = header_merge(base, NULL, NULL, (enum body_kind)kind, lines, NULL);

		base->common[kind] = mem_try(count * sizeof *lines);
		if (!base->common[kind])
			return ERR_NOMEM;
		memcpy(base->common[kind], lines, count * sizeof *lines);
		base->common_count[kind] = count;
		base->common_keyed = header_has_value(lines, count, "Idempotency-Key");
	}
	return ERR_OK;
}

enum err_code header_base_init(
	struct header_base *base, const char *traceparent, const char *tracestate)
{
	if (traceparent) {
		base->traceparent = mem_print("traceparent: %s", traceparent);
		if (!base->traceparent)
			return ERR_NOMEM;
	}
	if (tracestate) {
		base->tracestate = mem_print("tracestate: %s", tracestate);
		if (!base->tracestate)
			return ERR_NOMEM;
	}
	return share_lines(base);
}

void header_base_free(struct header_base *base)
{
	header_list_free(&base->defaults);
	mem_free(base->traceparent);
	mem_free(base->tracestate);
	for (unsigned kind = 0; kind < BODY_KIND_COUNT; kind++)
		mem_free(base->common[kind]);
	*base = (struct header_base){0};
}
