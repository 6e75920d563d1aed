/* run_resume.h - what a run finds in the file it goes on with: its results, and a last line that
 * was torn. */
#ifndef CLI_RUN_RESUME_H
#define CLI_RUN_RESUME_H
#include "cli/run_output.h"
#include "cli/run_seen.h"

struct run_resume {
	off_t whole;     /* bytes of whole lines */
	bool unfinished; /* the last result is whole but for its line break */
};

/* Reads all results, of which none is larger than `line_max`; changes nothing. ERR_INVALID: it is
 * not a file of results; `err` names the line. */
enum err_code run_resume_load(struct run_output *output, size_t line_max, struct run_seen *seen,
	struct run_resume *ret_resume, struct err *err) MUST_CHECK;
/* Cuts off what is torn. */
enum err_code run_resume_repair(
	struct run_output *output, const struct run_resume *resume, struct err *err) MUST_CHECK;
/* After the repair: the file without its failed results takes its place. */
enum err_code run_resume_drop_failed(
	struct run_output *output, const struct run_seen *seen, struct err *err) MUST_CHECK;
#endif
