/* signals.h - what the main thread waits for: signals, one timer, and the service running dry.
 *
 * The signals are blocked in every thread and read from a signalfd, which also works as PID 1,
 * where the kernel drops what has no handler. Only at the very end, after signals_end_at_once, does
 * a handler run. Main thread only, but for the eventfd of signals_idle_fd. */
#ifndef SERVER_SIGNALS_H
#define SERVER_SIGNALS_H
#include <stdint.h>

#include "common/err.h"

struct signals;

enum signals_event {
	SIGNALS_STOP,   /* SIGTERM, SIGINT */
	SIGNALS_RELOAD, /* SIGHUP */
	SIGNALS_TIMER,
	SIGNALS_IDLE
};

/* Before the first thread is started: they inherit the mask. Ignores SIGPIPE. */
enum err_code signals_new(struct signals **ret_signals, struct err *err) MUST_CHECK;
void signals_destroy(struct signals *signals); /* NULL is fine */
/* An eventfd: whoever adds to it causes SIGNALS_IDLE. */
int signals_idle_fd(const struct signals *signals);
void signals_set_timer(struct signals *signals, uint64_t after_ms); /* once; 0: switched off */
/* Waits. Of what stands side by side, signals are told first, then the timer; of the signals the
 * one with the lowest number (SIGHUP, SIGINT, SIGTERM), each once however often it was sent. */
enum signals_event signals_wait(struct signals *signals);
/* From now on a stop ends the process where it stands, with 128 + its number: the main thread is
 * about to wait for something else. */
void signals_end_at_once(struct signals *signals);
/* The number behind the last SIGNALS_STOP; 0: none came. */
int signals_last(const struct signals *signals);
#endif
