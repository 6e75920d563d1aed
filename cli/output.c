/* output.c - the end of what a command prints. */
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/exit_code.h"

int output_end(const char *command)
{
	/* ferror too: what was written earlier, when the buffer was full, is lost silently. */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "batchgate %s: standard output: %s\n", command, strerror(errno));
	return EXIT_FAILED;
}
