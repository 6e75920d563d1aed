/* http_server_door.c - who comes in: accept, a place, or 503.
 *
 *   accept -> a place                 fewer than max_connections, or an idle one makes way
 *          -> room -speaks-> a place, or a spare one where it asks for health; else 503
 *             room -silent for SILENT_US, pushed out, no spare place-> 503, then closed
 *
 * The room is small, so that a crowd cannot fill it for others: who came first is pushed out. A 503
 * that is sent before the request was read would be lost with a reset; what such a client sends is
 * read for LINGER_US.
 *
 * Without descriptors or memory for another connection, accepting rests for CLOSED_US, or, where an
 * idle connection makes way, until that is gone: clients wait in the kernel's queue meanwhile. */
#include "server/http_server_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"

enum {
	ACCEPTS = 16, /* in a turn: who is here waits for its answer */
	SILENT_US = 1000000,
	LINGER_US = 1000000,
	CLOSED_US = 100000,
	LEAVING_US = 2000,      /* what libmicrohttpd needs to close a connection that is cut */
	TOLD_US = 60 * 1000000, /* between two lines of the log */
	ANSWER_MAX = 1024,
	HEAD_MAX = 8 * 1024,
	FORGET_BYTES = 16 * 1024,
	FORGET_TIMES = 16
};

static bool take_place(struct http_server *server, size_t most)
{
	if (atomic_fetch_add(&server->connections, 1) < most)
		return true;
	atomic_fetch_sub(&server->connections, 1);
	return false;
}

/* libmicrohttpd looks at the address only where connections are counted by it. */
static void give_place(struct http_loop *loop, int fd)
{
	static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	loop->door.given++;
	/* Where it cannot, it has closed the socket, and http_door_settle sees it. */
	if (MHD_add_connection(loop->daemon, fd, &nowhere, sizeof nowhere) != MHD_YES)
		return;
}

/* Who makes way is gone a moment later; meanwhile a newcomer has one of the spare places, but half
 * of those are for health. */
static bool has_place(struct http_loop *loop, unsigned max)
{
	struct http_server *server = loop->server;

	return take_place(server, max) || (http_idle_make_way(loop, UINT_MAX) &&
						  take_place(server, (size_t)max + HTTP_SPARE / 2));
}

static bool give_spare(struct http_loop *loop, int fd, unsigned max)
{
	struct http_door *door = &loop->door;

	if (door->surplus_count == HTTP_SPARE ||
		!take_place(loop->server, (size_t)max + HTTP_SPARE))
		return false;
	door->surplus[door->surplus_count++] = fd;
	give_place(loop, fd);
	return true;
}

bool http_door_is_surplus(const struct http_loop *loop, int fd)
{
	for (size_t i = 0; i < loop->door.surplus_count; i++)
		if (loop->door.surplus[i] == fd)
			return true;
	return false;
}

void http_door_settle(struct http_loop *loop)
{
	size_t there = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
			       ->num_connections;

	loop->door.surplus_count = 0;
	if (there >= loop->door.given)
		return;
	atomic_fetch_sub(&loop->server->connections, loop->door.given - there);
	loop->door.given = there;
}

static void render(struct http_server *server, unsigned max, struct buf *out)
{
	struct problem problem;
	struct buf body;
	char request_id[REQUEST_ID_MAX + 1];

	problem_init(&problem);
	http_server_gate_crowd(max, &problem);
	request_id_choose(NULL, request_id);
	buf_init(&body, ANSWER_MAX);
	problem_render(&problem, request_id, &body);
	buf_addf(out,
		"HTTP/1.1 %u Service Unavailable\r\nConnection: close\r\nRetry-After: %u\r\n"
		"X-Request-Id: %s\r\nContent-Type: application/problem+json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		problem_status(problem.code), http_server_retry_after_s(server, &problem),
		request_id, body.len, body.ptr ? body.ptr : "");
	buf_free(&body);
}

/* It fits into the socket's empty buffer; who cannot be told is closed all the same. */
static void turn_away(struct http_loop *loop, struct newcomer *newcomer, unsigned max)
{
	struct buf answer;

	buf_init(&answer, 2 * ANSWER_MAX);
	render(loop->server, max, &answer);
	if (!answer.failed && send(newcomer->fd, answer.ptr, answer.len, MSG_NOSIGNAL) < 0)
		answer.failed = true;
	buf_free(&answer);
	shutdown(newcomer->fd, SHUT_WR);
	newcomer->answered = true;
	newcomer->due_us = clock_us() + LINGER_US;
	metrics_add(METRIC_CONNECTIONS_TURNED_AWAY, 1);
}

/* True: it has closed its side. */
static bool forget(const struct newcomer *newcomer)
{
	char nothing[FORGET_BYTES];

	for (int i = 0; i < FORGET_TIMES; i++) {
		ssize_t len = recv(newcomer->fd, nothing, sizeof nothing, 0);

		if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
			return true;
		if (len < 0)
			return false;
	}
	return false;
}

