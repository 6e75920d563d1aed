/* run_settings.c - the configuration, as it holds for a run without a server. */
#include "cli/run_settings.h"

#include <stdio.h>
#include <string.h>

#include "cli/settings.h"
#include "common/exit_code.h"
#include "common/mem.h"
#include "common/openfiles.h"
#include "pool/guard.h"

enum { MANY = 100000, OWN_SETTINGS = 1 };

static enum err_code judge(struct config *config, struct forker *forker, struct buf *faults)
{
	(void)forker;
	return guard_check_config(config, faults);
}

static struct config *load(const struct run_flags *flags, char *const *env)
{
	/* No address is bound: how the server would stand there is nobody's concern. */
	char host[] = "--server-host=127.0.0.1";
	size_t count = (size_t)flags->setting_count;
	char **all = mem_new((count + OWN_SETTINGS) * sizeof *all);
	struct config *config;

	memcpy(all, flags->settings, count * sizeof *all);
	all[count++] = host;
	config = settings_load("run", (int)count, all, env, judge, NULL);
	mem_free(all);
	return config;
}

/* What bounds a request to a server does not bound a run. */
static void lift(struct config *config, const struct run_flags *flags)
{
	config->limits.max_items = SIZE_MAX / 2;
	config->limits.max_batch_response = SIZE_MAX / 2;
	config->limits.max_batch_timeout_ms = UINT64_MAX / 1000000;
	if (!config_is_given(config, "limits.max_concurrency"))
		config->limits.max_concurrency = MANY;
	if (!config_is_given(config, "limits.max_item_timeout") &&
		flags->timeout_ms > config->limits.max_item_timeout_ms)
		config->limits.max_item_timeout_ms = flags->timeout_ms;
	for (size_t i = 0; i < config->endpoint_count; i++)
		config->endpoints[i].max_items = 0;
	if (!config_is_given(config, "log.level"))
		config->log.level = LOG_WARN;
}

int run_settings_load(const struct run_flags *flags, char *const *env, struct config **ret_config)
{
	struct config *config = load(flags, env);

	if (!config)
		return EXIT_USAGE;
	lift(config, flags);
	log_configure(config->log.level, config->log.format,
		(const char *const *)config->log.redact.items, config->log.redact.count);
	*ret_config = config;
	return 0;
}

int run_settings_fit(struct config *config, unsigned concurrency)
{
	struct config_upstream *last = &config->upstreams[config->upstream_count - 1];
	size_t needed, most;
	struct err err;

	if (!config_is_given(config, "pool.max_in_flight") &&
		config->pool.max_in_flight < concurrency)
		config->pool.max_in_flight = concurrency;
	if (config->pool.max_in_flight > concurrency)
		config->pool.max_in_flight = concurrency; /* nobody else is here */
	if (config->upstream_implied && last->concurrency < concurrency)
		last->concurrency = concurrency;
	config->pool.queue_limit = SIZE_MAX / 2;
	needed = config->pool.max_in_flight + openfiles_own(config);
	if (openfiles_raise(needed, &most, &err) == ERR_OK) {
		config->pool.idle_files = openfiles_idle(config, most - needed);
		return 0;
	}
	fprintf(stderr, "batchgate run: %s: lower --concurrency, or raise it (ulimit -Hn)\n",
		err.detail);
	return EXIT_USAGE;
}
