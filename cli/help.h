/* help.h - `batchgate --help`: what it is, a first call, every subcommand and setting; and each
 * subcommand's own. */
#ifndef CLI_HELP_H
#define CLI_HELP_H
#include <stdio.h>

#include "cli/command.h"
#include "cli/prose.h"

/* What the manual says too. */
extern const char help_summary[];          /* a few words */
extern const struct prose help_sections[]; /* of the program; the first has no title of its own */
extern const char help_settings[];         /* how settings are written */

void help_print(FILE *stream);
/* `batchgate COMMAND --help`: usage, examples, flags without those of the configuration. */
void help_print_command(enum command_id command, FILE *stream);
void help_print_usage(enum command_id command, FILE *stream); /* how it is called */
#endif
