/* worker.c - a thread of the pool: one epoll set, a resolver, a transport, and the calls it has
 * started.
 *
 * One round: wait; let sockets, names and timers move transfers on; take a turn with the pool;
 * start what it gave; call `done` of what is over. `done` comes last, so that new requests are on
 * the wire while results are rendered. */
#include "pool/worker_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "pool/helper.h"

#define RESOLVER_EVENT (UINT64_C(2) << 32)
#define WAKE_EVENT (UINT64_C(3) << 32)
#define HELPER_EVENT (UINT64_C(4) << 32)

enum { EVENTS_MAX = 256 };
enum {               /* of a worker's helper processes */
	HELPERS = 2, /* so that one question that takes long does not hold up all others */
	QUESTIONS_MAX = 128 * 1024,
	QUESTION_BYTES = 512 << 20, /* they are charged to limits.memory by who asks */
	ANSWER_BYTES = 64 << 20,
	NOTES_MAX = 1024,
	NOTE_BYTES = 16 << 20
};

/* ---- the round ---- */

static void finish_done(struct worker *worker, struct worker_turn *turn)
{
	struct list_node *node;

	while ((node = list_pop(&turn->ended))) {
		struct call *call = LIST_OF(node, struct call, sched.link);

		worker_step_ended(worker, call);
	}
	while ((node = list_pop(&turn->done))) {
		struct call *call = LIST_OF(node, struct call, sched.link);

		call->ops->done(call);
	}
}

/* Turns until there is nothing to hand back; returns when the next is due. */
static uint64_t take_turns(struct worker *worker)
{
	uint64_t due;

	do {
		struct worker_turn turn = {.config = worker->config};
		struct list_node *node;

		list_init(&turn.back);
		list_init(&turn.starts);
		list_init(&turn.done);
		list_init(&turn.ended);
		list_move_all(&turn.back, &worker->back);
		worker->options.turn(worker->options.self, worker->options.index, &turn);
		if (worker->helpers && turn.config != worker->config)
			helper_drop_unused(worker->helpers, worker->now_us);
		worker->config = turn.config;
		transport_set_idle_files(worker->transport, turn.config->pool.idle_files);
		worker->stopping = turn.stop;
		worker->now_us = clock_us();
		while ((node = list_pop(&turn.starts)))
			worker_call_start(worker, LIST_OF(node, struct call, sched.link));
		if (turn.cancels != worker->cancels)
			worker_step_cancel_marked(worker);
		worker->cancels = turn.cancels;
		transport_run(worker->transport, clock_us());
		finish_done(worker, &turn);
		due = turn.due_us;
	} while (!list_empty(&worker->back));
	return due;
}

