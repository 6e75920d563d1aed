/* names.h - many names: which come twice, and is this one among them? Sorted, so that nobody can
 * choose names that collide.
 *
 * Borrows the names' bytes. One owner, one thread. */
#ifndef BATCH_NAMES_H
#define BATCH_NAMES_H
#include <stdbool.h>

#include "common/buf.h"

struct name {
	struct span text;
	size_t index;  /* the asker's number for it; rising in the order of adding */
	unsigned kind; /* names of two kinds never are the same */
};

struct names {
	struct name *items;
	size_t count, capacity;
};

void names_free(struct names *names);  /* a zeroed one is empty */
void names_clear(struct names *names); /* keeps the memory */
enum err_code names_reserve(struct names *names, size_t count) MUST_CHECK; /* room for `count` */
size_t names_bytes(size_t count); /* what so many take at most, reserved and being sorted */
enum err_code names_add(struct names *names, struct name name) MUST_CHECK; /* ERR_NOMEM */
void names_sort(struct names *names);
/* After names_sort: the number of names that stood there before under a lower index; their indices
 * go to `ret_indices` (rising; `max` of them at most, the lowest ones). */
size_t names_repeated(const struct names *names, size_t *ret_indices, size_t max);
bool names_has(const struct names *names, struct span text, unsigned kind); /* after names_sort */
#endif
