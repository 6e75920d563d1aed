/* watcher.c - one thread that sees clients leave while they wait for an answer, and cuts
 * connections whose time is up.
 *
 * Watches live in a table made at birth; an epoll event names one by index and generation, so that
 * an event that comes late meets no stranger. Sockets are registered once, edge-triggered, for
 * EPOLLRDHUP alone: data wakes nobody here. Deadlines stand in a heap. Moving one later only notes
 * it: the heap's key is put right when it comes up. Only the thread sets the timer; who brings a
 * deadline forward past `armed_us` wakes it. */
#include "server/watcher.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/heap.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/thread.h"

#define NOWHERE UINT32_MAX

enum { EVENTS = 64, LEFT_GRACE_US = 2 * 1000000 };

struct watch {
	struct heap_node
		node; /* first, so that a node is a watch; it is due at deadline_us or before */
	int fd;
	uint32_t index, generation; /* constant, and raised with each life */
	bool live, left;
	bool busy;     /* a request is being worked on or answered */
	bool answered; /* nobody is to be told any more */
	uint64_t deadline_us;
	uint32_t next_free;
	struct departure *departure;
};

struct watcher {
	int epoll_fd, timer_fd, wake_fd;
	bool started;
	pthread_t thread;
	uint32_t capacity;
	struct mutex lock;
	struct {
		struct watch *watches;
		struct heap heap;
		uint32_t free_head;
		uint64_t armed_us; /* when the thread will look again */
		bool stopping;
	} shared;
};

static const uint64_t wake_mark = UINT64_MAX, timer_mark = UINT64_MAX - 1;

static void wake(struct watcher *watcher)
{
	uint64_t one = 1;
	ssize_t written = write(watcher->wake_fd, &one, sizeof one);

	(void)written; /* fails only where the counter is full: then it is awake */
}

/* Who has left will send no more. libmicrohttpd misses an end that comes together with data, and
 * would wait for the rest of the request, or for the next one; a moment is enough to read what is
 * there. An answer that is being worked on or sent has its own time. */
static uint64_t patience(const struct watch *watch, uint64_t deadline_us)
{
	uint64_t soon_us;

	if (!watch->left || watch->busy || watch->answered || deadline_us == CLOCK_NEVER)
		return deadline_us;
	soon_us = clock_us() + LEFT_GRACE_US;
	return deadline_us < soon_us ? deadline_us : soon_us;
}

/* True: the thread must be woken, because it would look too late. */
static bool set_deadline_locked(struct watcher *watcher, struct watch *watch, uint64_t deadline_us)
	REQUIRES(watcher->lock)
{
	struct heap_node *node = &watch->node;

	deadline_us = patience(watch, deadline_us);
	watch->deadline_us = deadline_us;
	if (deadline_us == CLOCK_NEVER || (node->place && node->due_us <= deadline_us))
		return false;
	heap_set(&watcher->shared.heap, node, deadline_us);
	if (deadline_us >= watcher->shared.armed_us)
		return false;
	watcher->shared.armed_us = deadline_us;
	return true;
}

/* Under the lock, because that keeps the descriptor this connection's. What the client did not take
 * is not kept for it either: it would stay in the kernel for minutes. */