static bool is_for(const struct route *route, const char *head, size_t len)
{
	size_t method = strlen(route->method), path = strlen(route->path);

	return len > method + path + 1 && memcmp(head, route->method, method) == 0 &&
	       head[method] == ' ' && memcmp(head + method + 1, route->path, path) == 0;
}

/* All of the head of a question for health has come. Whoever asks for something else, or bit by
 * bit, would keep a spare place from it. */
static bool asks_for_health(const struct http_loop *loop, int fd)
{
	const struct route *const *routes = loop->server->opt.routes;
	char head[HEAD_MAX];
	ssize_t len = recv(fd, head, sizeof head, MSG_PEEK);

	if (len <= 0 || !memmem(head, (size_t)len, "\r\n\r\n", 4))
		return false;
	for (; *routes; routes++)
		if ((*routes)->health && is_for(*routes, head, (size_t)len))
			return true;
	return false;
}

static bool find_place(struct http_loop *loop, int fd, unsigned max)
{
	if (!has_place(loop, max))
		return asks_for_health(loop, fd) && give_spare(loop, fd, max);
	give_place(loop, fd);
	return true;
}

/* False: it is not in the room any more. */
static bool attend(struct http_loop *loop, struct newcomer *newcomer, bool speaks, unsigned max)
{
	bool due = newcomer->due_us <= clock_us();

	if (newcomer->answered && (due || (speaks && forget(newcomer)))) {
		close(newcomer->fd);
		return false;
	}
	if (newcomer->answered)
		return true;
	if (speaks && find_place(loop, newcomer->fd, max))
		return false;
	if (speaks || due)
		turn_away(loop, newcomer, max);
	return true;
}

static void push_out(struct http_loop *loop, unsigned max)
{
	struct http_door *door = &loop->door;

	if (!door->room[0].answered)
		turn_away(loop, &door->room[0], max);
	forget(&door->room[0]);
	close(door->room[0].fd);
	memmove(door->room, door->room + 1, --door->count * sizeof *door->room);
}

static void receive(struct http_loop *loop, int fd, unsigned max)
{
	struct http_door *door = &loop->door;

	if (has_place(loop, max)) {
		give_place(loop, fd);
		return;
	}
	if (door->count == HTTP_ROOM)
		push_out(loop, max);
	door->room[door->count++] = (struct newcomer){.fd = fd, .due_us = clock_us() + SILENT_US};
}

/* The door opens and closes often while descriptors are scarce: one line a while tells of it. */
static void close_door(struct http_loop *loop, int why)
{
	struct http_server *server = loop->server;
	uint64_t now = clock_us(), told = atomic_load(&server->door_told_us);
	bool makes_way = (why == EMFILE || why == ENFILE) && http_idle_make_way(loop, 1);

	loop->door.closed_until_us = now + (makes_way ? LEAVING_US : CLOSED_US);
	if ((told == 0 || now - told >= TOLD_US) &&
		atomic_compare_exchange_strong(&server->door_told_us, &told, now))
		log_warn("accept_paused", LOG_S("error", strerror(why)),
			LOG_U("connections", http_server_connections(server)));
}

static void receive_all(struct http_loop *loop, unsigned max)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(loop->server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			receive(loop, fd, max);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			close_door(loop, errno);
			return;
		}
	}
}

size_t http_door_fill(struct http_loop *loop, struct pollfd fds[HTTP_ROOM + 1])
{
	struct http_door *door = &loop->door;

	if (door->closed_until_us <= clock_us())
		door->closed_until_us = 0;
	fds[0] = (struct pollfd){
		.fd = door->closed_until_us ? -1 : loop->server->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < door->count; i++)
		fds[i + 1] = (struct pollfd){.fd = door->room[i].fd, .events = POLLIN};
	return door->count + 1;
}

uint64_t http_door_due_us(const struct http_loop *loop)
{
	const struct http_door *door = &loop->door;
	uint64_t due = door->closed_until_us ? door->closed_until_us : CLOCK_NEVER;

	for (size_t i = 0; i < door->count; i++)
		if (door->room[i].due_us < due)
			due = door->room[i].due_us;
	return due;
}

static unsigned max_connections(struct http_server *server)
{
	struct policy *policy = http_server_policy(server);
	unsigned max = http_server_max_connections(server, policy);

	http_server_unref_policy(policy);
	return max;
}

void http_door_turn(struct http_loop *loop, const struct pollfd *fds, size_t count)
{
	struct http_door *door = &loop->door;
	size_t kept = 0;
	unsigned max;

	if (door->count == 0 && !fds[0].revents)
		return;
	max = max_connections(loop->server);
	REQUIRE(count == door->count + 1);
	for (size_t i = 0; i < door->count; i++)
		if (attend(loop, &door->room[i], fds[i + 1].revents != 0, max))
			door->room[kept++] = door->room[i];
	door->count = kept;
	if (fds[0].revents)
		receive_all(loop, max);
}

void http_door_close(struct http_loop *loop)
{
	for (size_t i = 0; i < loop->door.count; i++)
		close(loop->door.room[i].fd);
	loop->door.count = 0;
}
