/* run_signals.h - Ctrl-C and SIGTERM of `batchgate run`: counted, and told through a descriptor.
 *
 * The first two wake whoever polls `fd`; the third ends the process where it stands. A write(2)
 * that blocks ends with EINTR. */
#ifndef CLI_RUN_SIGNALS_H
#define CLI_RUN_SIGNALS_H
#include "common/err.h"

/* Main thread, once; SIGPIPE is ignored from now on. */
enum err_code run_signals_begin(int *ret_fd, struct err *err) MUST_CHECK;
void run_signals_wake(int fd); /* any thread: makes `fd`, an eventfd, readable */
unsigned run_signals_count(void);
int run_signals_last(void); /* 0: none came */
#endif
