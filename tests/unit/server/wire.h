/* wire.h - a client that writes bytes and reads answers, for the tests of the HTTP front. It waits
 * with poll only. */
#ifndef TESTS_UNIT_SERVER_WIRE_H
#define TESTS_UNIT_SERVER_WIRE_H
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

enum { WIRE_PATIENCE_MS = 20000 };

struct answer {
	int status; /* 0: the connection was closed before a whole answer */
	char *head; /* status line and fields, terminated */
	char *body;
	size_t len;
};

struct wire {
	int fd;
	char *in; /* read and not yet taken */
	size_t in_len, in_size;
	bool ended;
};

/* `window` bytes of receive buffer; 0: as the kernel likes */
static inline struct wire wire_open_narrow(uint16_t port, int window)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct wire wire = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	ck_assert_int_ge(wire.fd, 0);
	if (window) /* before the window is announced */
		setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
	ck_assert_int_eq(connect(wire.fd, (struct sockaddr *)&to, sizeof to), 0);
	return wire;
}

static inline struct wire wire_open(uint16_t port)
{
	return wire_open_narrow(port, 0);
}

static inline void wire_close(struct wire *wire)
{
	close(wire->fd);
	free(wire->in);
	*wire = (struct wire){.fd = -1};
}

/* False: the peer does not take it (it has closed). */
static inline bool wire_write(struct wire *wire, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t done = send(wire->fd, at, len, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		at += done;
		len -= (size_t)done;
	}
	return true;
}

static inline void wire_say(struct wire *wire, const char *text)
{
	ck_assert(wire_write(wire, text, strlen(text)));
}

/* Reads once. False: nothing more comes (closed), or nothing came within `wait_ms` (then *ret_late,
 * where given). */
static inline bool wire_read(struct wire *wire, int wait_ms, bool *ret_late)
{
	struct pollfd in = {.fd = wire->fd, .events = POLLIN};
	ssize_t got;

	if (wire->ended)
		return false;
	if (poll(&in, 1, wait_ms) == 0) {
		if (ret_late)
			*ret_late = true;
		return false;
	}
	if (wire->in_size - wire->in_len < 65536) {
		wire->in_size = wire->in_size * 2 + 131072;
		wire->in = realloc(wire->in, wire->in_size);
	}
	got = recv(wire->fd, wire->in + wire->in_len, wire->in_size - wire->in_len - 1, 0);
	if (got <= 0) {
		wire->ended = true;
		return false;
	}
	wire->in_len += (size_t)got;
	wire->in[wire->in_len] = '\0';
	return true;
}

static inline void wire_drop(struct wire *wire, size_t len)
{
	wire->in_len -= len;
	memmove(wire->in, wire->in + len, wire->in_len + 1);
}

static inline const char *answer_field(const struct answer *answer, const char *name)
{
	static char value[1024];
	size_t len = strlen(name);

	for (const char *line = answer->head; line; line = strstr(line, "\r\n")) {
		line += line == answer->head ? 0 : 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			size_t size = strcspn(line + len + 2, "\r");

			snprintf(value, sizeof value, "%.*s", (int)size, line + len + 2);
			return value;
		}
	}
	return NULL;
}

static inline void answer_free(struct answer *answer)
{
	free(answer->head);
	free(answer->body);
	*answer = (struct answer){0};
}

/* The next answer; `headless` says that none of its body is sent (HEAD). Status 0 where the
 * connection ends before. */
static inline struct answer wire_answer_to(struct wire *wire, bool headless)
{
	struct answer answer = {0};
	const char *end = NULL, *length;
	bool late = false;

	while (!(end = wire->in_len ? strstr(wire->in, "\r\n\r\n") : NULL) &&
		wire_read(wire, WIRE_PATIENCE_MS, &late))
		;
	ck_assert_msg(!late, "no answer in time");
	if (!end)
		return answer;
	answer.head = strndup(wire->in, (size_t)(end - wire->in) + 2);
	wire_drop(wire, (size_t)(end - wire->in) + 4);
	ck_assert_int_eq(sscanf(answer.head, "HTTP/1.%*d %d", &answer.status), 1);
	length = answer_field(&answer, "Content-Length");
	answer.len = length && !headless ? strtoul(length, NULL, 10) : 0;
	while (wire->in_len < answer.len && wire_read(wire, WIRE_PATIENCE_MS, &late))
		;
	ck_assert_msg(!late, "no whole body in time");
	if (wire->in_len < answer.len) {
		answer_free(&answer);
		return answer;
	}
	answer.body = malloc(answer.len + 1);
	memcpy(answer.body, answer.len ? wire->in : "", answer.len);
	answer.body[answer.len] = '\0';
	if (answer.len)
		wire_drop(wire, answer.len);
	return answer;
}

static inline struct answer wire_answer(struct wire *wire)
{
	return wire_answer_to(wire, false);
}

/* Does the connection end, with nothing more said, within `wait_ms`? */
static inline bool wire_ends(struct wire *wire, int wait_ms)
{
	uint64_t until = clock_us() + (uint64_t)wait_ms * 1000;

	while (!wire->ended && clock_us() < until)
		if (!wire_read(wire, (int)((until - clock_us()) / 1000) + 1, NULL) && !wire->ended)
			return false;
	return wire->ended && wire->in_len == 0;
}

/* One request on a connection of its own. */
static inline struct answer wire_ask(uint16_t port, const char *request)
{
	struct wire wire = wire_open(port);
	struct answer answer;

	wire_say(&wire, request);
	answer = wire_answer_to(&wire, strncmp(request, "HEAD ", 5) == 0);
	wire_close(&wire);
	return answer;
}
#endif
