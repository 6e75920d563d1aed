/* load.c - clients that post the same batch again and again over kept-alive connections, and count
 * what comes back.
 *
 * load PORT CLIENTS BATCHES FILE [PATH] : one thread, one epoll set. Each client posts the body in
 * FILE to PATH (/v1/batch) at 127.0.0.1, reads the whole answer, and posts again until BATCHES were
 * begun. An answer counts where its status is 200; its items where its `summary.succeeded` says so.
 * Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, TAIL_MAX = 1024, BLOCK = 65536 };

struct client {
	int fd;
	size_t sent, head_size, body_left;
	bool in_body;
	char head[HEAD_MAX + 1];
	char tail[TAIL_MAX + 1]; /* the last bytes of the body: where the summary stands */
	size_t tail_size;
	uint64_t began_us;
};

static char *request;
static size_t request_size;
static long left, answers, refused;
static uint64_t succeeded, *times_us;
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

static void read_request(const char *path, const char *target)
{
	struct stat info;
	FILE *file = fopen(path, "rb");
	int head;

	if (!file || fstat(fileno(file), &info))
		fail(path);
	request = malloc((size_t)info.st_size + 512);
	head = snprintf(request, 512,
		"POST %.200s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		"Accept: application/json\r\nContent-Length: %lld\r\n\r\n",
		target, (long long)info.st_size);
	request_size = (size_t)head + (size_t)info.st_size;
	if (fread(request + head, 1, (size_t)info.st_size, file) != (size_t)info.st_size)
		fail(path);
	fclose(file);
}

static void want(struct client *client, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

static void send_more(struct client *client)
{
	ssize_t put =
		send(client->fd, request + client->sent, request_size - client->sent, MSG_NOSIGNAL);

	if (put < 0 && errno != EAGAIN)
		fail("send");
	if (put > 0)
		client->sent += (size_t)put;
	want(client, client->sent < request_size ? EPOLLOUT : EPOLLIN);
}

static void begin(struct client *client)
{
	if (left-- <= 0) {
		close(client->fd);
		client->fd = -1;
		return;
	}
	client->sent = client->head_size = client->tail_size = 0;
	client->in_body = false;
	client->began_us = now_us();
	send_more(client);
}

static void finish(struct client *client)
{
	const char *found;

	client->tail[client->tail_size] = 0;
	if (!strncmp(client->head, "HTTP/1.1 200", 12)) {
		found = strstr(client->tail, "\"succeeded\":");
		succeeded += found ? strtoul(found + 12, NULL, 10) : 0;
	} else {
		refused++;
	}
	times_us[answers++] = now_us() - client->began_us;
	begin(client);
}

static void take_body(struct client *client, const char *bytes, size_t size)
{
	size_t keep = size < TAIL_MAX ? size : TAIL_MAX;
	size_t old = client->tail_size < TAIL_MAX - keep ? client->tail_size : TAIL_MAX - keep;

	memmove(client->tail, client->tail + client->tail_size - old, old);
	memcpy(client->tail + old, bytes + size - keep, keep);
	client->tail_size = old + keep;
	client->body_left -= size < client->body_left ? size : client->body_left;
	if (!client->body_left)
		finish(client);
}

static void take_head(struct client *client, const char *bytes, size_t size)
{
	const char *field;
	size_t had = client->head_size, head;
	char *end;

	if (size > HEAD_MAX - had)
		size = HEAD_MAX - had;
	memcpy(client->head + had, bytes, size);
	client->head_size += size;
	client->head[client->head_size] = 0;
	end = strstr(client->head, "\r\n\r\n");
	if (!end)
		return;
	field = strcasestr(client->head, "\r\ncontent-length:");
	if (!field || field > end) {
		fputs("load: an answer without Content-Length\n", stderr);
		exit(1);
	}
	client->body_left = strtoul(field + 17, NULL, 10);
	client->in_body = true;
	head = (size_t)(end - client->head) + 4 - had;
	take_body(client, bytes + head, size - head);
}

static void read_more(struct client *client)
{
	static char block[BLOCK];
	/* The head first, alone: what follows it in the same block is the body's beginning. */
	ssize_t got =
		recv(client->fd, block, client->in_body ? BLOCK : HEAD_MAX - client->head_size, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		fail("the server closed");
	if (client->in_body)
		take_body(client, block, (size_t)got);
	else
		take_head(client, block, (size_t)got);
}

static void open_client(struct client *client, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct epoll_event event = {.data.ptr = client};
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address))
		fail("connect");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
	begin(client);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print(uint64_t wall_us)
{
	qsort(times_us, (size_t)answers, sizeof *times_us, compare);
	printf("{\"batches\": %ld, \"refused\": %ld, \"succeeded\": %llu, \"wall_us\": %llu, "
	       "\"p50_us\": %llu, "
	       "\"p99_us\": %llu}\n",
		answers, refused, (unsigned long long)succeeded, (unsigned long long)wall_us,
		(unsigned long long)times_us[answers / 2],
		(unsigned long long)times_us[answers * 99 / 100]);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	struct client *clients;
	long count, batches;
	uint64_t began;

	if (argc != 5 && argc != 6) {
		fputs("usage: load PORT CLIENTS BATCHES FILE\n", stderr);
		return 2;
	}
	count = strtol(argv[2], NULL, 10);
	left = batches = strtol(argv[3], NULL, 10);
	read_request(argv[4], argc == 6 ? argv[5] : "/v1/batch");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc((size_t)count, sizeof *clients);
	times_us = calloc((size_t)batches, sizeof *times_us);
	began = now_us();
	for (long i = 0; i < count; i++)
		open_client(&clients[i], (uint16_t)strtoul(argv[1], NULL, 10));
	while (answers < batches) {
		int got = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < got; i++) {
			struct client *client = events[i].data.ptr;

			if (client->sent < request_size)
				send_more(client);
			else
				read_more(client);
		}
	}
	print(now_us() - began);
	free(clients);
	free(times_us);
	free(request);
	return refused != 0;
}
