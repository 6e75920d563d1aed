/* policy.h - `retry` objects: read, merged member by member, made into the engine's policy. Pure;
 * any thread. */
#ifndef BATCH_POLICY_H
#define BATCH_POLICY_H
#include "batch/fault.h"
#include "pool/call.h"

struct policy_patch { /* what one `retry` object says; a zeroed one says nothing */
	bool has_max_attempts, has_backoff, has_max_backoff, has_retry_on;
	struct retry_policy says;
};

void policy_default(struct retry_policy *ret_policy);
/* Reads the object at `path` ("/retry"). ERR_INVALID: faults were added. ERR_NOMEM. */
enum err_code policy_read(struct span value, const char *path, struct policy_patch *ret_patch,
	struct fault *fault) MUST_CHECK;
void policy_apply(struct retry_policy *policy, const struct policy_patch *patch);
#endif
