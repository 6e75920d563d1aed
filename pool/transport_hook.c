/* transport_hook.c - where libcurl asks us: for a socket, and before it sends a request. */
#include "pool/transport_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The very address that is being connected to. */
curl_socket_t transport_open_socket(
	void *transfer_arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = transfer_arg;
	int fd;

	(void)purpose;
	/* a proxy's address is the operator's word */
	if (!transfer->rule->via && guard_check_address(transfer->guard, call_url(transfer->call),
					    &address->addr) != REASON_NONE) {
		transfer->fault = TRANSFER_FAULT_DENIED;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd >= 0 && !transport_reserve_socket(transfer->lane, fd)) {
		transfer->fault = TRANSFER_FAULT_NO_MEMORY;
		close(fd);
		return CURL_SOCKET_BAD;
	}
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		transfer->fault = TRANSFER_FAULT_NO_FILES;
	if (fd >= 0) {
		transfer->tried_v4 |= address->family == AF_INET;
		transfer->tried_v6 |= address->family == AF_INET6;
		transport_widen(transfer, fd);
	}
	transfer->socket = fd;
	return fd;
}

static bool parse_address(const char *text, union url_address *ret_address)
{
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->sa.sa_family = AF_INET;
	if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1)
		return true;
	ret_address->sa.sa_family = AF_INET6;
	return inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1;
}

static bool may_connect(const struct transfer *transfer, const char *remote, int remote_port)
{
	union url_address address;

	if (transfer->rule->via)
		return true; /* as in transport_open_socket */
	if (!parse_address(remote, &address))
		return false;
	if (address.sa.sa_family == AF_INET)
		address.v4.sin_port = htons((uint16_t)remote_port);
	else
		address.v6.sin6_port = htons((uint16_t)remote_port);
	return guard_check_address(transfer->guard, call_url(transfer->call), &address.sa) ==
	       REASON_NONE;
}

/* Before each time the request is sent, on a new connection or a kept one: the address again, since
 * a kept connection never asks transport_open_socket, and libcurl's silent second try, which a call
 * must be able to bear. */
int transport_request(
	void *transfer_arg, char *remote, char *local, int remote_port, int local_port)
{
	struct transfer *transfer = transfer_arg;

	(void)local;
	if (!may_connect(transfer, remote, remote_port)) {
		transfer->fault = TRANSFER_FAULT_DENIED;
		return CURL_PREREQFUNC_ABORT;
	}
	if (transfer->requests > transfer->restarted && transport_may_repeat(transfer)) {
		transport_note_repeated(transfer->call);
		transfer->restarted = transfer->requests;
	}
	transport_count_connection(transfer);
	if (transfer->http2)
		transport_note_connection(transfer, local_port);
	if (transfer->fault != TRANSFER_FAULT_NONE)
		return CURL_PREREQFUNC_ABORT;
	/* Should this connection be dead, libcurl's second try must not meet another dead one.
	 * Streams that were refused together share their next connection at first, though. */
	if (!transfer->http2 || transport_wants_own(transfer))
		curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	transfer->requests++;
	transfer->stale = transfer->error[0] != '\0';
	return CURL_PREREQFUNC_OK;
}
