/* run_setup.h - everything a run needs before its first call: checked, read, opened. */
#ifndef CLI_RUN_SETUP_H
#define CLI_RUN_SETUP_H
#include "cli/run_bar.h"
#include "cli/run_flags.h"
#include "cli/run_input.h"
#include "cli/run_journal.h"
#include "cli/run_output.h"

struct run {
	struct run_flags flags;
	struct config *config;
	struct mem_budget budget;
	struct run_input input;
	struct envelope envelope; /* its defaults are the feed's, once there is one */
	struct run_output output;
	struct run_seen seen;
	struct run_journal journal;
	size_t total;          /* items to run; PROGRESS_UNKNOWN */
	int wake;              /* eventfd: results, signals */
	struct forker *forker; /* with --endpoint, as are these: */
	struct endpoint_set *endpoints;
	struct endpoint_use *use;
	struct guard *guard;
	struct caller *caller;
	struct pool *pool;
	struct feed *feed;
	struct run_bar bar;
	bool shares_terminal; /* results are written where the bar stands */
};

/* The exit code where the run cannot begin (what is wrong was told), or 0. */
int run_setup(struct run *run, int argc, char *const *argv, char *const *env);
void run_setup_undo(struct run *run); /* also of what was half set up */
/* The item is done already, or false. */
bool run_setup_skips(const struct run *run, size_t index);
#endif
