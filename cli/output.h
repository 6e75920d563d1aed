/* output.h - the end of what a command prints. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

/* Flushes stdout. The exit code: 0, or 3 where a part of it was not taken; `command` is named
 * then. */
int output_end(const char *command);
#endif