static void cut_now(int fd)
{
	struct linger at_once = {.l_onoff = 1};
	int unsent = 0;

	if (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	shutdown(fd, SHUT_RDWR);
}

/* Cuts what is due. The next moment to look, or CLOCK_NEVER. */
static uint64_t expire_locked(struct watcher *watcher, uint64_t now_us, uint64_t *ret_cut)
	REQUIRES(watcher->lock)
{
	struct heap *heap = &watcher->shared.heap;
	struct heap_node *node;
	uint64_t cut = 0;

	while ((node = heap_first(heap)) && node->due_us <= now_us) {
		struct watch *watch = (struct watch *)node;

		if (watch->deadline_us > now_us && watch->deadline_us != CLOCK_NEVER) {
			heap_set(heap, node, watch->deadline_us);
			continue;
		}
		heap_remove(heap, node);
		if (watch->deadline_us == CLOCK_NEVER)
			continue;
		watch->deadline_us = CLOCK_NEVER;
		cut_now(watch->fd);
		cut++;
	}
	*ret_cut = cut;
	watcher->shared.armed_us = heap_due(heap);
	return watcher->shared.armed_us;
}

static void arm_timer(struct watcher *watcher, uint64_t at_us)
{
	struct itimerspec at = {0};

	if (at_us != CLOCK_NEVER) {
		at.it_value.tv_sec = (time_t)(at_us / 1000000u);
		at.it_value.tv_nsec = (long)(at_us % 1000000u * 1000u);
	}
	timerfd_settime(watcher->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static struct departure *depart_locked(struct watcher *watcher, uint64_t mark)
	REQUIRES(watcher->lock)
{
	uint32_t index = (uint32_t)mark, generation = (uint32_t)(mark >> 32);
	struct watch *watch = index < watcher->capacity ? &watcher->shared.watches[index] : NULL;
	struct departure *departure;

	if (!watch || !watch->live || watch->generation != generation)
		return NULL;
	watch->left = true;
	set_deadline_locked(watcher, watch, watch->deadline_us); /* this thread looks next */
	departure = watch->departure;
	watch->departure = NULL;
	return departure;
}

static void depart(struct watcher *watcher, uint64_t mark)
{
	struct departure *departure;

	mutex_lock(&watcher->lock);
	departure = depart_locked(watcher, mark);
	mutex_unlock(&watcher->lock);
	if (departure)
		departure_tell(departure);
	departure_unref(departure);
}

static void forget_reading(int fd)
{
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof count);

	(void)got;
}

static bool is_stopping_locked(struct watcher *watcher) REQUIRES(watcher->lock)
{
	return watcher->shared.stopping;
}

static bool look(struct watcher *watcher, uint64_t *timer_us)
{
	uint64_t next, cut;
	bool stopping;

	mutex_lock(&watcher->lock);
	next = expire_locked(watcher, clock_us(), &cut);
	stopping = is_stopping_locked(watcher);
	mutex_unlock(&watcher->lock);
	if (cut)
		metrics_add(METRIC_CONNECTIONS_CUT, cut);
	if (next != *timer_us)
		arm_timer(watcher, next);
	*timer_us = next;
	return !stopping;
}

static void *run(void *arg)
{
	struct watcher *watcher = arg;
	struct epoll_event events[EVENTS];
	uint64_t timer_us = CLOCK_NEVER;

	do {
		int count = epoll_wait(watcher->epoll_fd, events, EVENTS, -1);

		REQUIRE(count >= 0 || errno == EINTR);
		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == wake_mark) {
				forget_reading(watcher->wake_fd);
			} else if (events[i].data.u64 == timer_mark) {
				forget_reading(watcher->timer_fd);
				timer_us = CLOCK_NEVER; /* it has fired: the same moment must be set
							   anew */
			} else {
				depart(watcher, events[i].data.u64);
			}
		}
	} while (look(watcher, &timer_us));
	return NULL;
}

static bool listen_to(struct watcher *watcher, int fd, uint64_t mark, uint32_t what, int how)
{
	struct epoll_event event = {.events = what, .data.u64 = mark};

	return fd >= 0 && epoll_ctl(watcher->epoll_fd, how, fd, &event) == 0;
}

static enum err_code open_all(struct watcher *watcher, struct err *err)
{
	watcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watcher->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	watcher->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watcher->epoll_fd < 0 ||
		!listen_to(watcher, watcher->timer_fd, timer_mark, EPOLLIN, EPOLL_CTL_ADD) ||
		!listen_to(watcher, watcher->wake_fd, wake_mark, EPOLLIN, EPOLL_CTL_ADD))
		return err_set(err, ERR_IO, "cannot watch connections: %s", strerror(errno));
	return ERR_OK;
}

static uint32_t fill_table(struct watch *watches, uint32_t capacity)
{
	for (uint32_t i = 0; i < capacity; i++)
		watches[i] = (struct watch){
			.fd = -1, .index = i, .next_free = i + 1 < capacity ? i + 1 : NOWHERE};
	return capacity > 0 ? 0 : NOWHERE;
}

enum err_code watcher_new(size_t capacity, struct watcher **ret_watcher, struct err *err)
{
	struct watcher *watcher = mem_try(sizeof *watcher);
	enum err_code code = ERR_NOMEM;

	if (!watcher)
		return err_set(err, ERR_NOMEM, "no memory for the watcher");
	REQUIRE(capacity < NOWHERE);
	watcher->epoll_fd = watcher->timer_fd = watcher->wake_fd = -1;
	watcher->capacity = (uint32_t)capacity;
	mutex_init(&watcher->lock);
	watcher->shared.watches = mem_try(capacity * sizeof *watcher->shared.watches);
	heap_init(&watcher->shared.heap);
	if (!watcher->shared.watches || heap_reserve(&watcher->shared.heap, capacity) != ERR_OK) {
		err_set(err, ERR_NOMEM, "no memory to watch %zu connections", capacity);
		goto fail;
	}
	watcher->shared.free_head = fill_table(watcher->shared.watches, watcher->capacity);
	watcher->shared.armed_us = CLOCK_NEVER;
	code = open_all(watcher, err);
	if (code != ERR_OK)
		goto fail;
	if (thread_start(&watcher->thread, "watcher", run, watcher) != 0) {
		code = err_set(err, ERR_IO, "cannot start the watcher's thread");
		goto fail;
	}
	watcher->started = true;
	*ret_watcher = watcher;
	return ERR_OK;
fail:
	watcher_destroy(watcher);
	return code;
}

static void set_stopping_locked(struct watcher *watcher) REQUIRES(watcher->lock)
{
	watcher->shared.stopping = true;
}

static void stop(struct watcher *watcher)
{
	mutex_lock(&watcher->lock);
	set_stopping_locked(watcher);
	mutex_unlock(&watcher->lock);
	wake(watcher);
	pthread_join(watcher->thread, NULL);
}

