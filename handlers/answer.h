/* answer.h - an answer that a handler renders into memory, and how it is sent.
 *
 * The adders write members of a JSON object, without what stands around or between them; where one
 * fails the body's `failed` tells. The thread of the exchange. */
#ifndef HANDLERS_ANSWER_H
#define HANDLERS_ANSWER_H
#include "common/buf.h"
#include "server/http.h"

void answer_init(struct buf *body); /* allocates nothing */
/* "name":"text"; `name` is one that needs no escape. */
void answer_add_text(struct buf *body, const char *name, const char *text);
/* "name":"3500/min", as the configuration may say it; null where there is no bound (0). */
void answer_add_rate(struct buf *body, const char *name, double per_s);
/* Replies with 200 and the body, which no cache may keep; with 503 where an add failed or nothing
 * was added. Takes the body's memory. */
void answer_send(struct exchange *ex, const char *content_type, struct buf *body);
#endif
