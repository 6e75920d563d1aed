/* help.h - `batchgate --help`: what it is, a first call, every subcommand and setting. */
#ifndef CLI_HELP_H
#define CLI_HELP_H
#include <stdio.h>

void help_print(FILE *stream);
#endif
