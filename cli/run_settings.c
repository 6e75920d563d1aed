/* run_settings.c - the configuration, as it holds for a run without a server. */
#include "cli/run_settings.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/openfiles.h"
#include "pool/guard.h"

enum { EXIT_USAGE = 2, REPORT_MAX_BYTES = 256 << 10, MANY = 100000, OWN_SETTINGS = 1 };

static void show(const struct buf *text)
{
	if (text->len)
		fwrite(text->ptr, 1, text->len, stderr);
}

static enum err_code load(const struct run_flags *flags, char *const *env,
	struct config **ret_config, struct buf *warnings, struct buf *faults)
{
	/* No address is bound: how the server would stand there is nobody's concern. */
	char host[] = "--server-host=127.0.0.1";
	size_t count = (size_t)flags->setting_count;
	char **all = mem_new((count + OWN_SETTINGS) * sizeof *all);
	struct config *config;
	enum err_code code;

	memcpy(all, flags->settings, count * sizeof *all);
	all[count++] = host;
	code = config_load((int)count, all, env, &config, warnings, faults);
	mem_free(all);
	if (code == ERR_OK) {
		code = guard_check_config(config, faults);
		if (code == ERR_OK)
			*ret_config = config;
		else
			config_unref(config);
	}
	return code;
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
	struct buf warnings, faults;
	struct config *config;
	enum err_code code;

	buf_init(&warnings, REPORT_MAX_BYTES);
	buf_init(&faults, REPORT_MAX_BYTES);
	code = load(flags, env, &config, &warnings, &faults);
	show(&warnings);
	show(&faults);
	if (code != ERR_OK && faults.len == 0)
		fprintf(stderr, "batchgate run: %s\n", err_text(code));
	buf_free(&warnings);
	buf_free(&faults);
	if (code != ERR_OK)
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
	size_t most;
	struct err err;

	if (!config_is_given(config, "pool.max_in_flight") &&
		config->pool.max_in_flight < concurrency)
		config->pool.max_in_flight = concurrency;
	if (config->pool.max_in_flight > concurrency)
		config->pool.max_in_flight = concurrency; /* nobody else is here */
	if (config->upstream_implied && last->concurrency < concurrency)
		last->concurrency = concurrency;
	config->pool.queue_limit = SIZE_MAX / 2;
	if (openfiles_raise(config->pool.max_in_flight + openfiles_own(config), &most, &err) ==
		ERR_OK)
		return 0;
	fprintf(stderr, "batchgate run: %s: lower --concurrency, or raise it (ulimit -Hn)\n",
		err.detail);
	return EXIT_USAGE;
}
