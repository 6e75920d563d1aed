/* answer.c - an answer that a handler renders into memory, and how it is sent. */
#include "handlers/answer.h"

#include <string.h>

#include "common/config_value.h"

enum { BODY_MAX_BYTES = 64 << 20 }; /* far above what any of them has */

void answer_init(struct buf *body)
{
	buf_init(body, BODY_MAX_BYTES);
}

void answer_add_text(struct buf *body, const char *name, const char *text)
{
	buf_addf(body, "\"%s\":", name);
	buf_add_json_string(body, text, strlen(text));
}

void answer_add_rate(struct buf *body, const char *name, double per_s)
{
	buf_addf(body, "\"%s\":", name);
	if (per_s <= 0) {
		buf_adds(body, "null");
		return;
	}
	buf_add_char(body, '"');
	config_value_write_rate(per_s, body);
	buf_add_char(body, '"');
}

void answer_send(struct exchange *ex, const char *content_type, struct buf *body)
{
	struct problem problem;

	if (body->len > 0 && !body->failed) {
		exchange_set_header(ex, "Cache-Control", "no-store");
		exchange_reply_buf(ex, 200, content_type, body);
		return;
	}
	buf_free(body);
	problem_init(&problem);
	problem_set(&problem, PROBLEM_MEMORY_FULL, "no memory for the answer; try again shortly");
	exchange_reply_problem(ex, &problem);
}
