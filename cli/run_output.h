/* run_output.h - where the results of `batchgate run` go: whole lines, to standard output or a file
 * that is never overwritten. One owner, one thread. */
#ifndef CLI_RUN_OUTPUT_H
#define CLI_RUN_OUTPUT_H
#include <sys/types.h>

#include "common/buf.h"

struct run_output {
	int fd;
	char *path; /* NULL: standard output */
	bool regular, created;
	struct buf pending; /* lines; up to `written` they are out */
	size_t written;
};

enum run_output_state {
	RUN_OUTPUT_DONE,    /* all is written */
	RUN_OUTPUT_BLOCKED, /* poll for POLLOUT first */
	RUN_OUTPUT_GONE,    /* nobody reads any more */
	RUN_OUTPUT_FAILED   /* errno says why */
};

void run_output_init(struct run_output *output); /* standard output */
/* The file: made, or opened where `resume`. ERR_INVALID: it is not empty, or a run writes to it. */
enum err_code run_output_open(
	struct run_output *output, const char *path, bool resume, struct err *err) MUST_CHECK;
void run_output_close(struct run_output *output);
/* A new file, to be written beside the output; what a killed run left there goes. A descriptor, or
 * -1 and errno. */
int run_output_beside(const char *path) MUST_CHECK;
/* Another file takes the place of ours: `path` is renamed to it. Takes `fd`. */
enum err_code run_output_replace(
	struct run_output *output, int fd, const char *path, struct err *err) MUST_CHECK;
/* ERR_NOMEM. */
enum err_code run_output_add(struct run_output *output, struct span line) MUST_CHECK;
size_t run_output_waiting(const struct run_output *output); /* bytes */
enum run_output_state run_output_write(struct run_output *output);
#endif
