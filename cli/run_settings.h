/* run_settings.h - the configuration, as it holds for a run without a server. */
#ifndef CLI_RUN_SETTINGS_H
#define CLI_RUN_SETTINGS_H
#include "cli/run_flags.h"
#include "common/config.h"

/* 0, or the exit code: what is wrong was told. Sets up the log. */
int run_settings_load(const struct run_flags *flags, char *const *env, struct config **ret_config);
/* Makes room for so many calls at once where nobody said otherwise, and for their files. */
int run_settings_fit(struct config *config, unsigned concurrency);
#endif
