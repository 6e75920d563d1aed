/* config_secret.h - which bytes of an expanded scalar came of `${NAME}` or `${file:…}`, and what of
 * an endpoint must therefore never be shown. */
#ifndef COMMON_CONFIG_SECRET_H
#define COMMON_CONFIG_SECRET_H
#include "common/config_fault.h"

enum { CONFIG_SECRET_MIN_BYTES = 8 }; /* shorter ones stand in any text by chance */

struct config_mark {
	size_t from, to;
};
struct config_marks { /* in order, without overlap */
	struct config_mark *items;
	size_t count;
};

void config_secret_mark(
	struct config_loading *loading, struct config_marks *marks, size_t from, size_t to);
void config_secret_free_marks(struct config_marks *marks); /* and leaves them empty */
/* Leaves of a URL's marks what lies behind its origin. Where a reference gives the origin too (the
 * address of a webhook), these are its path and the values in its query. */
void config_secret_cut_origin(
	struct config_loading *loading, const char *url, struct config_marks *marks);
/* `text` with "***" for each mark; NULL without memory, which is noted. */
char *config_secret_mask(
	struct config_loading *loading, const char *text, const struct config_marks *marks);

/* Adds what is marked to the endpoint's secrets: no blanks around it, not twice, nothing short. */
void config_secret_add_marked(struct config_loading *loading, struct config_endpoint *endpoint,
	const char *text, const struct config_marks *marks);
/* Adds the values of headers that are secret by their name (those of log.redact, and some that
 * always are), and what follows the last space in them. Sorts: the longest first. */
void config_secret_finish(struct config_loading *loading, struct config_endpoint *endpoint);
#endif
