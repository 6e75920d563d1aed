/* usage.h - what the program says of itself in place of running: help, and that a command is
 * none. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H
#include <stdbool.h>

/* Wherever it stands: who asks for help is not told what else is wrong. */
bool usage_asks_for_help(int argc, char *const *argv);
/* Help with a command, NULL: with the whole program; the exit code. */
int usage_help(const char *command);
int usage_refuse(const char *command); /* says what may have been meant; the exit code */
#endif
