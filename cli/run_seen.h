/* run_seen.h - which items have a result already, and what their ids were: five bytes an item.
 *
 * One owner, one thread. Ids are remembered as hashes of their JSON text. */
#ifndef CLI_RUN_SEEN_H
#define CLI_RUN_SEEN_H
#include "common/buf.h"

enum { RUN_SEEN_MAX = 1 << 30, RUN_SEEN_CHUNK = 1 << 16 };

struct run_seen_chunk;

struct run_seen { /* a zeroed one is empty */
	struct run_seen_chunk *chunks[RUN_SEEN_MAX / RUN_SEEN_CHUNK];
	size_t count, failed; /* results; of them failed ones */
	size_t lost;          /* items noted by run_seen_lose */
	size_t beyond;        /* the highest index that has a result, and one */
};

void run_seen_free(struct run_seen *seen);
/* ERR_BUSY: it has one already. ERR_LIMIT: an index from RUN_SEEN_MAX on. ERR_NOMEM. */
enum err_code run_seen_put(
	struct run_seen *seen, size_t index, struct span id, bool failed) MUST_CHECK;
bool run_seen_has(const struct run_seen *seen, size_t index);
bool run_seen_failed(const struct run_seen *seen, size_t index);
bool run_seen_matches(const struct run_seen *seen, size_t index, struct span id);
/* Notes that the item was under way when a run was killed; a second time changes nothing. */
enum err_code run_seen_lose(struct run_seen *seen, size_t index) MUST_CHECK;
bool run_seen_lost(const struct run_seen *seen, size_t index);
void run_seen_find(struct run_seen *seen, size_t index); /* it is lost no more */
#endif
