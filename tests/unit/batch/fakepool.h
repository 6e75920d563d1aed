/* fakepool.h - a pool that calls nobody: it keeps what it is given, and the test says when and how
 * each call ends. It stands in for pool/pool.c by defining its functions; one thread. */
#ifndef TESTS_UNIT_BATCH_FAKEPOOL_H
#define TESTS_UNIT_BATCH_FAKEPOOL_H
#include <string.h>

#include "common/mem.h"
#include "pool/pool.h"

enum { FAKEPOOL_CALLS_MAX = 20000 };

struct pool_group {
	struct pool_group_options options;
};

static struct {
	enum err_code group_code, submit_code; /* what the next ones answer */
	struct call *calls[FAKEPOOL_CALLS_MAX];
	size_t count;
	size_t groups_open, cancels;
	enum pool_cancel cancelled;
	struct pool_group_options options; /* of the last group */
	uint64_t window;                   /* UINT64_MAX, until it is moved */
	size_t windows;                    /* how often it was moved */
} fakepool;

static inline void fakepool_reset(void)
{
	memset(&fakepool, 0, sizeof fakepool);
	fakepool.window = UINT64_MAX;
}

enum err_code pool_group_new(struct pool *pool, const struct pool_group_options *options,
	struct pool_group **ret_group, struct err *err)
{
	struct pool_group *group;

	(void)pool;
	(void)err;
	if (fakepool.group_code != ERR_OK)
		return fakepool.group_code;
	group = mem_try(sizeof *group);
	if (!group)
		return ERR_NOMEM;
	group->options = fakepool.options = *options;
	fakepool.groups_open++;
	*ret_group = group;
	return ERR_OK;
}

void pool_group_window(struct pool_group *group, uint64_t end)
{
	REQUIRE(fakepool.groups_open > 0 && group);
	fakepool.window = end;
	fakepool.windows++;
}

enum err_code pool_submit(
	struct pool_group *group, struct call *const *calls, size_t count, struct err *err)
{
	(void)err;
	if (fakepool.submit_code != ERR_OK)
		return fakepool.submit_code;
	for (size_t i = 0; i < count; i++) {
		calls[i]->group = group;
		fakepool.calls[fakepool.count++] = calls[i];
	}
	return ERR_OK;
}

void pool_group_cancel(struct pool_group *group, enum pool_cancel why)
{
	(void)group;
	fakepool.cancels++;
	if (fakepool.cancelled == POOL_RUNNING)
		fakepool.cancelled = why;
}

void pool_group_close(struct pool_group *group)
{
	fakepool.groups_open--;
	mem_free(group);
}

/* What an upstream answered, as a worker would have filled it in. */
struct fakepool_answer {
	unsigned status;
	const char *content_type, *body;
	size_t body_len; /* 0: strlen */
	const char *headers;
};

static inline void fakepool_end(struct call *call)
{
	call->ops->done(call);
}

static inline void fakepool_answer(struct call *call, struct fakepool_answer answer)
{
	struct outcome *outcome = &call->outcome;
	size_t len = answer.body_len ? answer.body_len : answer.body ? strlen(answer.body) : 0;

	outcome->status = answer.status;
	outcome->attempts = 1;
	outcome->sent = true;
	outcome->duration_us = 12400;
	buf_init(&outcome->body, SIZE_MAX / 2);
	if (len && buf_add(&outcome->body, answer.body, len) != ERR_OK)
		buf_free(&outcome->body);
	buf_init(&outcome->headers, SIZE_MAX / 2);
	if (answer.headers && buf_adds(&outcome->headers, answer.headers) != ERR_OK)
		buf_free(&outcome->headers);
	outcome->content_type = answer.content_type
					? mem_copy(answer.content_type, strlen(answer.content_type))
					: NULL;
	if (answer.status < 200 || answer.status > 299)
		call_fail(call, ITEM_UPSTREAM_STATUS, REASON_NONE, answer.status >= 500,
			"%s answered %u", call->request.url.host, answer.status);
	fakepool_end(call);
}

static inline void fakepool_fail(struct call *call, enum item_code code, enum item_reason reason)
{
	call_fail(call, code, reason, true, "%s: it failed", call->request.url.host);
	fakepool_end(call);
}
#endif