static int wait_ms(const struct worker *worker, uint64_t due_us)
{
	uint64_t now = clock_us(), ms;
	uint64_t transport_due = transport_due_us(worker->transport),
		 resolver_due = resolver_due_us(worker->resolver, now),
		 helper_due = worker->helpers ? helper_due_us(worker->helpers) : CLOCK_NEVER;

	if (transport_due < due_us)
		due_us = transport_due;
	if (resolver_due < due_us)
		due_us = resolver_due;
	if (helper_due < due_us)
		due_us = helper_due;
	if (heap_due(&worker->timers) < due_us)
		due_us = heap_due(&worker->timers);
	if (due_us == CLOCK_NEVER)
		return -1;
	if (due_us <= now)
		return 0;
	ms = (due_us - now + 999) / 1000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void handle(struct worker *worker, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	uint64_t kind = event->data.u64 & ~(uint64_t)UINT32_MAX, count;

	if (kind == TRANSPORT_EVENT) {
		transport_ready(worker->transport, fd, event->events);
	} else if (kind == RESOLVER_EVENT) {
		resolver_process(worker->resolver, fd, event->events, worker->now_us);
	} else if (kind == HELPER_EVENT) {
		helper_process(worker->helpers, fd, event->events, worker->now_us);
	} else {
		ssize_t got = read(worker->wake, &count, sizeof count);

		(void)got; /* only resets the counter: what there is to do, the turn says */
	}
}

static void *run(void *worker_arg)
{
	struct worker *worker = worker_arg;
	struct epoll_event events[EVENTS_MAX];

	transport_begin_watch(worker->transport);
	for (;;) {
		uint64_t due = take_turns(worker);
		int count;

		if (worker->stopping && list_empty(&worker->finishing))
			break;
		count = epoll_wait(worker->epoll, events, EVENTS_MAX, wait_ms(worker, due));
		worker->now_us = clock_us();
		for (int i = 0; i < count; i++)
			handle(worker, &events[i]);
		resolver_process(worker->resolver, -1, 0, worker->now_us);
		if (worker->helpers)
			helper_process(worker->helpers, -1, 0, worker->now_us);
		transport_run(worker->transport, worker->now_us);
		worker_step_expire(worker); /* after it: see wait_for_files in worker_call.c */
		atomic_store_explicit(
			&worker->lanes, transport_lanes(worker->transport), memory_order_relaxed);
	}
	transport_end_watch(worker->transport);
	return NULL;
}

/* ---- life ---- */

static void watch(const struct worker *worker, uint64_t kind, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = kind | (uint32_t)fd};

	if (events == 0)
		epoll_ctl(worker->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		epoll_ctl(worker->epoll, EPOLL_CTL_MOD, fd, &event);
}

static void watch_resolver(void *worker, int fd, uint32_t events)
{
	watch(worker, RESOLVER_EVENT, fd, events);
}

/* Which of its walls the kernel does not have: once is enough. */
static void on_remark(void *arg, struct span remarks)
{
	struct worker *worker = arg;
	char text[256];

	if (remarks.len == 0 || atomic_exchange(worker->options.remarked, true))
		return;
	snprintf(text, sizeof text, "%.*s", (int)remarks.len, remarks.ptr);
	log_warn("template_sandbox", LOG_S("message", text));
}

static void watch_helper(void *worker, int fd, uint32_t events)
{
	watch(worker, HELPER_EVENT, fd, events);
}

struct helper_set *worker_helpers(struct worker *worker)
{
	const struct helper_options options = {.forker = worker->options.forker,
		.count = HELPERS,
		.queue_max = QUESTIONS_MAX,
		.queue_bytes = QUESTION_BYTES,
		.answer_max = ANSWER_BYTES,
		.notes_max = NOTES_MAX,
		.note_bytes = NOTE_BYTES,
		.watch = watch_helper,
		.remark = on_remark,
		.arg = worker};

	if (!worker->helpers && options.forker &&
		helper_new(&options, worker->now_us, &worker->helpers, NULL) != ERR_OK)
		return NULL;
	return worker->helpers;
}

static enum err_code open_parts(struct worker *worker, struct err *err)
{
	struct transport_options options = {.buffer_bytes = worker->options.buffer_bytes,
		.idle_files = worker->config->pool.idle_files,
		.over = worker_call_over,
		.waits = worker_call_waits,
		.self = worker};
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_EVENT};
	enum err_code code;

	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->epoll < 0 || worker->wake < 0 ||
		epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &event) != 0)
		return err_set(
			err, ERR_IO, "a worker cannot open its epoll set: %s", strerror(errno));
	options.epoll = worker->epoll;
	code = transport_new(&options, &worker->transport, err);
	if (code != ERR_OK)
		return code;
	return resolver_new(watch_resolver, worker, &worker->resolver, err);
}

void worker_library_init(void)
{
	transport_library_init();
}

enum err_code worker_new(
	const struct worker_options *options, struct worker **ret_worker, struct err *err)
{
	struct worker *worker = mem_new(sizeof *worker);
	enum err_code code;

	worker->options = *options;
	worker->config = config_ref(options->config);
	worker->epoll = worker->wake = -1;
	list_init(&worker->under_way);
	list_init(&worker->finishing);
	list_init(&worker->back);
	heap_init(&worker->timers);
	if (getrandom(&worker->random, sizeof worker->random, 0) != sizeof worker->random)
		worker->random = clock_us();
	code = open_parts(worker, err);
	if (code != ERR_OK) {
		worker_destroy(worker);
		return code;
	}
	*ret_worker = worker;
	return ERR_OK;
}

enum err_code worker_start(struct worker *worker, struct err *err)
{
	char name[16];
	int failed;

	snprintf(name, sizeof name, "worker-%u", worker->options.index);
	failed = thread_start(&worker->thread, name, run, worker);
	if (failed)
		return err_set(err, ERR_IO, "a worker thread cannot start: %s", strerror(failed));
	worker->started = true;
	return ERR_OK;
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t put = write(worker->wake, &one, sizeof one);

	(void)put; /* a full counter means that it is awake already */
}

void worker_join(struct worker *worker)
{
	if (worker->started)
		pthread_join(worker->thread, NULL);
	worker->started = false;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	REQUIRE(!worker->started && list_empty(&worker->under_way) && list_empty(&worker->back));
	REQUIRE(list_empty(&worker->finishing));
	helper_destroy(worker->helpers);
	transport_destroy(worker->transport);
	resolver_destroy(worker->resolver);
	heap_free(&worker->timers);
	if (worker->epoll >= 0)
		close(worker->epoll);
	if (worker->wake >= 0)
		close(worker->wake);
	config_unref(worker->config);
	mem_free(worker);
}

size_t worker_lanes(struct worker *worker)
{
	return atomic_load_explicit(&worker->lanes, memory_order_relaxed);
}
