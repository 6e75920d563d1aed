/* folding.c - header lines of an answer, folded into a JSON object: a name that came more than once
 * gets a list. */
#include "batch/folding.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct line {
	struct span name, value;
	struct line *same; /* the next line of that name */
	bool repeats;      /* of a name that came before */
};

static bool cut_line(struct span *rest, struct line *ret_line)
{
	const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
	const char *colon;

	if (rest->len == 0)
		return false;
	*ret_line = (struct line){.name = {rest->ptr, len}, .value = {"", 0}};
	colon = memchr(rest->ptr, ':', len);
	if (colon) {
		ret_line->name.len = (size_t)(colon - rest->ptr);
		ret_line->value = (struct span){colon + 1, len - ret_line->name.len - 1};
		if (ret_line->value.len && ret_line->value.ptr[0] == ' ') {
			ret_line->value.ptr++;
			ret_line->value.len--;
		}
	}
	rest->ptr += len + (end != NULL);
	rest->len -= len + (end != NULL);
	return true;
}

static int compare_names(const struct line *a, const struct line *b)
{
	if (a->name.len != b->name.len)
		return a->name.len < b->name.len ? -1 : 1;
	return memcmp(a->name.ptr, b->name.ptr, a->name.len);
}

static int compare_places(const void *a, const void *b)
{
	const struct line *left = *(struct line *const *)a, *right = *(struct line *const *)b;
	int order = compare_names(left, right);

	if (order != 0)
		return order;
	return left < right ? -1 : left > right;
}

/* Chains the lines of each name: sorted, because an upstream may send very many. */
static void link_same(struct line *lines, struct line **order, size_t count)
{
	for (size_t i = 0; i < count; i++)
		order[i] = &lines[i];
	qsort(order, count, sizeof *order, compare_places);
	for (size_t i = 1; i < count; i++) {
		if (compare_names(order[i - 1], order[i]) != 0)
			continue;
		order[i - 1]->same = order[i];
		order[i]->repeats = true;
	}
}

static void add_lines(struct buf *out, const struct line *lines, size_t count)
{
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		const struct line *line = &lines[i];

		if (line->repeats)
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		buf_add_json_string(out, line->name.ptr, line->name.len);
		buf_add(out, line->same ? ":[" : ":", line->same ? 2 : 1);
		buf_add_json_string(out, line->value.ptr, line->value.len);
		for (const struct line *more = line->same; more; more = more->same) {
			buf_add_char(out, ',');
			buf_add_json_string(out, more->value.ptr, more->value.len);
		}
		if (line->same)
			buf_add_char(out, ']');
	}
}

enum err_code folding_add(struct buf *out, struct span lines)
{
	size_t count = 0, at = 0;
	struct line *table, **order;
	struct span rest = lines;

	if (lines.len == 0)
		return buf_add(out, "{}", 2);
	for (size_t i = 0; i < lines.len; i++)
		count += lines.ptr[i] == '\n';
	count++;
	table = mem_try(count * (sizeof *table + sizeof *order));
	if (!table)
		return ERR_NOMEM;
	order = (struct line **)(void *)(table + count);
	while (at < count && cut_line(&rest, &table[at]))
		at++;
	link_same(table, order, at);
	buf_add_char(out, '{');
	add_lines(out, table, at);
	buf_add_char(out, '}');
	mem_free(table);
	return out->failed ? ERR_NOMEM : ERR_OK;
}
