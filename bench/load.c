/* load.c - clients that post the same batch again and again over kept-alive connections, and count
 * what comes back.
 *
 * load [-r RATE] [-k KEY] PORT CLIENTS BATCHES FILE [PATH] : one thread, one epoll set. Each client
 * posts the body in FILE to PATH (/v1/batch) at 127.0.0.1, with KEY if there is one, and reads the
 * whole answer, until BATCHES were posted.
 *
 * Without -r the loop is closed: a client posts again when it has its answer. With it the loop is
 * open: batches fall due at random (a Poisson process, always the same one) RATE times a second,
 * whatever became of those before; CLIENTS is only how many may be under way, and a batch's time
 * counts from when it was due.
 *
 * An answer counts as admitted where its status is 200, and its items where its `summary.succeeded`
 * says so; as refused where it is 503; all else is `other`. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
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
	struct client *next_idle;
	int fd; /* -1: not connected */
	size_t sent, head_size, body_left;
	bool in_body;
	char head[HEAD_MAX + 1];
	char tail[TAIL_MAX + 1]; /* the last bytes of the body: where the summary stands */
	size_t tail_size;
	uint64_t began_us;
};

struct tally {
	uint64_t *times_us;
	long count;
};

static char *request;
static size_t request_size;
static uint16_t port;
static double rate; /* 0: the loop is closed */
static long left, other, late, hint_least = -1, hint_most = -1, hints;
static struct tally admitted, refused, begun; /* begun: how long after it was due */
static uint64_t succeeded, due_us;
static struct client *idle;
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

static void read_request(const char *path, const char *target, const char *key)
{
	struct stat info;
	FILE *file = fopen(path, "rb");
	int head;

	if (!file || fstat(fileno(file), &info))
		fail(path);
	request = malloc((size_t)info.st_size + 1024);
	head = snprintf(request, 1024,
		"POST %.200s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		"Accept: application/json\r\n%s%.200s%sContent-Length: %lld\r\n\r\n",
		target, key ? "Authorization: Bearer " : "", key ? key : "", key ? "\r\n" : "",
		(long long)info.st_size);
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

static void connect_client(struct client *client)
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
}

static void disconnect(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

static void begin(struct client *client, uint64_t began_us)
{
	if (client->fd < 0)
		connect_client(client);
	left--;
	client->sent = client->head_size = client->tail_size = 0;
	client->in_body = false;
	client->began_us = began_us;
	send_more(client);
}

static void go_on(struct client *client)
{
	if (rate > 0) {
		client->next_idle = idle;
		idle = client;
	} else if (left > 0) {
		begin(client, now_us());
	} else {
		disconnect(client);
	}
}

/* The time to the next of a Poisson process; the same in each run, so that runs can be compared. */
static uint64_t gap_us(void)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint64_t)(-log(1 - (double)(state >> 11) / 0x1p53) / rate * 1e6);
}

static void begin_due(void)
{
	for (; left > 0 && idle && due_us <= now_us(); due_us += gap_us()) {
		struct client *client = idle;

		idle = client->next_idle;
		begun.times_us[begun.count++] = now_us() - due_us;
		begin(client, due_us);
	}
	late += left > 0 && !idle && due_us <= now_us();
}

static void note(struct tally *tally, const struct client *client)
{
	tally->times_us[tally->count++] = now_us() - client->began_us;
}

static void note_hint(const char *head)
{
	const char *field = strcasestr(head, "\r\nretry-after:");
	long seconds = field ? strtol(field + 14, NULL, 10) : 0;

	if (!field)
		return;
	hints++;
	if (hint_least < 0 || seconds < hint_least)
		hint_least = seconds;
	if (seconds > hint_most)
		hint_most = seconds;
}

static void finish(struct client *client)
{
	const char *found;

	client->tail[client->tail_size] = 0;
	if (!strncmp(client->head, "HTTP/1.1 200", 12)) {
		found = strstr(client->tail, "\"succeeded\":");
		succeeded += found ? strtoul(found + 12, NULL, 10) : 0;
		note(&admitted, client);
	} else if (!strncmp(client->head, "HTTP/1.1 503", 12)) {
		note_hint(client->head);
		note(&refused, client);
	} else {
		other++;
	}
	if (strcasestr(client->head, "\r\nconnection: close"))
		disconnect(client);
	go_on(client);
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

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double at_share(struct tally *tally, double share)
{
	return tally->count ? (double)tally->times_us[(long)((double)tally->count * share)] : 0;
}

static void print_tally(const char *name, struct tally *tally)
{
	qsort(tally->times_us, (size_t)tally->count, sizeof *tally->times_us, compare);
	printf("\"%s\": %ld, \"%s_p50_us\": %.0f, \"%s_p99_us\": %.0f, ", name, tally->count, name,
		at_share(tally, 0.5), name, at_share(tally, 0.99));
}

static void print(uint64_t wall_us)
{
	printf("{");
	print_tally("admitted", &admitted);
	print_tally("refused", &refused);
	print_tally("begun", &begun);
	printf("\"other\": %ld, \"succeeded\": %llu, \"hints\": %ld, \"hint_least_s\": %ld, "
	       "\"hint_most_s\": %ld, \"late\": %ld, \"wall_us\": %llu}\n",
		other, (unsigned long long)succeeded, hints, hint_least, hint_most, late,
		(unsigned long long)wall_us);
}

static const struct timespec *until_due(struct timespec *wait)
{
	uint64_t now = now_us(), us = due_us > now ? due_us - now : 0;

	if (rate <= 0 || left <= 0 || !idle)
		return NULL;
	*wait = (struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
	return wait;
}

static void wait_once(void)
{
	struct epoll_event events[64];
	struct timespec wait;
	int got = epoll_pwait2(epoll_fd, events, 64, until_due(&wait), NULL);

	for (int i = 0; i < got; i++) {
		struct client *client = events[i].data.ptr;

		if (client->sent < request_size)
			send_more(client);
		else
			read_more(client);
	}
	if (rate > 0)
		begin_due();
}

static void run(long count, long batches)
{
	struct client *clients = calloc((size_t)count, sizeof *clients);
	uint64_t began = now_us();

	left = batches;
	due_us = began;
	admitted.times_us = calloc((size_t)batches, sizeof *admitted.times_us);
	refused.times_us = calloc((size_t)batches, sizeof *refused.times_us);
	begun.times_us = calloc((size_t)batches, sizeof *begun.times_us);
	for (long i = 0; i < count; i++) {
		clients[i].fd = -1;
		go_on(&clients[i]);
	}
	while (admitted.count + refused.count + other < batches)
		wait_once();
	print(now_us() - began);
	free(clients);
	free(admitted.times_us);
	free(refused.times_us);
	free(begun.times_us);
}

int main(int argc, char **argv)
{
	const char *key = NULL;
	int option;

	while ((option = getopt(argc, argv, "r:k:")) != -1) {
		if (option == 'r')
			rate = strtod(optarg, NULL);
		else if (option == 'k')
			key = optarg;
		else
			return 2;
	}
	argv += optind;
	argc -= optind;
	if (argc != 4 && argc != 5) {
		fputs("usage: load [-r RATE] [-k KEY] PORT CLIENTS BATCHES FILE [PATH]\n", stderr);
		return 2;
	}
	port = (uint16_t)strtoul(argv[0], NULL, 10);
	read_request(argv[3], argc == 5 ? argv[4] : "/v1/batch", key);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	run(strtol(argv[1], NULL, 10), strtol(argv[2], NULL, 10));
	free(request);
	return refused.count + other != 0;
}
