/* daemon.h - the life of the daemon: start, reload, drain, stop.
 *
 * Beside main.c the one file that includes more folders than server/ may: all but cli/. Main
 * thread. */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H
#include "common/buf.h"
#include "common/config.h"

struct forker;

/* Serves until a signal ends it. `argv` without the program and the subcommand; it and `env` are
 * read again at each reload. The exit code: 0, 2 where the configuration is refused, 3 where the
 * server cannot start or what ran did not end. A second signal ends the process here. */
int daemon_serve(int argc, char *const *argv, char *const *env);

/* What helper processes begin with: to be called before anything secret is read and before the
 * first thread. To be ended with forker_stop. NULL: it cannot run; stderr has been told why. */
struct forker *daemon_start_forker(void);
/* Would the server start with it? What common/ cannot see: the form of targets.allow and deny, the
 * named endpoints and their programs, and what the machine grants. Adds a line for each fault to
 * `faults`, without memory perhaps none. */
enum err_code daemon_judge(
	struct config *config, struct forker *forker, struct buf *faults) MUST_CHECK;
#endif
