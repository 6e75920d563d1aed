/* run_flags.h - the command line of `batchgate run`. */
#ifndef CLI_RUN_FLAGS_H
#define CLI_RUN_FLAGS_H
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct run_flags {
	const char *file; /* NULL or "-": standard input */
	const char *output, *resume, *defaults;
	const char *endpoint, *params;
	const char *order;     /* NULL, "completion", "input" */
	unsigned concurrency;  /* 0: not said */
	uint64_t timeout_ms;   /* 0: not said */
	unsigned max_attempts; /* --retries and one; 0: not said */
	double rate_per_s;     /* 0: not said */
	bool retry_failed, quiet;
	char **settings; /* flags of the configuration; run_flags_free */
	int setting_count;
};

/* `argv` without the program and the subcommand. ERR_INVALID: `err` says what is wrong. */
enum err_code run_flags_read(
	int argc, char *const *argv, struct run_flags *ret_flags, struct err *err) MUST_CHECK;
void run_flags_free(struct run_flags *flags);
#endif
