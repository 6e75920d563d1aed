/* resolver_channel.c - a resolver's c-ares channel: what it is told, and the sockets it asks over.
 */
#include "pool/resolver_channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#if ARES_VERSION >= 0x011F00
/* It waits a quarter of a second where a server was quick before, then twice as long each time: a
 * name that is slow has some seconds all the same. */
#define TRIES 4
#else
#define TRIES 2
#endif

enum { TRY_MS = 2000 };

/* ---- sockets ---- */

static bool is_shortage(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

/* As c-ares sets them up where they are its own. */
static ares_socket_t open_socket(int domain, int type, int protocol, void *channel_arg)
{
	struct resolver_channel *channel = channel_arg;
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0 && is_shortage(errno))
		channel->shortages++;
	if (fd >= 0 && type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static int close_socket(ares_socket_t fd, void *channel)
{
	(void)channel;
	return close(fd);
}

static ares_ssize_t receive(ares_socket_t fd, void *bytes, size_t size, int flags,
	struct sockaddr *from, ares_socklen_t *from_size, void *channel)
{
	(void)channel;
	return recvfrom(fd, bytes, size, flags, from, from_size);
}

bool resolver_channel_has_files(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		return !is_shortage(errno);
	close(fd);
	return true;
}

#if ARES_VERSION >= 0x012200

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size,
	unsigned flags, void *channel)
{
	(void)flags; /* TCP Fast Open: the socket's option says so */
	(void)channel;
	return connect(fd, address, size);
}

static ares_ssize_t send_bytes(ares_socket_t fd, const void *bytes, size_t size, int flags,
	const struct sockaddr *to, ares_socklen_t to_size, void *channel)
{
	(void)channel;
	return sendto(fd, bytes, size, flags, to, to_size);
}

/* The others are for options that the channel does not have. */
static int set_option(ares_socket_t fd, ares_socket_opt_t option, const void *value,
	ares_socklen_t size, void *channel)
{
	int on = 1;

	(void)value;
	(void)size;
	(void)channel;
	if (option == ARES_SOCKET_OPT_TCP_FASTOPEN)
		return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
	errno = ENOSYS;
	return -1;
}

static int own_address(
	ares_socket_t fd, struct sockaddr *address, ares_socklen_t *size, void *channel)
{
	(void)channel;
	return getsockname(fd, address, size);
}

static void use_sockets(struct resolver_channel *channel)
{
	static const struct ares_socket_functions_ex functions = {.version = 1,
		.flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
		.asocket = open_socket,
		.aclose = close_socket,
		.asetsockopt = set_option,
		.aconnect = connect_socket,
		.arecvfrom = receive,
		.asendto = send_bytes,
		.agetsockname = own_address};

	ares_set_socket_functions_ex(channel->ares, &functions, channel);
}

#else

static int connect_socket(
	ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size, void *channel)
{
	(void)channel;
	return connect(fd, address, size);
}

static ares_ssize_t send_parts(
	ares_socket_t fd, const struct iovec *parts, int count, void *channel)
{
	(void)channel;
	return writev(fd, parts, count);
}

static void use_sockets(struct resolver_channel *channel)
{
	static const struct ares_socket_functions functions = {
		.asocket = open_socket,
		.aclose = close_socket,
		.aconnect = connect_socket,
		.arecvfrom = receive,
		.asendv = send_parts,
	};

	ares_set_socket_functions(channel->ares, &functions, channel);
}

#endif

/* ---- the channel ---- */

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	const struct resolver_channel *channel = arg;

	channel->watch(channel->watch_arg, fd,
		(readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0));
}

/* Names are asked for as they are: no search list, no HOSTALIASES from the environment. */
int resolver_channel_open(struct resolver_channel *channel)
{
	char lookups[] = "fb"; /* /etc/hosts, then DNS */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = TRY_MS,
		.tries = TRIES,
		.lookups = lookups,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = channel,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
		   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
	int status;

#ifdef ARES_OPT_UDP_MAX_QUERIES
	options.udp_max_queries =
		100; /* a new source port now and then makes forged answers harder */
	mask |= ARES_OPT_UDP_MAX_QUERIES;
#endif
#ifdef ARES_OPT_MAXTIMEOUTMS
	options.maxtimeout = TRY_MS;
	mask |= ARES_OPT_MAXTIMEOUTMS;
#endif
#ifdef ARES_OPT_QUERY_CACHE
	options.qcache_max_ttl = 0; /* the table here is the cache */
	mask |= ARES_OPT_QUERY_CACHE;
#endif
	status = ares_init_options(&channel->ares, &options, mask);
	if (status == ARES_SUCCESS)
		use_sockets(channel);
	return status;
}
