/* names.c - many names: which come twice, and is this one among them? */
#include "batch/names.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void names_free(struct names *names)
{
	mem_free(names->items);
	*names = (struct names){NULL, 0, 0};
}

void names_clear(struct names *names)
{
	names->count = 0;
}

enum err_code names_reserve(struct names *names, size_t count)
{
	struct name *items;

	if (count <= names->capacity)
		return ERR_OK;
	items = mem_resize(names->items, count * sizeof *items);
	if (!items)
		return ERR_NOMEM;
	names->items = items;
	names->capacity = count;
	return ERR_OK;
}

size_t names_bytes(size_t count)
{
	return 2 * count * sizeof(struct name); /* glibc's qsort merges into a copy */
}

enum err_code names_add(struct names *names, struct name name)
{
	if (names->count == names->capacity) {
		size_t capacity = names->capacity ? names->capacity * 2 : 16;

		if (names_reserve(names, capacity) != ERR_OK)
			return ERR_NOMEM;
	}
	names->items[names->count++] = name;
	return ERR_OK;
}

static int compare(const struct name *a, const struct name *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->text.len != b->text.len)
		return a->text.len < b->text.len ? -1 : 1;
	return a->text.len ? memcmp(a->text.ptr, b->text.ptr, a->text.len) : 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct name *left = a, *right = b;
	int order = compare(left, right);

	if (order != 0)
		return order;
	return left->index < right->index ? -1 : left->index > right->index;
}

void names_sort(struct names *names)
{
	if (names->count > 1)
		qsort(names->items, names->count, sizeof *names->items, compare_places);
}

/* Keeps the lowest `max` in rising order. */
static void keep_lowest(size_t *indices, size_t kept, size_t max, size_t index)
{
	size_t at = kept;

	if (kept == max) {
		if (max == 0 || index > indices[max - 1])
			return;
		at = max - 1;
	}
	while (at > 0 && indices[at - 1] > index) {
		indices[at] = indices[at - 1];
		at--;
	}
	indices[at] = index;
}

size_t names_repeated(const struct names *names, size_t *ret_indices, size_t max)
{
	size_t count = 0;

	for (size_t i = 1; i < names->count; i++) {
		if (compare(&names->items[i - 1], &names->items[i]) != 0)
			continue;
		keep_lowest(ret_indices, count < max ? count : max, max, names->items[i].index);
		count++;
	}
	return count;
}

static int compare_names(const void *a, const void *b)
{
	return compare(a, b);
}

bool names_has(const struct names *names, struct span text, unsigned kind)
{
	struct name key = {text, 0, kind};

	return names->count &&
	       bsearch(&key, names->items, names->count, sizeof key, compare_names) != NULL;
}
