/* http_server_loop.c - one http thread: a daemon of libmicrohttpd's without threads of its own, and
 * the wait for its events.
 *
 * The waiting is ours because libmicrohttpd's own loop (0.9.75 to 1.0.1 at least) reads 128 events
 * at a time, and where it got just so many it waits for more, for ever if need be, before it looks
 * at those it has. MHD_run never waits.
 *
 * A resumed connection is only looked at by the next MHD_run. The wake comes after the resume and
 * is read before MHD_run, so that none is slept over.
 *
 * The accepting is ours too (http_server_door): a daemon that is full, or finds no descriptor,
 * would leave clients waiting. */
#include "server/http_server_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"

enum { OWN_FDS = 2 };

void http_loop_wake(struct http_loop *loop)
{
	uint64_t one = 1;

	if (write(loop->wake_fd, &one, sizeof one) < 0)
		REQUIRE(errno == EAGAIN); /* it is awake already */
}

void http_loop_resume(struct http_loop *loop, struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	http_loop_wake(loop);
}

/* -1: until something happens */
static int timeout_ms(struct http_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG left = UINT64_MAX;
	uint64_t due_us = heap_due(&loop->alarms), now_us = clock_us();
	uint64_t door_us = http_door_due_us(loop);

	if (door_us < due_us)
		due_us = door_us;
	if (MHD_get_timeout(loop->daemon, &left) != MHD_YES && due_us == CLOCK_NEVER)
		return -1;
	if (due_us <= now_us)
		return 0;
	if (due_us != CLOCK_NEVER && (due_us - now_us + 999) / 1000 < left)
		left = (due_us - now_us + 999) / 1000;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

static void *run(void *arg)
{
	struct http_loop *loop = arg;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[OWN_FDS + HTTP_ROOM + 1] = {
		{.fd = info->epoll_fd, .events = POLLIN}, {.fd = loop->wake_fd, .events = POLLIN}};
	size_t count;
	uint64_t told;

	while (!atomic_load(&loop->stop)) {
		count = http_door_fill(loop, fds + OWN_FDS);
		poll(fds, OWN_FDS + count, timeout_ms(loop));
		if (fds[1].revents && read(loop->wake_fd, &told, sizeof told) < 0)
			REQUIRE(errno == EAGAIN);
		http_stream_ring(loop, clock_us());
		http_idle_turn(loop);
		http_door_turn(loop, fds + OWN_FDS, count);
		MHD_run(loop->daemon);
		http_door_settle(loop);
	}
	return NULL;
}

static struct MHD_Daemon *make_daemon(struct http_loop *loop, unsigned limit)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, http_server_exchange_handle, loop, MHD_OPTION_CONNECTION_LIMIT,
		limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,
		MHD_OPTION_URI_LOG_CALLBACK, http_server_exchange_begin, loop,
		MHD_OPTION_NOTIFY_COMPLETED, http_server_exchange_end, loop,
		MHD_OPTION_NOTIFY_CONNECTION, http_server_client_notice, loop, MHD_OPTION_END);
}

enum err_code http_loop_start(
	struct http_loop *loop, struct http_server *server, unsigned limit, struct err *err)
{
	int failed;

	loop->server = server;
	atomic_init(&loop->stop, false);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_set(err, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
	loop->running = true; /* there is something to stop */
	heap_init(&loop->alarms);
	http_idle_init(loop);
	if (heap_reserve(&loop->alarms, limit) != ERR_OK)
		return err_set(err, ERR_NOMEM, "no memory for %u connections", limit);
	loop->daemon = make_daemon(loop, limit);
	if (!loop->daemon)
		return err_set(err, ERR_IO, "cannot start the HTTP server: %s", strerror(errno));
	failed = thread_start(&loop->thread, "http", run, loop);
	if (!failed)
		return ERR_OK;
	MHD_stop_daemon(loop->daemon);
	loop->daemon = NULL;
	return err_set(err, ERR_IO, "cannot start an HTTP thread: %s", strerror(failed));
}

void http_loop_stop(struct http_loop *loop)
{
	if (!loop->running)
		return;
	loop->running = false;
	if (loop->daemon) {
		atomic_store(&loop->stop, true);
		http_loop_wake(loop);
		pthread_join(loop->thread, NULL);
		http_door_close(loop);
		MHD_stop_daemon(loop->daemon);
		loop->daemon = NULL;
	}
	heap_free(&loop->alarms);
	close(loop->wake_fd);
}
