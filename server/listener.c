/* listener.c - the listening socket: a name or an address, and a port that may be chosen by the
 * kernel. */
#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 /* the kernel cuts it to net.core.somaxconn */ };
/* Unsent bytes that the kernel holds for a client. Without a bound it takes megabytes, and says no
 * word while a slow reader works through a third of them: it would look as if it did not read. */
enum { UNSENT_BYTES = 64 * 1024 };

static int bind_one(const struct addrinfo *address)
{
	int on = 1, off = 0, unsent = UNSENT_BYTES, failed;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent); /* inherited */
	if (address->ai_family == AF_INET6) /* "::" is meant to take both families */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	failed = errno;
	close(fd);
	errno = failed;
	return -1;
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {.v6 = {0}};
	socklen_t len = sizeof address;

	if (getsockname(fd, &address.any, &len) != 0)
		return 0;
	return ntohs(
		address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static enum err_code look_up(
	const char *host, uint16_t port, struct addrinfo **ret_list, struct err *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	char digits[8];
	int failed;

	snprintf(digits, sizeof digits, "%u", (unsigned)port);
	failed = getaddrinfo(host, digits, &hints, ret_list);
	if (failed)
		return err_set(err, ERR_IO, "cannot listen on %s: %s", host, gai_strerror(failed));
	return ERR_OK;
}

enum err_code listener_bind(
	const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *err)
{
	struct addrinfo *list = NULL;
	enum err_code code = look_up(host, port, &list, err);
	int fd = -1;

	if (code != ERR_OK)
		return code;
	for (const struct addrinfo *one = list; one && fd < 0; one = one->ai_next)
		fd = bind_one(one);
	if (fd < 0)
		code = err_set(err, ERR_IO,
			"cannot listen on %s port %u: %s; --server-port=PORT chooses another, 0 a "
			"free one",
			host, (unsigned)port, strerror(errno));
	freeaddrinfo(list);
	if (fd < 0)
		return code;
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return ERR_OK;
}

enum err_code listener_open(int fd, struct err *err)
{
	if (listen(fd, BACKLOG) != 0)
		return err_set(err, ERR_IO, "cannot listen on port %u: %s", (unsigned)port_of(fd),
			strerror(errno));
	return ERR_OK;
}
