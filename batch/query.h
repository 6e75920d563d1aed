/* query.h - `query` objects: read, percent-encoded, merged over the defaults name by name. One
 * owner, one thread. */
#ifndef BATCH_QUERY_H
#define BATCH_QUERY_H
#include "batch/fault.h"
#include "batch/names.h"

struct query_pair {     /* one name with all its values: "a=1&a=2"; len 0: an empty list, which only
			   hides the default */
	size_t at, len; /* in `text` */
	size_t name_at, name_len; /* decoded, in `names_text` */
};

struct query {
	struct query_pair *pairs;
	size_t count, capacity;
	struct buf text, names_text;
	struct names names; /* sorted, once read */
};

void query_init(struct query *query);
void query_free(struct query *query);
void query_clear(struct query *query); /* keeps the memory */
/* Reads an object at "/query" into an empty query. ERR_INVALID: faults were added. ERR_NOMEM. */
enum err_code query_read(struct span value, struct query *query, struct fault *fault) MUST_CHECK;
/* Adds the pairs of `defaults` that `own` (NULL: none) does not name, then those of `own`.
 * ERR_LIMIT, ERR_NOMEM. */
enum err_code query_merge(
	const struct query *defaults, const struct query *own, struct buf *out) MUST_CHECK;
#endif