void watcher_destroy(struct watcher *watcher)
{
	int fds[3];

	if (!watcher)
		return;
	if (watcher->started)
		stop(watcher);
	fds[0] = watcher->epoll_fd;
	fds[1] = watcher->timer_fd;
	fds[2] = watcher->wake_fd;
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	mem_free(watcher->shared.watches);
	heap_free(&watcher->shared.heap);
	mutex_free(&watcher->lock);
	mem_free(watcher);
}

static uint64_t mark_of(const struct watch *watch)
{
	return (uint64_t)watch->generation << 32 | watch->index;
}

static struct watch *take_locked(struct watcher *watcher, int fd) REQUIRES(watcher->lock)
{
	uint32_t index = watcher->shared.free_head;
	struct watch *watch;

	if (index == NOWHERE)
		return NULL;
	watch = &watcher->shared.watches[index];
	watcher->shared.free_head = watch->next_free;
	watch->fd = fd;
	watch->live = true;
	watch->left = watch->busy = watch->answered = false;
	watch->deadline_us = CLOCK_NEVER;
	if (++watch->generation == UINT32_MAX) /* would look like wake_mark */
		watch->generation = 1;
	return watch;
}

struct watch *watcher_add(struct watcher *watcher, int fd, uint64_t deadline_us)
{
	struct watch *watch;
	bool late = false;

	mutex_lock(&watcher->lock);
	watch = take_locked(watcher, fd);
	if (watch)
		late = set_deadline_locked(watcher, watch, deadline_us);
	mutex_unlock(&watcher->lock);
	if (!watch)
		return NULL;
	if (!listen_to(watcher, fd, mark_of(watch), EPOLLRDHUP | EPOLLET, EPOLL_CTL_ADD)) {
		watcher_remove(watcher, watch);
		return NULL;
	}
	if (late)
		wake(watcher);
	return watch;
}

static struct departure *remove_locked(struct watcher *watcher, struct watch *watch)
	REQUIRES(watcher->lock)
{
	struct departure *departure = watch->departure;

	heap_remove(&watcher->shared.heap, &watch->node);
	watch->departure = NULL;
	watch->live = false;
	watch->fd = -1;
	watch->next_free = watcher->shared.free_head;
	watcher->shared.free_head = watch->index;
	return departure;
}

void watcher_remove(struct watcher *watcher, struct watch *watch)
{
	struct departure *departure;

	mutex_lock(&watcher->lock);
	epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, watch->fd,
		NULL); /* fails where it never was in: all the same */
	departure = remove_locked(watcher, watch);
	mutex_unlock(&watcher->lock);
	departure_unref(departure);
}

void watcher_set_deadline(struct watcher *watcher, struct watch *watch, uint64_t deadline_us)
{
	bool late;

	mutex_lock(&watcher->lock);
	late = set_deadline_locked(watcher, watch, deadline_us);
	mutex_unlock(&watcher->lock);
	if (late)
		wake(watcher);
}

static bool end_locked(struct watcher *watcher, struct watch *watch, uint64_t deadline_us)
	REQUIRES(watcher->lock)
{
	watch->busy = watch->answered = false;
	return set_deadline_locked(watcher, watch, deadline_us);
}

void watcher_end(struct watcher *watcher, struct watch *watch, uint64_t deadline_us)
{
	bool late;

	mutex_lock(&watcher->lock);
	late = end_locked(watcher, watch, deadline_us);
	mutex_unlock(&watcher->lock);
	if (late)
		wake(watcher);
}

static void begin_locked(struct watcher *watcher, struct watch *watch) REQUIRES(watcher->lock)
{
	set_deadline_locked(watcher, watch, CLOCK_NEVER);
	watch->busy = true;
	watch->answered = false;
}

void watcher_begin(struct watcher *watcher, struct watch *watch)
{
	mutex_lock(&watcher->lock);
	begin_locked(watcher, watch);
	mutex_unlock(&watcher->lock);
}

/* True: the client left before. */
static bool arm_locked(struct watcher *watcher, struct watch *watch, struct departure *departure)
	REQUIRES(watcher->lock)
{
	(void)watcher;
	if (watch->answered)
		return false;
	REQUIRE(!watch->departure);
	watch->departure = departure_ref(departure);
	return watch->left;
}

void watcher_arm(struct watcher *watcher, struct watch *watch, struct departure *departure)
{
	bool left;

	mutex_lock(&watcher->lock);
	left = arm_locked(watcher, watch, departure);
	mutex_unlock(&watcher->lock);
	if (left) /* the edge has passed: modifying the entry makes the kernel look again, and tell
		     the thread */
		listen_to(watcher, watch->fd, mark_of(watch), EPOLLRDHUP | EPOLLET, EPOLL_CTL_MOD);
}

static struct departure *disarm_locked(struct watcher *watcher, struct watch *watch)
	REQUIRES(watcher->lock)
{
	struct departure *departure = watch->departure;

	(void)watcher;
	watch->answered = true;
	watch->departure = NULL;
	return departure;
}

void watcher_disarm(struct watcher *watcher, struct watch *watch)
{
	struct departure *departure;

	mutex_lock(&watcher->lock);
	departure = disarm_locked(watcher, watch);
	mutex_unlock(&watcher->lock);
	departure_unref(departure);
}
