/* check.h - `batchgate check [--print]`: is the configuration one that the server would start with?
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H
#include "common/config.h"
#include "common/err.h"

struct forker;

typedef enum err_code check_judge_fn(
	struct config *config, struct forker *forker, struct buf *faults);

/* `argv` without the program and the subcommand: --print, or --endpoint with --item, --params and
 * --answer (check_endpoint.h), and the flags of the configuration, in any order. `judge` (may be
 * NULL) sees what common/ cannot, such as the form of targets.allow and deny, and tells what is
 * wrong, a line each. The exit code: 0, 2 where something is wrong, 3 where stdout takes nothing.
 */
int check_run(int argc, char *const *argv, char *const *env, check_judge_fn *judge,
	struct forker *forker);
#endif
