/* sleeper.c - an upstream that answers each request after the same time, and counts how many wait
 * at once.
 *
 * sleeper MILLISECONDS PORT... : one thread, one epoll set, keep-alive; listens on all loopback
 * addresses (127.0.0.0/8, so that it can be a thousand origins) at each port. Port 0 takes a free
 * one; the ports are printed, a line, before it serves. `GET /stats` answers at once with
 * {"served", "most", "waiting", "connections"}: requests and connections so far, the most that ever
 * waited together, and how many wait now; `GET /reset` sets served, most and connections to 0;
 * between `GET /freeze` and `GET /thaw` nothing else is answered. Since every answer waits equally
 * long, those that wait are a FIFO: the first is always the next due. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MAX = 8192, FD_MAX = 65536, EVENTS = 512 };

struct peer {
	bool open, waiting;
	unsigned life; /* a descriptor's number comes again; its life does not */
	uint64_t due_us;
	size_t used;
	char *request;
};

struct turn {
	int fd;
	unsigned life;
};

static struct peer peers[FD_MAX];
static struct turn turns[FD_MAX]; /* a ring: each peer waits at most once at a time, closed ones
				     leave a stale turn */
static size_t first, count;
static uint64_t served, most, waiting, connections, delay_us;
static bool frozen;
static int epoll_fd;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void drop(int fd)
{
	struct peer *peer = &peers[fd];

	if (peer->waiting)
		waiting--;
	free(peer->request);
	*peer = (struct peer){.life = peer->life + 1};
	close(fd);
}

static void reply(int fd, const char *body)
{
	char answer[512];
	int size = snprintf(answer, sizeof answer,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);

	if (send(fd, answer, (size_t)size, MSG_NOSIGNAL) != size)
		drop(fd);
}

static void reply_stats(int fd)
{
	char body[256];

	snprintf(body, sizeof body,
		"{\"served\": %llu, \"most\": %llu, \"waiting\": %llu, \"connections\": %llu}",
		(unsigned long long)served, (unsigned long long)most, (unsigned long long)waiting,
		(unsigned long long)connections);
	reply(fd, body);
}

static void reply_path(int fd)
{
	const char *path = strchr(peers[fd].request, ' ') +
			   1; /* the buffer keeps the request that was answered */
	char body[256];

	snprintf(body, sizeof body, "{\"path\": \"%.*s\"}", (int)strcspn(path, " \"\\"), path);
	reply(fd, body);
}

static void wait_turn(int fd)
{
	struct peer *peer = &peers[fd];

	if (count == FD_MAX) {
		fputs("sleeper: too many wait\n", stderr);
		exit(1);
	}
	peer->waiting = true;
	peer->due_us = now_us() + delay_us;
	turns[(first + count++) % FD_MAX] = (struct turn){fd, peer->life};
	if (++waiting > most)
		most = waiting;
}

static size_t body_size(const char *request)
{
	const char *field = strcasestr(request, "\r\ncontent-length:");

	return field ? strtoul(field + 17, NULL, 10) : 0;
}

/* True: it was one, and is answered. */
static bool obey(int fd, const char *line)
{
	if (!strncmp(line, "GET /stats ", 11)) {
		reply_stats(fd);
		return true;
	}
	if (!strncmp(line, "GET /reset ", 11))
		served = most = connections = 0;
	else if (!strncmp(line, "GET /freeze ", 12))
		frozen = true;
	else if (!strncmp(line, "GET /thaw ", 10))
		frozen = false;
	else
		return false;
	reply(fd, "{}");
	return true;
}

static void answer_request(int fd)
{
	struct peer *peer = &peers[fd];
	char *end = strstr(peer->request, "\r\n\r\n");

	if (!end || !strchr(peer->request, ' ') ||
		peer->used < (size_t)(end - peer->request) + 4 + body_size(peer->request))
		return;
	peer->used = 0;
	if (!obey(fd, peer->request))
		wait_turn(fd);
}

static void read_peer(int fd)
{
	struct peer *peer = &peers[fd];
	ssize_t got;

	if (!peer->open)
		return;
	if (!peer->request && !(peer->request = malloc(REQUEST_MAX + 1)))
		fail("malloc");
	got = recv(fd, peer->request + peer->used, REQUEST_MAX - peer->used, 0);
	if (got <= 0) {
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		drop(fd);
		return;
	}
	peer->used += (size_t)got;
	peer->request[peer->used] = 0;
	if (peer->used == REQUEST_MAX) {
		drop(fd);
		return;
	}
	answer_request(fd);
}

static void take_peers(int listener)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		if (fd >= FD_MAX)
			fail("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		peers[fd].open = true;
		connections++;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		fail("accept");
}

/* Answers what is due; the time to the next, or NULL where none waits. */
static const struct timespec *answer_due(struct timespec *wait)
{
	while (count && !frozen) {
		struct turn turn = turns[first % FD_MAX];
		struct peer *peer = &peers[turn.fd];
		uint64_t now = now_us();

		if (peer->life == turn.life && peer->waiting) {
			if (peer->due_us > now) {
				*wait = (struct timespec){(time_t)((peer->due_us - now) / 1000000),
					(long)((peer->due_us - now) % 1000000) * 1000};
				return wait;
			}
			peer->waiting = false;
			waiting--;
			served++;
			reply_path(turn.fd);
		}
		first = (first + 1) % FD_MAX;
		count--;
	}
	return NULL;
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct epoll_event event = {.events = EPOLLIN};
	socklen_t size = sizeof address;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* All addresses of one interface: nobody else's reach it. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
		bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096) ||
		getsockname(fd, (struct sockaddr *)&address, &size))
		fail("listen");
	event.data.fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
	printf("%u ", ntohs(address.sin_port));
	return fd;
}

static void raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	static bool listens[FD_MAX];
	struct epoll_event events[EVENTS];

	if (argc < 3) {
		fputs("usage: sleeper MILLISECONDS PORT...\n", stderr);
		return 2;
	}
	raise_files();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	delay_us = strtoull(argv[1], NULL, 10) * 1000;
	for (int i = 2; i < argc; i++)
		listens[listen_at((uint16_t)strtoul(argv[i], NULL, 10))] = true;
	puts("");
	fflush(stdout);
	for (;;) {
		struct timespec wait;
		int got = epoll_pwait2(epoll_fd, events, EVENTS, answer_due(&wait), NULL);

		for (int i = 0; i < got; i++) {
			int fd = events[i].data.fd;

			if (listens[fd])
				take_peers(fd);
			else
				read_peer(fd);
		}
	}
}
