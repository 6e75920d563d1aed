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
 * A full daemon leaves its listening socket alone, and looks at it again at the beginning of the
 * MHD_run after the one in which a connection ended: that one must not wait. */
#include "server/http_server_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"

static void wake(struct http_loop *loop)
{
	uint64_t one = 1;

	if (write(loop->wake_fd, &one, sizeof one) < 0)
		REQUIRE(errno == EAGAIN); /* it is awake already */
}

void http_loop_resume(struct http_loop *loop, struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	wake(loop);
}

/* -1: until something happens */
static int timeout_ms(struct http_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG left = UINT64_MAX;
	uint64_t due_us = heap_due(&loop->alarms), now_us = clock_us();

	if (MHD_get_timeout(loop->daemon, &left) != MHD_YES && due_us == CLOCK_NEVER)
		return -1;
	if (due_us <= now_us)
		return 0;
	if (due_us != CLOCK_NEVER && (due_us - now_us + 999) / 1000 < left)
		left = (due_us - now_us + 999) / 1000;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

static unsigned connections(struct http_loop *loop)
{
	return MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
		->num_connections;
}

static void *run(void *arg)
{
	struct http_loop *loop = arg;
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = {
		{.fd = info->epoll_fd, .events = POLLIN}, {.fd = loop->wake_fd, .events = POLLIN}};
	unsigned before;
	bool fewer = false;
	uint64_t told;

	while (!atomic_load(&loop->stop)) {
		poll(fds, 2, fewer ? 0 : timeout_ms(loop));
		if (fds[1].revents && read(loop->wake_fd, &told, sizeof told) < 0)
			REQUIRE(errno == EAGAIN);
		http_stream_ring(loop, clock_us());
		before = connections(loop);
		MHD_run(loop->daemon);
		fewer = connections(loop) < before;
	}
	return NULL;
}

static struct MHD_Daemon *make_daemon(struct http_loop *loop, int listen_fd, unsigned limit)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		http_server_exchange_handle, loop, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK, http_server_exchange_begin,
		loop, MHD_OPTION_NOTIFY_COMPLETED, http_server_exchange_end, loop,
		MHD_OPTION_NOTIFY_CONNECTION, http_server_client_notice, loop, MHD_OPTION_END);
}

enum err_code http_loop_start(
	struct http_loop *loop, struct http_server *server, unsigned limit, struct err *err)
{
	int listen_fd, failed;

	loop->server = server;
	atomic_init(&loop->stop, false);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_set(err, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
	loop->running = true; /* there is something to stop */
	heap_init(&loop->alarms);
	if (heap_reserve(&loop->alarms, limit) != ERR_OK)
		return err_set(err, ERR_NOMEM, "no memory for %u connections", limit);
	listen_fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0);
	loop->daemon = listen_fd < 0 ? NULL : make_daemon(loop, listen_fd, limit);
	if (!loop->daemon) /* libmicrohttpd has closed its listening socket */
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
		wake(loop);
		pthread_join(loop->thread, NULL);
		MHD_stop_daemon(loop->daemon);
		loop->daemon = NULL;
	}
	heap_free(&loop->alarms);
	close(loop->wake_fd);
}
