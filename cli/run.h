/* run.h - `batchgate run`: the calls of a file or pipe, without a server. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

/* `argv` without the program and the subcommand. The exit code: 0; 1 items failed; 2 refused before
 * anything ran; 3 failed at run time; 128 + n by a signal, SIGPIPE's where nobody reads. */
int run_main(int argc, char *const *argv, char *const *env);
#endif
