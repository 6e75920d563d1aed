/* notice.h - what is told of a configuration: its faults, its warnings, what a reload cannot
 * change.
 *
 * Main thread. */
#ifndef SERVER_NOTICE_H
#define SERVER_NOTICE_H
#include "common/buf.h"
#include "common/config.h"

typedef void notice_fn(const char *line);

void notice_each(struct buf *text, notice_fn *tell); /* a line each; cuts `text` to pieces */
void notice_say(const char *line);                   /* on stderr: before there is a log */
void notice_warn(const char *line);                  /* in the log */
void notice_fault(const char *line);                 /* in the log: a reload failed */
/* Warns of each setting of `next` that waits for a restart; `now` is what the start had. */
void notice_fixed(const struct config *now, const struct config *next);
#endif
