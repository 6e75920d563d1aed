/* transport_socket.c - libcurl's sockets in a worker's epoll set.
 *
 * Sockets stay registered with epoll while their connection is idle, so that a kept-alive call
 * needs no epoll_ctl at all: an event that nobody wants any more corrects the registration then.
 * libcurl may close a socket first and say afterwards that it wants nothing of it: by then the
 * number may be another thread's, so that word alone leads to no system call. */
#include "pool/transport_internal.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/mem.h"

enum { IDLE_WRITES_MAX = 16 };

/* What epoll is told: `registered` becomes `events`. A socket that libcurl wants to be watched is
 * open; epoll does not know it (ENOENT) where the number is that of one closed without a word. */
static void watch(struct transport *transport, int fd, struct socket_state *state, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = TRANSPORT_EVENT | (uint32_t)fd};
	int epoll = transport->options.epoll;

	if (state->registered == events)
		return;
	if (events == 0)
		epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	else if ((!state->registered || epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0) &&
		 epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		events = 0;
	state->registered = events;
}

/* The kernel forgets the registration with the descriptor; so do we, when it is closed, and again
 * when its number comes back: libcurl does not tell of every close. */
static void forget_socket(struct transport *transport, int fd)
{
	struct socket_state *state;

	if ((size_t)fd >= transport->socket_room)
		return;
	state = &transport->sockets[fd];
	if (state->counted)
		state->counted->connections--;
	*state = (struct socket_state){0};
}

void transport_count_connection(struct transfer *transfer)
{
	struct lane *lane = transfer->lane;
	struct socket_state *state;

	if (transfer->socket < 0)
		return;
	state = &transfer->transport->sockets[transfer->socket];
	if (state->counted)
		return;
	state->counted = lane;
	lane->connections++;
	if (lane->connections >= lane->room && lane->connections > lane->transfers)
		transport_leave_home(transfer);
}

/* The watchdog may look at any moment: the table is whole before it is used, and its room after. */
static bool make_room(struct transport *transport, size_t fd)
{
	size_t room = transport->socket_room ? transport->socket_room : 256;
	struct socket_state *sockets, *old = transport->sockets;

	if (fd < transport->socket_room)
		return true;
	while (room <= fd)
		room *= 2;
	sockets = mem_try(room * sizeof *sockets);
	if (!sockets)
		return false;
	if (old)
		memcpy(sockets, old, transport->socket_room * sizeof *sockets);
	atomic_signal_fence(memory_order_seq_cst);
	transport->sockets = sockets;
	atomic_signal_fence(memory_order_seq_cst);
	transport->socket_room = room;
	mem_free(old);
	return true;
}

bool transport_reserve_socket(struct lane *lane, int number)
{
	struct transport *transport = lane->transport;
	struct socket_state *state;

	if (!make_room(transport, (size_t)number))
		return false;
	forget_socket(transport, number);
	state = &transport->sockets[number];
	state->lane = lane;
	state->cookie = transport_watchdog_cookie(number);
	return true;
}

int transport_watch(CURL *easy, curl_socket_t fd, int what, void *lane_arg, void *socket_arg)
{
	struct lane *lane = lane_arg;
	struct transport *transport = lane->transport;
	struct socket_state *state;
	uint32_t wanted = 0;

	(void)easy;
	(void)socket_arg;
	REQUIRE((size_t)fd < transport->socket_room); /* on_open_socket has seen to it */
	state = &transport->sockets[fd];
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= EPOLLOUT;
	state->lane = lane;
	state->wanted = wanted;
	if (wanted == 0)
		state->quiet_turn = transport->turn;
	else if ((state->registered & wanted) != wanted || (state->registered & ~wanted & EPOLLOUT))
		watch(transport, fd, state, wanted);
	return 0;
}

int transport_close_socket(void *transport_arg, curl_socket_t fd)
{
	forget_socket(transport_arg, fd);
	return close(fd);
}

/* libcurl 7.88 wants to write as long as a body is not sent, though HTTP/2 keeps it back until the
 * upstream opens its window: a socket that can be written to would come back at once, for as long
 * as that takes. After some times in vain it is not asked any more, until something else happens.
 */
static void mute(struct transport *transport, int fd, bool in_vain)
{
	struct socket_state *state = &transport->sockets[fd];

	if (!transport->doubles || !state->user || !state->wanted) /* HTTP/1.1, or closed */
		return;
	state->idle_writes = in_vain ? state->idle_writes + 1 : 0;
	if (state->idle_writes < IDLE_WRITES_MAX) {
		watch(transport, fd, state, state->registered | state->wanted);
		return;
	}
	state->lane->muted = true;
	watch(transport, fd, state, state->registered & ~(uint32_t)EPOLLOUT);
}

/* Whatever libcurl did for others of the lane may have let them write: once more in vain, and they
 * are muted again. */
static void unmute_all(struct lane *lane, int but)
{
	struct transport *transport = lane->transport;

	if (!lane->muted)
		return;
	lane->muted = false;
	for (size_t fd = 0; fd < transport->socket_room; fd++) {
		struct socket_state *state = &transport->sockets[fd];

		if ((int)fd == but || state->lane != lane || !state->wanted ||
			state->idle_writes < IDLE_WRITES_MAX)
			continue;
		state->idle_writes = IDLE_WRITES_MAX - 1;
		watch(transport, (int)fd, state, state->registered | state->wanted);
	}
}

void transport_drive(struct lane *lane, curl_socket_t fd, int action)
{
	struct transport *transport = lane->transport;
	uint64_t writes = transport->writes;
	bool in_vain;
	int running;

	lane->touched = true;
	transport_watch_begin(lane);
	curl_multi_socket_action(lane->multi, fd, action, &running);
	transport_watch_end(lane);
	in_vain = action == CURL_CSELECT_OUT && writes == transport->writes;
	if (fd != CURL_SOCKET_TIMEOUT)
		mute(transport, fd, in_vain);
	if (!in_vain)
		unmute_all(lane, fd);
}

void transport_ready(struct transport *transport, int fd, uint32_t events)
{
	struct socket_state *state =
		(size_t)fd < transport->socket_room ? &transport->sockets[fd] : NULL;
	int action = 0;

	if (!state || !state->registered)
		return; /* closed while this event was on its way */
	if (!state->wanted && state->quiet_turn == transport->turn)
		return; /* may be from before its close; if not, it comes again in the next turn */
	if (!(events & (state->wanted | EPOLLERR | EPOLLHUP)) || !state->wanted) {
		watch(transport, fd, state, state->wanted);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP))
		action |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		action |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		action |= CURL_CSELECT_ERR;
	transport_drive(state->lane, fd, action);
}
