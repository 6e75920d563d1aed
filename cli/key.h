/* key.h - `batchgate key`: makes an API key, or the hash of one. */
#ifndef CLI_KEY_H
#define CLI_KEY_H

/* `argv` without the program and the subcommand: [--name NAME] [--hash]. Writes to stdout, reads a
 * key from stdin with
 * --hash. The exit code: 0, 2 for wrong usage, 3 where the system has no randomness or stdout takes
 * nothing. */
int key_run(int argc, char *const *argv);
#endif
