/* run_journal.h - which calls that may not be repeated were begun: OUTPUT.inflight.
 *
 * A line with the item's index is written before the call's first attempt, so that a run that was
 * killed (kill -9, not a power cut) never makes it twice. Where calls carry a key that makes them
 * repeatable, the first line holds it, so that who goes on sends the same ones. */
#ifndef CLI_RUN_JOURNAL_H
#define CLI_RUN_JOURNAL_H
#include <stdatomic.h>

#include "cli/run_seen.h"

enum { RUN_JOURNAL_KEY = 32 };

struct run_journal { /* path NULL: there is none */
	char *path;
	char *key; /* borrowed, RUN_JOURNAL_KEY hexadecimal digits and a NUL; NULL: there is none */
	int fd;
	atomic_int failed; /* errno of the first line that could not be written */
};

/* For the results in `output`; opens nothing. */
enum err_code run_journal_init(
	struct run_journal *journal, const char *output, struct err *err) MUST_CHECK;
void run_journal_free(struct run_journal *journal);
bool run_journal_is_there(const struct run_journal *journal); /* and not empty */
/* Notes as lost what was begun and has no result, and takes the key. No journal is fine. */
enum err_code run_journal_load(
	struct run_journal *journal, struct run_seen *seen, struct err *err) MUST_CHECK;
/* Opens it, holding what is lost and nothing else. */
enum err_code run_journal_begin(
	struct run_journal *journal, const struct run_seen *seen, struct err *err) MUST_CHECK;
/* Any thread. False: it could not be written, nor will any after it (`failed`). */
bool run_journal_note(struct run_journal *journal, size_t index) MUST_CHECK;
/* Everything that was begun has its result: what stays is what is lost still, or no file. */
enum err_code run_journal_end(
	struct run_journal *journal, const struct run_seen *seen, struct err *err) MUST_CHECK;
#endif
