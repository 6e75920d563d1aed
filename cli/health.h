/* health.h - `batchgate health`: is the server of this configuration alive?
 *
 * Made for containers, which have no other HTTP client: reads what `serve` reads, asks GET /healthz
 * of the address it names, and ends within three seconds. */
#ifndef CLI_HEALTH_H
#define CLI_HEALTH_H

/* `argv` without the program and the subcommand: the flags of the configuration. The exit code: 0,
 * 2 where the configuration names no address to ask, 3 where no good answer came; why is one line
 * on stderr. Ends the process where time runs out. */
int health_run(int argc, char *const *argv, char *const *env);
#endif
