/* rules.h - the configuration's upstreams as the scheduler wants them, and what is counted over all
 * upstreams of each. One owner, one lock. */
#ifndef POOL_RULES_H
#define POOL_RULES_H
#include "common/config.h"
#include "pool/upstream.h"

struct rules; /* one a configuration */

enum err_code rules_new(const struct config *config, struct rules **ret_rules) MUST_CHECK;
/* What was counted under a rule of the same pattern goes on. */
void rules_carry_over(struct rules *rules, const struct rules *before);
void rules_destroy(struct rules *rules); /* NULL is fine */
void rules_find(struct rules *rules, const struct url *url, struct upstream_rule *ret_rule);
size_t rules_count(const struct rules *rules);
const struct upstream_counts *rules_counts(const struct rules *rules, size_t index);
#endif
