/* transport.c - calls on the wire: curl easy handles in lanes, driven by a worker's epoll.
 *
 * Sockets stay registered with epoll while their connection is idle, so that a kept-alive call
 * needs no epoll_ctl at all: an event that nobody wants any more corrects the registration then.
 * libcurl may close a socket first and say afterwards that it wants nothing of it: by then the
 * number may be another thread's, so that word alone leads to no system call. */
#include "pool/transport_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum { LANE_IDLE_US = 15 * 1000000 };

void transport_library_init(void)
{
	unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of every connection there */
	REQUIRE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

enum err_code transport_new(
	const struct transport_options *options, struct transport **ret_transport, struct err *err)
{
	struct transport *transport = mem_try(sizeof *transport);

	if (!transport)
		return err_set(err, ERR_NOMEM, "no memory for a transport");
	transport->options = *options;
	transport->turn = 1;
	list_init(&transport->lanes);
	list_init(&transport->spares);
	transport->share = curl_share_init();
	if (!transport->share) {
		transport_destroy(transport);
		return err_set(err, ERR_NOMEM, "no memory for a transport");
	}
	curl_share_setopt(transport->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	*ret_transport = transport;
	return ERR_OK;
}

static void free_transfer(struct transfer *transfer)
{
	if (transfer->easy)
		curl_easy_cleanup(transfer->easy);
	mem_free(transfer->headers);
	mem_free(transfer);
}

/* A lane that is not needed takes as many spare transfers with it. */
static void drop_spares(struct transport *transport, unsigned count)
{
	while (count-- > 0 && !list_empty(&transport->spares))
		free_transfer(LIST_OF(list_pop(&transport->spares), struct transfer, link));
}

static void drop_lane(struct lane *lane)
{
	REQUIRE(lane->transfers == 0);
	list_remove(&lane->link);
	lane->transport->lane_count--;
	curl_multi_cleanup(lane->multi);
	mem_free(lane);
}

void transport_destroy(struct transport *transport)
{
	if (!transport)
		return;
	drop_spares(transport, UINT_MAX);
	while (!list_empty(&transport->lanes))
		drop_lane(LIST_OF(transport->lanes.next, struct lane, link));
	if (transport->share)
		curl_share_cleanup(transport->share);
	mem_free(transport->sockets);
	mem_free(transport);
}

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
	if ((size_t)fd < transport->socket_room)
		transport->sockets[fd] = (struct socket_state){0};
}

bool transport_reserve_socket(struct transport *transport, int number)
{
	size_t fd = (size_t)number;
	size_t room = transport->socket_room ? transport->socket_room : 256;
	struct socket_state *sockets;

	if (fd < transport->socket_room) {
		forget_socket(transport, number);
		return true;
	}
	while (room <= fd)
		room *= 2;
	sockets = mem_resize(transport->sockets, room * sizeof *sockets);
	if (!sockets)
		return false;
	memset(sockets + transport->socket_room, 0,
		(room - transport->socket_room) * sizeof *sockets);
	transport->sockets = sockets;
	transport->socket_room = room;
	return true;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *lane_arg, void *socket_arg)
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

static int on_timer(CURLM *multi, long timeout_ms, void *lane_arg)
{
	struct lane *lane = lane_arg;

	(void)multi;
	lane->due_us = timeout_ms < 0 ? CLOCK_NEVER
				      : lane->transport->now_us + (uint64_t)timeout_ms * 1000;
	return 0;
}

int transport_close_socket(void *transport_arg, curl_socket_t fd)
{
	forget_socket(transport_arg, fd);
	return close(fd);
}

static struct lane *make_lane(struct transport *transport)
{
	struct lane *lane = mem_try(sizeof *lane);

	if (!lane)
		return NULL;
	lane->transport = transport;
	lane->due_us = CLOCK_NEVER;
	lane->empty_us = transport->now_us;
	lane->multi = curl_multi_init();
	if (!lane->multi) {
		mem_free(lane);
		return NULL;
	}
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)LANE_MAX);
	/* an idle connection goes before another is opened: files are bounded by the calls */
	curl_multi_setopt(lane->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)LANE_MAX);
	list_push_back(&transport->lanes, &lane->link);
	transport->lane_count++;
	return lane;
}

/* The first with room: load gathers in the front lanes, whose connections are warm; the last ones
 * fall idle and go. */
static struct lane *choose_lane(struct transport *transport)
{
	for (struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		if (lane->transfers < LANE_MAX)
			return lane;
	}
	return make_lane(transport);
}

struct transfer *transport_get(struct transport *transport)
{
	struct list_node *spare = list_pop(&transport->spares);
	struct transfer *transfer;

	if (spare)
		return LIST_OF(spare, struct transfer, link);
	transfer = mem_try(sizeof *transfer);
	if (!transfer)
		return NULL;
	transfer->transport = transport;
	list_init(&transfer->link);
	if (transport_easy_new(transfer) == ERR_OK)
		return transfer;
	free_transfer(transfer);
	return NULL;
}

