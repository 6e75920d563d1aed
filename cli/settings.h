/* settings.h - the configuration that a command works with, and what is told where it is none. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H
#include "common/config.h"

struct forker;

/* Sees what common/ cannot, such as the form of targets.allow and deny; adds a line to `faults` for
 * each thing that is wrong. */
typedef enum err_code settings_judge_fn(
	struct config *config, struct forker *forker, struct buf *faults);

/* What config_load makes of the arguments, if `judge` (NULL is fine) takes it too. Prints warnings
 * to stderr, and what is wrong; `command` is named where there is no more to say. NULL: it was told
 * why. The caller owns the reference. */
struct config *settings_load(const char *command, int argc, char *const *argv, char *const *env,
	settings_judge_fn *judge, struct forker *forker);
/* The same with config_load_address, and without the warnings: they are for who runs the server. */
struct config *settings_load_address(
	const char *command, int argc, char *const *argv, char *const *env);
#endif
