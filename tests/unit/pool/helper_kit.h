/* helper_kit.h - a helper set and the loop around it, for tests: who watches, who waits. */
#ifndef TESTS_UNIT_POOL_HELPER_KIT_H
#define TESTS_UNIT_POOL_HELPER_KIT_H
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "pool/helper.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KIT_SANITIZED = 1 };
#else
enum { KIT_SANITIZED = 0 };
#endif

enum { KIT_SECOND = 1000000, KIT_WAIT_MAX = 60 * KIT_SECOND, KIT_CHILDREN_MAX = 64 };

struct helper_kit {
	struct forker *forker;
	struct helper_set *set;
	struct pollfd watched[HELPER_COUNT_MAX];
	nfds_t watched_count;
	size_t answered; /* over all */
	char remarks[256];
};

struct kit_answer {
	struct helper_kit *kit;
	unsigned times;
	enum helper_outcome outcome;
	struct buf text;
};

static inline void kit_on_watch(void *kit_arg, int fd, uint32_t events)
{
	struct helper_kit *kit = kit_arg;
	nfds_t i = 0;

	while (i < kit->watched_count && kit->watched[i].fd != fd)
		i++;
	if (events == 0) {
		ck_assert_uint_lt(i, kit->watched_count);
		kit->watched[i] = kit->watched[--kit->watched_count];
		return;
	}
	ck_assert_uint_lt(i, HELPER_COUNT_MAX);
	if (i == kit->watched_count)
		kit->watched_count++;
	kit->watched[i] = (struct pollfd){fd,
		(short)((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0)), 0};
}

static inline void kit_on_remark(void *kit_arg, struct span remarks)
{
	struct helper_kit *kit = kit_arg;

	snprintf(kit->remarks, sizeof kit->remarks, "%.*s", (int)remarks.len, remarks.ptr);
}

static inline void kit_on_done(void *answer_arg, enum helper_outcome outcome, struct span text)
{
	struct kit_answer *answer = answer_arg;

	answer->times++;
	answer->outcome = outcome;
	ck_assert_int_eq(buf_add(&answer->text, text.ptr, text.len), ERR_OK);
	answer->kit->answered++;
}

static inline struct helper_options kit_options(struct helper_kit *kit, size_t count)
{
	return (struct helper_options){.forker = kit->forker,
		.count = count,
		.queue_max = 2000,
		.queue_bytes = 256u << 20,
		.answer_max = 4u << 20,
		.notes_max = 64,
		.note_bytes = 1u << 20,
		.watch = kit_on_watch,
		.remark = kit_on_remark,
		.arg = kit};
}

static inline void kit_open_with(struct helper_kit *kit, const struct helper_options *options)
{
	struct err err;

	ck_assert_int_eq(helper_new(options, clock_us(), &kit->set, &err), ERR_OK);
}

static inline void kit_start(struct helper_kit *kit, forker_serve_fn *serve)
{
	struct err err;

	memset(kit, 0, sizeof *kit);
	ck_assert_msg(forker_start(serve, &kit->forker, &err) == ERR_OK, "%s", err.detail);
}

static inline void kit_open(struct helper_kit *kit, forker_serve_fn *serve, size_t count)
{
	struct helper_options options;

	kit_start(kit, serve);
	options = kit_options(kit, count);
	kit_open_with(kit, &options);
}

static inline void kit_close(struct helper_kit *kit)
{
	helper_destroy(kit->set);
	ck_assert_uint_eq(kit->watched_count, 0);
	forker_stop(kit->forker);
}

static inline void kit_answer_init(struct kit_answer *answer, struct helper_kit *kit)
{
	*answer = (struct kit_answer){.kit = kit};
	buf_init(&answer->text, SIZE_MAX);
}

static inline enum err_code kit_try_ask(struct helper_kit *kit, struct kit_answer *answer,
	char *bytes, size_t len, uint64_t limit_us, uint64_t deadline_us)
{
	struct helper_question question = {.bytes = bytes,
		.len = len,
		.limit_us = limit_us,
		.deadline_us = deadline_us,
		.done = kit_on_done,
		.arg = answer};
	enum err_code code = helper_ask(kit->set, &question, clock_us(), NULL);

	if (code != ERR_OK)
		mem_free(bytes);
	return code;
}

/* One look at the sockets, that waits for at most max_us. */
static inline void kit_turn(struct helper_kit *kit, uint64_t max_us)
{
	uint64_t now_us = clock_us(), due_us = helper_due_us(kit->set), wait_us;
	struct pollfd ready[HELPER_COUNT_MAX];
	nfds_t count = kit->watched_count;

	wait_us = due_us <= now_us ? 0 : due_us - now_us;
	wait_us = wait_us < max_us ? wait_us : max_us;
	memcpy(ready, kit->watched, sizeof ready);
	poll(ready, count, (int)((wait_us + 999) / 1000));
	for (nfds_t i = 0; i < count; i++) {
		short got = ready[i].revents;

		if (got)
			helper_process(kit->set, ready[i].fd,
				(got & POLLOUT ? EPOLLOUT : 0u) | (got & ~POLLOUT ? EPOLLIN : 0u),
				clock_us());
	}
	helper_process(kit->set, -1, 0, clock_us());
}

static inline void kit_run(struct helper_kit *kit, size_t until_answered)
{
	uint64_t end_us = clock_us() + KIT_WAIT_MAX;

	while (kit->answered < until_answered) {
		ck_assert_msg(clock_us() < end_us, "%zu of %zu answers came", kit->answered,
			until_answered);
		kit_turn(kit, KIT_SECOND);
	}
}

static inline void kit_run_until_ready(struct helper_kit *kit, size_t count)
{
	uint64_t end_us = clock_us() + KIT_WAIT_MAX;

	while (helper_counts(kit->set).ready < count) {
		ck_assert_msg(clock_us() < end_us, "no helper gets ready");
		kit_turn(kit, KIT_SECOND);
	}
}

/* The forker's children, by the kernel's own list. */
static inline size_t kit_children(pid_t parent, pid_t ret_pids[KIT_CHILDREN_MAX])
{
	char path[64];
	size_t count = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	while (count < KIT_CHILDREN_MAX && fscanf(file, "%d", &ret_pids[count]) == 1)
		count++;
	fclose(file);
	return count;
}
#endif
