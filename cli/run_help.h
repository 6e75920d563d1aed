/* run_help.h - what `batchgate run --help` and the manual say of it. */
#ifndef CLI_RUN_HELP_H
#define CLI_RUN_HELP_H
#include "cli/prose.h"

extern const struct prose run_help_sections[]; /* without usage, flags and exit codes */
#endif
