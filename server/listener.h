/* listener.h - the listening socket: a name or an address, and a port that may be chosen by the
 * kernel. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H
#include <stdint.h>

#include "common/err.h"

/* Binds to the first address of `host` (IPv4, IPv6 with or without brackets, or a name) that can be
 * had; port 0: a free one. Nobody can connect before listener_open. The descriptor is the
 * asker's. */
enum err_code listener_bind(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port,
	struct err *err) MUST_CHECK;
enum err_code listener_open(int fd, struct err *err) MUST_CHECK;
#endif
