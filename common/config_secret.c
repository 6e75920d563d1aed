/* config_secret.c - which bytes of an expanded scalar came of `${NAME}` or `${file:…}`, and what of
 * an endpoint must therefore never be shown. */
#include "common/config_secret.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_list.h"
#include "common/mem.h"

void config_secret_mark(
	struct config_loading *loading, struct config_marks *marks, size_t from, size_t to)
{
	struct config_mark *grown;

	if (from >= to)
		return;
	grown = config_list_grow(loading, marks->items, marks->count, sizeof *grown);
	if (!grown)
		return;
	grown[marks->count++] = (struct config_mark){from, to};
	marks->items = grown;
}

void config_secret_free_marks(struct config_marks *marks)
{
	mem_free(marks->items);
	*marks = (struct config_marks){NULL, 0};
}

/* The values of "a=1&b=2" between two places. */
static void mark_values(struct config_loading *loading, const char *url, struct config_mark query,
	struct config_marks *marks)
{
	size_t at = query.from;

	while (at < query.to) {
		size_t end = at + strcspn(url + at, "&"), equals = at + strcspn(url + at, "=&");

		end = end < query.to ? end : query.to;
		config_secret_mark(loading, marks, equals < end ? equals + 1 : at, end);
		at = end + 1;
	}
}

/* The path and the query's values in what begins behind the origin; the marks leave a URL that can
 * be read when they are masked. */
static void mark_target(struct config_loading *loading, const char *url, struct config_mark target,
	struct config_marks *marks)
{
	size_t query = target.from + strcspn(url + target.from, "?");

	config_secret_mark(loading, marks, target.from + 1, query < target.to ? query : target.to);
	if (query < target.to)
		mark_values(loading, url, (struct config_mark){query + 1, target.to}, marks);
}

void config_secret_cut_origin(
	struct config_loading *loading, const char *url, struct config_marks *marks)
{
	const char *host = strstr(url, "://");
	size_t origin = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
	struct config_marks kept = {NULL, 0};

	for (size_t i = 0; i < marks->count; i++) {
		struct config_mark mark = marks->items[i];

		if (mark.from >= origin)
			config_secret_mark(loading, &kept, mark.from, mark.to);
		else
			mark_target(loading, url, (struct config_mark){origin, mark.to}, &kept);
	}
	config_secret_free_marks(marks);
	*marks = kept;
}

char *config_secret_mask(
	struct config_loading *loading, const char *text, const struct config_marks *marks)
{
	size_t at = 0, len;
	struct buf out;
	char *masked;

	buf_init(&out, strlen(text) + 3 * marks->count + 1);
	buf_adds(&out, "");
	for (size_t i = 0; i < marks->count; i++) {
		buf_add(&out, text + at, marks->items[i].from - at);
		buf_adds(&out, "***");
		at = marks->items[i].to;
	}
	buf_adds(&out, text + at);
	masked = out.failed ? NULL : buf_steal(&out, &len);
	if (!masked)
		config_fault_no_memory(loading);
	buf_free(&out);
	return masked;
}

static bool is_known(const struct config_strings *secrets, const char *text, size_t len)
{
	for (size_t i = 0; i < secrets->count; i++)
		if (strncmp(secrets->items[i], text, len) == 0 && !secrets->items[i][len])
			return true;
	return false;
}

static void add(struct config_loading *loading, struct config_strings *secrets, const char *text,
	size_t len)
{
	char *copy, **grown;

	for (; len && (*text == ' ' || *text == '\t'); len--)
		text++;
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len < CONFIG_SECRET_MIN_BYTES || is_known(secrets, text, len))
		return;
	grown = config_list_grow(loading, secrets->items, secrets->count, sizeof *grown);
	if (!grown)
		return;
	secrets->items = grown;
	copy = mem_copy(text, len);
	if (copy)
		grown[secrets->count++] = copy;
	else
		config_fault_no_memory(loading);
}

void config_secret_add_marked(struct config_loading *loading, struct config_endpoint *endpoint,
	const char *text, const struct config_marks *marks)
{
	for (size_t i = 0; i < marks->count; i++)
		add(loading, &endpoint->secrets, text + marks->items[i].from,
			marks->items[i].to - marks->items[i].from);
}

static bool is_secret_name(const struct config *config, const char *name)
{
	static const char *const always[] = {"authorization", "proxy-authorization", "cookie",
		"x-api-key", "x-goog-api-key", "api-key"};

	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		if (strcasecmp(name, always[i]) == 0)
			return true;
	for (size_t i = 0; i < config->log.redact.count; i++)
		if (strcasecmp(name, config->log.redact.items[i]) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);

	return x < y ? 1 : x > y ? -1 : strcmp(*(char *const *)a, *(char *const *)b);
}

void config_secret_finish(struct config_loading *loading, struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->header_count; i++) {
		const struct config_header *header = &endpoint->headers[i];
		const char *space;

		if (!header->value || !is_secret_name(loading->config, header->name))
			continue;
		space = strrchr(header->value, ' ');
		add(loading, &endpoint->secrets, header->value, strlen(header->value));
		if (space)
			add(loading, &endpoint->secrets, space + 1, strlen(space + 1));
	}
	if (endpoint->secrets.count)
		qsort(endpoint->secrets.items, endpoint->secrets.count,
			sizeof *endpoint->secrets.items, compare);
}
