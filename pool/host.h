/* host.h - the forms a host may have: a name, an IPv4 or IPv6 address; and a port.
 *
 * Pure; any thread. Shared by the gate for URLs and by the entries of the guard, so that both mean
 * the same by a host. */
#ifndef POOL_HOST_H
#define POOL_HOST_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "pool/url.h"

enum { HOST_NAME_MAX_BYTES = 253, HOST_LABEL_MAX_BYTES = 63, HOST_SIZE = 256 };

enum host_kind {
	HOST_NAME,     /* letters, digits, '-', '_' and '.' */
	HOST_ADDRESS,  /* a dotted quad in its one spelling */
	HOST_BAD_FORM, /* an empty or long label, a dot at the end, an empty "xn--", or a number
			  that is no dotted quad */
	HOST_BAD_BYTES /* bytes that no host has */
};

/* Reads a host that is not in brackets; fills `ret_host` (lower case) for the two good kinds,
 * `ret_address` for the second. */
enum host_kind host_parse(
	struct span text, char ret_host[HOST_SIZE], union url_address *ret_address);
/* Without brackets and zone. */
bool host_parse_ip6(struct span text, union url_address *ret_address);
/* 0 to 65535 in its one spelling: no sign, no leading zero. */
bool host_parse_port(struct span text, uint16_t *ret_port);
/* "" for another family. */
void host_print(const struct sockaddr *address, char ret_host[HOST_SIZE]);
#endif
