/* transport_watchdog.c - cuts a connection that libcurl cannot stop reading from.
 *
 * libcurl reads HTTP/2 frames, and what a proxy says beside its refusal of CONNECT, until nothing
 * is left (cf_h2_recv and recv_CONNECT_resp of 7.88), without a word to us: a peer that sends them
 * as fast as they are read holds the worker and all its calls. So a timer counts the processor time
 * of the worker's thread, which costs nothing while that sleeps; at each tick its signal's handler
 * looks whether the thread is where it was at the last, inside the same call of libcurl, and from
 * which sockets of that call's lane bytes were taken since. One that was read from at so many ticks
 * in a row is shut down, and libcurl finds its end. Time alone is no proof of a flood: where a
 * processor is shared or memory slow, a few frames may take as long.
 *
 * The handler runs in the worker's own thread and makes system calls only. */
#include "pool/transport_internal.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* older headers have no name for it */
#endif

enum {
	TICK_NS = 5 * 1000 * 1000, /* of the thread's processor time */
	SILENT_TICKS = 4,          /* of reading without a word to us */
	SILENT_BYTES = 16 << 10,   /* and as much */
	BUSY_TICKS = 60,           /* of reading, whatever it says: decoding 50 MB takes as long */
	WATCHDOG_SIGNAL = SIGVTALRM
};

static _Thread_local _Atomic(struct transport *) watched;

/* What has been read from it since it was opened; false: that is not known, or it is not the socket
 * any more that the table means. */
static bool bytes_taken(int fd, const struct socket_state *state, uint64_t *ret_bytes)
{
	struct tcp_info info;
	socklen_t size = sizeof info, cookie_size = sizeof(uint64_t);
	uint64_t cookie = 0;
	int unread = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_size) != 0 ||
		cookie != state->cookie)
		return false;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
		size < offsetof(struct tcp_info, tcpi_bytes_received) +
				sizeof info.tcpi_bytes_received ||
		ioctl(fd, FIONREAD, &unread) != 0)
		return false;
	*ret_bytes = info.tcpi_bytes_received - (unsigned long long)unread;
	return true;
}

bool transport_watchdog_tick(struct socket_state *state, uint64_t taken, bool first, bool told)
{
	bool flood;

	if (first || taken <= state->taken) {
		state->busy_ticks = state->silent_ticks = 0;
	} else {
		state->busy_ticks++;
		state->silent_ticks++;
	}
	if (told)
		state->silent_ticks = 0;
	if (state->silent_ticks == 0)
		state->told = taken;
	state->taken = taken;
	flood = state->busy_ticks >= BUSY_TICKS ||
		(state->silent_ticks >= SILENT_TICKS && taken - state->told >= SILENT_BYTES);
	if (flood)
		state->busy_ticks = state->silent_ticks = 0;
	return flood;
}

static void look_at(struct transport *transport, int fd, struct socket_state *state)
{
	struct watchdog *watchdog = &transport->watchdog;
	uint64_t taken;

	if (!bytes_taken(fd, state, &taken) ||
		!transport_watchdog_tick(state, taken, watchdog->ticks == 1,
			watchdog->words != watchdog->seen_words))
		return;
	shutdown(fd, SHUT_RDWR);
	watchdog->cut = state->user;
}

static void on_tick(int number)
{
	struct transport *transport = watched;
	struct watchdog *watchdog = transport ? &transport->watchdog : NULL;
	const struct lane *lane = watchdog ? watchdog->lane : NULL;
	int saved = errno;

	(void)number;
	if (!lane)
		return;
	watchdog->ticks = watchdog->call == watchdog->seen_call ? watchdog->ticks + 1 : 0;
	watchdog->seen_call = watchdog->call;
	for (size_t fd = 0; watchdog->ticks > 0 && fd < transport->socket_room; fd++) {
		struct socket_state *state = &transport->sockets[fd];

		if (state->lane == lane && state->cookie)
			look_at(transport, (int)fd, state);
	}
	watchdog->seen_words = watchdog->words;
	errno = saved;
}

uint64_t transport_watchdog_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

/* What the calls on it end with has a name. libcurl may have closed its socket already. */
static void blame(const struct connection *connection)
{
	for (struct list_node *node = connection->users.next; node != &connection->users;
		node = node->next) {
		struct transfer *transfer = LIST_OF(node, struct transfer, using);

		if (transfer->fault == TRANSFER_FAULT_NONE)
			transfer->fault = TRANSFER_FAULT_FLOOD;
	}
}

void transport_watch_begin(struct lane *lane)
{
	struct watchdog *watchdog = &lane->transport->watchdog;

	watchdog->call++;
	watchdog->lane = lane;
}

void transport_watch_end(struct lane *lane)
{
	struct watchdog *watchdog = &lane->transport->watchdog;
	const struct connection *cut = watchdog->cut;

	watchdog->lane = NULL;
	watchdog->cut = NULL;
	if (cut)
		blame(cut);
}

/* ---- life ---- */

static void set_blocked(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WATCHDOG_SIGNAL);
	pthread_sigmask(how, &set, NULL);
}

/* It must know one socket from the next with the same number, and what was read from it. */
static bool can_tell(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct socket_state state = {.cookie = fd >= 0 ? transport_watchdog_cookie(fd) : 0};
	uint64_t bytes;
	bool able = state.cookie && bytes_taken(fd, &state, &bytes);

	if (fd >= 0)
		close(fd);
	return able;
}

static bool make_timer(struct watchdog *watchdog)
{
	const struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WATCHDOG_SIGNAL};

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	return sigaction(WATCHDOG_SIGNAL, &action, NULL) == 0 &&
	       timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &watchdog->timer) == 0;
}

void transport_begin_watch(struct transport *transport)
{
	const struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};

	if (!can_tell() || !make_timer(&transport->watchdog)) {
		log_warn("watchdog_off",
			LOG_S("message", "an upstream that sends without a pause may hold up other "
					 "calls: this system has no timer for it, or does not say "
					 "what is read from a socket"));
		return;
	}
	watched = transport;
	transport->watchdog.running = true;
	set_blocked(SIG_UNBLOCK);
	timer_settime(transport->watchdog.timer, 0, &every, NULL);
}

void transport_end_watch(struct transport *transport)
{
	set_blocked(SIG_BLOCK);
	if (transport->watchdog.running)
		timer_delete(transport->watchdog.timer);
	transport->watchdog.running = false;
	watched = NULL;
}
