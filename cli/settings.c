/* settings.c - the configuration that a command works with, and what is told where it is none. */
#include "cli/settings.h"

#include <stdio.h>

enum { REPORT_MAX_BYTES = 16 << 20 };

static void show(const struct buf *text)
{
	if (text->len)
		fwrite(text->ptr, 1, text->len, stderr);
}

/* Takes the faults, and the configuration where it is refused. */
static struct config *conclude(
	const char *command, enum err_code code, struct config *config, struct buf *faults)
{
	show(faults);
	if (code != ERR_OK && faults->len == 0)
		fprintf(stderr, "batchgate %s: %s\n", command, err_text(code));
	buf_free(faults);
	if (code == ERR_OK)
		return config;
	config_unref(config);
	return NULL;
}

struct config *settings_load(const char *command, int argc, char *const *argv, char *const *env,
	settings_judge_fn *judge, struct forker *forker)
{
	struct buf warnings, faults;
	struct config *config = NULL;
	enum err_code code;

	buf_init(&warnings, REPORT_MAX_BYTES);
	buf_init(&faults, REPORT_MAX_BYTES);
	code = config_load(argc, argv, env, &config, &warnings, &faults);
	show(&warnings);
	buf_free(&warnings);
	if (code == ERR_OK && judge)
		code = judge(config, forker, &faults);
	return conclude(command, code, config, &faults);
}

struct config *settings_load_address(
	const char *command, int argc, char *const *argv, char *const *env)
{
	struct buf warnings, faults;
	struct config *config = NULL;
	enum err_code code;

	buf_init(&warnings, REPORT_MAX_BYTES);
	buf_init(&faults, REPORT_MAX_BYTES);
	code = config_load_address(argc, argv, env, &config, &warnings, &faults);
	buf_free(&warnings);
	return conclude(command, code, config, &faults);
}
