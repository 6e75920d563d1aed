/* address.h - what an IP address is, and networks to hold it against. Pure; any thread. */
#ifndef POOL_ADDRESS_H
#define POOL_ADDRESS_H
#include <stdbool.h>
#include <stdint.h>

#include "pool/guard.h"

struct address {            /* without its port and zone; IPv4 fills the first four bytes */
	sa_family_t family; /* AF_INET, AF_INET6; 0: neither */
	uint8_t bytes[16];
};

struct network {
	struct address base;
	unsigned prefix; /* bits */
};

struct address address_of(const struct sockaddr *from);
enum guard_class address_classify(const struct address *address);
bool address_is_mapped(const struct address *address); /* ::ffff:0:0/96 */
/* The IPv4 of a mapped one, else itself. */
struct address address_unmap(const struct address *address);
/* Reaches this machine whatever its interfaces are. */
bool address_is_here(const struct address *address);
bool address_same(const struct address *a, const struct address *b);
bool address_in(const struct address *address, const struct network *network);
unsigned address_bits(const struct address *address); /* 32, 128 */
#endif
