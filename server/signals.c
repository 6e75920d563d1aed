/* signals.c - what the main thread waits for: signals, one timer, and the service running dry. */
#include "server/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/mem.h"

struct signals {
	int epoll_fd, signal_fd, timer_fd, idle_fd;
	int last;
};

static int open_signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool watch(struct signals *signals, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(signals->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum err_code signals_new(struct signals **ret_signals, struct err *err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct signals *signals = mem_new(sizeof *signals);

	sigaction(SIGPIPE, &ignore, NULL);
	signals->signal_fd = open_signal_fd();
	signals->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	signals->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	signals->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!watch(signals, signals->signal_fd) || !watch(signals, signals->timer_fd) ||
		!watch(signals, signals->idle_fd)) {
		err_set(err, ERR_IO, "cannot watch signals: %s", strerror(errno));
		signals_destroy(signals);
		return ERR_IO;
	}
	*ret_signals = signals;
	return ERR_OK;
}

static void shut(int fd)
{
	if (fd >= 0)
		close(fd);
}

void signals_destroy(struct signals *signals)
{
	if (!signals)
		return;
	shut(signals->epoll_fd);
	shut(signals->signal_fd);
	shut(signals->timer_fd);
	shut(signals->idle_fd);
	mem_free(signals);
}

int signals_idle_fd(const struct signals *signals)
{
	return signals->idle_fd;
}

void signals_set_timer(struct signals *signals, uint64_t after_ms)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(after_ms / 1000),
			.tv_nsec = (long)(after_ms % 1000) * 1000000},
	};

	REQUIRE(timerfd_settime(signals->timer_fd, 0, &when, NULL) == 0);
}

static bool take_signal(struct signals *signals, enum signals_event *ret_event)
{
	struct signalfd_siginfo info;

	if (read(signals->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
		return false;
	if (info.ssi_signo == SIGHUP) {
		*ret_event = SIGNALS_RELOAD;
		return true;
	}
	signals->last = (int)info.ssi_signo;
	*ret_event = SIGNALS_STOP;
	return true;
}

static bool take_count(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof count) == (ssize_t)sizeof count;
}

enum signals_event signals_wait(struct signals *signals)
{
	struct epoll_event ready;
	enum signals_event event;

	for (;;) {
		if (take_signal(signals, &event))
			return event;
		if (take_count(signals->timer_fd))
			return SIGNALS_TIMER;
		if (take_count(signals->idle_fd))
			return SIGNALS_IDLE;
		REQUIRE(epoll_wait(signals->epoll_fd, &ready, 1, -1) >= 0 || errno == EINTR);
	}
}

/* A handler, not the default action: that one does nothing to PID 1. */
static void end(int number)
{
	_exit(128 + number);
}

void signals_end_at_once(struct signals *signals)
{
	const struct sigaction action = {.sa_handler = end};
	sigset_t stops;

	close(signals->signal_fd);
	signals->signal_fd = -1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &stops, NULL);
}

int signals_last(const struct signals *signals)
{
	return signals->last;
}
