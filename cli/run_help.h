/* run_help.h - `batchgate run --help`. */
#ifndef CLI_RUN_HELP_H
#define CLI_RUN_HELP_H
#include <stdio.h>

void run_help_usage(FILE *stream); /* a line and where there is more */
void run_help_print(FILE *stream);
#endif
