/* endpoint_path.h - where a call of a named endpoint goes: the operator's URL, with the path that
 * its `request` template gave below it. Pure; any thread. */
#ifndef BATCH_ENDPOINT_PATH_H
#define BATCH_ENDPOINT_PATH_H
#include "batch/fault.h"
#include "pool/url.h"

/* Adds `url` with `path` (proved JSON: a string that goes in as it stands, or a list of segments
 * that are percent-encoded) between its own path and its query. Nothing of the URL can be left by
 * it: no dot segments in any spelling, no empty segments, no encoded slashes, backslashes or
 * control characters. ERR_INVALID: a fault at /path was added. ERR_NOMEM, ERR_LIMIT (out's). */
enum err_code endpoint_path_join(
	struct span url, struct span path, struct buf *out, struct fault *fault);
/* Whatever was joined: `url` begins with the origin and the path of `base`. */
bool endpoint_path_is_below(const struct url *base, const struct url *url);
#endif
