/* check.h - `batchgate check [--print]`: is the configuration one that the server would start with?
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H
#include "cli/settings.h"

/* `argv` without the program and the subcommand: --print, or --endpoint with --item, --params and
 * --answer (check_endpoint.h), and the flags of the configuration, in any order. `judge` may be
 * NULL. The exit code: 0, 1 where the item of --endpoint would fail, 2 where something is wrong, 3
 * where stdout takes nothing. */
int check_run(int argc, char *const *argv, char *const *env, settings_judge_fn *judge,
	struct forker *forker);
#endif