/* libcurl counts in the handle how often it has silently tried again, over all calls, and gives up
 * at five: a handle that may have done so starts anew, as one that was told of a CA file does. */
static enum err_code renew(struct transfer *transfer)
{
	curl_easy_reset(transfer->easy);
	return transport_easy_init(transfer);
}

/* libcurl keeps the last errno of a handle for good, past a reset too: it would be told again of a
 * later call's end. */
static bool is_stained(const struct transfer *transfer)
{
	long number = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
	return number != 0;
}

void transport_put(struct transport *transport, struct transfer *transfer)
{
	bool clean = transfer->answered && transfer->requests == 1 && !transfer->own_ca;
	bool heavy = transfer->header_bytes > TRANSFER_HEADERS_FREE; /* libcurl keeps them */

	REQUIRE(!transfer->lane);
	list_remove(&transfer->link);
	if (transfer->charged)
		mem_give(transfer->call->budget, transfer->charged);
	curl_slist_free_all(transfer->resolve);
	mem_free(transfer->location);
	decode_destroy(transfer->decode);
	*transfer = (struct transfer){.transport = transport,
		.easy = transfer->easy,
		.headers = transfer->headers,
		.header_room = transfer->header_room};
	list_init(&transfer->link);
	if (!heavy && !is_stained(transfer) && (clean || renew(transfer) == ERR_OK))
		list_push_front(&transport->spares, &transfer->link);
	else
		free_transfer(transfer);
}

enum err_code transport_start(struct transfer *transfer, const struct transport_target *target)
{
	struct transport *transport = transfer->transport;
	struct lane *lane = choose_lane(transport);

	transport->now_us = clock_us();
	if (!lane || transport_easy_apply(transfer, target) != ERR_OK)
		return ERR_NOMEM;
	if (curl_multi_add_handle(lane->multi, transfer->easy) != CURLM_OK)
		return ERR_NOMEM;
	transfer->lane = lane;
	lane->transfers++;
	return ERR_OK;
}

size_t transport_fail(struct transfer *transfer, enum transfer_fault fault)
{
	transfer->fault = fault;
	return 0; /* libcurl takes a short count for an error and ends the transfer */
}

bool transport_charge(struct transfer *transfer, size_t bytes)
{
	if (!mem_take(transfer->call->budget, bytes))
		return false;
	transfer->charged += bytes;
	return true;
}

static void leave_lane(struct transfer *transfer)
{
	struct lane *lane = transfer->lane;

	curl_multi_remove_handle(lane->multi, transfer->easy);
	transfer->lane = NULL;
	if (--lane->transfers == 0)
		lane->empty_us = lane->transport->now_us;
}

void transport_abort(struct transfer *transfer)
{
	transfer->transport->now_us = clock_us();
	if (!transfer->lane)
		return; /* the handle knows only of the transfer before this one */
	transport_note_facts(transfer);
	leave_lane(transfer);
}

void transport_ready(struct transport *transport, int fd, uint32_t events)
{
	struct socket_state *state =
		(size_t)fd < transport->socket_room ? &transport->sockets[fd] : NULL;
	int action = 0, running;

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
	state->lane->touched = true;
	curl_multi_socket_action(state->lane->multi, fd, action, &running);
}

static void reap(struct lane *lane)
{
	struct transport *transport = lane->transport;
	CURLMsg *message;
	int left;

	lane->touched = false;
	while ((message = curl_multi_info_read(lane->multi, &left))) {
		CURLcode code = message->data.result;
		char *private = NULL;
		struct transfer *transfer;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		transfer = (struct transfer *)(void *)private;
		leave_lane(transfer);
		transport->options.over(transport->options.self, transfer, (int)code);
	}
}

static bool is_stale(const struct lane *lane, uint64_t now_us)
{
	return lane->transfers == 0 && lane->empty_us + LANE_IDLE_US <= now_us;
}

void transport_run(struct transport *transport, uint64_t now_us)
{
	int running;

	transport->now_us = now_us;
	transport->turn++;
	for (struct list_node *node = transport->lanes.next, *after; node != &transport->lanes;
		node = after) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		after = node->next;
		if (lane->due_us <= now_us) {
			lane->due_us = CLOCK_NEVER; /* on_timer says when again */
			lane->touched = true;
			curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		if (lane->touched)
			reap(lane);
		if (is_stale(lane, now_us)) {
			drop_spares(transport, LANE_MAX);
			drop_lane(lane);
		}
	}
}

uint64_t transport_due_us(const struct transport *transport)
{
	uint64_t due = CLOCK_NEVER;

	for (const struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		const struct lane *lane = LIST_OF(node, const struct lane, link);

		if (lane->touched)
			return 0;
		if (lane->due_us < due)
			due = lane->due_us;
		if (lane->transfers == 0 && lane->empty_us + LANE_IDLE_US < due)
			due = lane->empty_us + LANE_IDLE_US;
	}
	return due;
}

size_t transport_lanes(const struct transport *transport)
{
	return transport->lane_count;
}
