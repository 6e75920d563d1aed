/* rules.c - the configuration's upstreams as the scheduler wants them. */
#include "pool/rules.h"

#include <string.h>

#include "common/mem.h"

struct rules {
	const struct config *config; /* the owner's, who has a reference */
	size_t count;
	struct upstream_counts counts[];
};

enum err_code rules_new(const struct config *config, struct rules **ret_rules)
{
	size_t count = config->upstream_count;
	struct rules *rules = mem_try(sizeof *rules + count * sizeof *rules->counts);

	if (!rules)
		return ERR_NOMEM;
	rules->config = config;
	rules->count = count;
	*ret_rules = rules;
	return ERR_OK;
}

void rules_carry_over(struct rules *rules, const struct rules *before)
{
	const struct config_upstream *now = rules->config->upstreams;

	for (size_t i = 0; i < rules->count; i++)
		for (size_t j = 0; j < before->count; j++)
			if (strcmp(now[i].match, before->config->upstreams[j].match) == 0)
				rules->counts[i] = before->counts[j];
}

void rules_destroy(struct rules *rules)
{
	mem_free(rules);
}

void rules_find(struct rules *rules, const struct url *url, struct upstream_rule *ret_rule)
{
	const struct config_upstream *found =
		config_upstream_of(rules->config, url->host, url->port);
	size_t index = (size_t)(found - rules->config->upstreams);

	*ret_rule = (struct upstream_rule){.concurrency = found->concurrency,
		.rate_per_s = found->rate_per_s,
		.breaker = {.failures = found->breaker.failures,
			.open_us = found->breaker.open_ms * 1000,
			.max_open_us = found->breaker.max_open_ms * 1000},
		.retry_percent = found->retry_percent,
		.index = index,
		.sum = &rules->counts[index]};
}

size_t rules_count(const struct rules *rules)
{
	return rules->count;
}

const struct upstream_counts *rules_counts(const struct rules *rules, size_t index)
{
	return &rules->counts[index];
}
