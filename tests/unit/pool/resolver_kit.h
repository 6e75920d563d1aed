/* resolver_kit.h - a resolver, the DNS server that it asks, and those who ask the resolver.
 *
 * Everything runs in one thread: turn() lets the server answer what lies there, then lets the
 * resolver look. */
#ifndef TESTS_UNIT_POOL_RESOLVER_KIT_H
#define TESTS_UNIT_POOL_RESOLVER_KIT_H
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "pool/resolver.h"
#include "tests/unit/pool/dns_server.h"

enum { WATCHED_MAX = 256, TURNS_MAX = 5000, SECOND = 1000000 };

struct watched {
	int fd;
	uint32_t events;
};

struct world {
	struct resolver *resolver;
	struct dns_server dns;
	struct watched watched[WATCHED_MAX];
	size_t watched_count;
	uint64_t now_us;
};

static inline void on_watch(void *arg, int fd, uint32_t events)
{
	struct world *world = arg;
	size_t i = 0;

	while (i < world->watched_count && world->watched[i].fd != fd)
		i++;
	if (events == 0) {
		ck_assert_uint_lt(i, world->watched_count);
		world->watched[i] = world->watched[--world->watched_count];
		return;
	}
	ck_assert_uint_lt(i, WATCHED_MAX);
	if (i == world->watched_count)
		world->watched_count++;
	world->watched[i] = (struct watched){fd, events};
}

static inline void world_init(struct world *world)
{
	char csv[64];
	uint16_t port;

	*world = (struct world){.now_us = 1000 * (uint64_t)SECOND};
	dns_server_open(&world->dns, &port);
	ck_assert_int_eq(resolver_new(on_watch, world, &world->resolver, NULL), ERR_OK);
	snprintf(csv, sizeof csv, "127.0.0.1:%u", port);
	ck_assert_int_eq(resolver_set_servers(world->resolver, csv, NULL), ERR_OK);
}

static inline void world_free(struct world *world)
{
	resolver_destroy(world->resolver);
	ck_assert_uint_eq(world->watched_count, 0);
	dns_server_close(&world->dns);
}

static inline void turn(struct world *world)
{
	struct pollfd fds[WATCHED_MAX + 3];
	size_t count = world->watched_count;

	while (dns_server_answer(&world->dns))
		;
	dns_server_answer_tcp(&world->dns);
	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = world->watched[i].fd,
			.events = (short)(((world->watched[i].events & EPOLLIN) ? POLLIN : 0) |
					  ((world->watched[i].events & EPOLLOUT) ? POLLOUT : 0))};
	fds[count] = (struct pollfd){.fd = world->dns.udp, .events = POLLIN};
	fds[count + 1] = (struct pollfd){.fd = world->dns.listener, .events = POLLIN};
	fds[count + 2] = (struct pollfd){.fd = world->dns.client, .events = POLLIN};
	if (resolver_due_us(world->resolver, world->now_us) <= world->now_us) {
		resolver_process(world->resolver, -1, 0, world->now_us);
		return;
	}
	ck_assert_int_gt(poll(fds, count + 3, 5000), 0); /* no test waits for time to pass */
	for (size_t i = 0; i < count; i++)
		if (fds[i].revents)
			resolver_process(world->resolver, fds[i].fd,
				((fds[i].revents & POLLIN) ? (uint32_t)EPOLLIN : 0) |
					((fds[i].revents & POLLOUT) ? (uint32_t)EPOLLOUT : 0) |
					((fds[i].revents & POLLERR) ? (uint32_t)EPOLLERR : 0),
				world->now_us);
}

struct asker {
	struct resolver_waiter waiter;
	struct world *world;
	struct resolver_answer answer;
	union url_address addresses[RESOLVER_ADDRESSES_MAX]; /* copies: the answer's end with the */
	char aliases[8][64];                                 /* callback */
	unsigned called;
	const char *ask_then; /* another name to ask for from within the callback */
	struct asker *next, *forget;
};

static inline void keep(struct asker *asker, const struct resolver_answer *answer)
{
	asker->answer = *answer;
	ck_assert_uint_le(answer->count, RESOLVER_ADDRESSES_MAX);
	for (size_t i = 0; i < answer->count; i++)
		asker->addresses[i] = answer->addresses[i];
	asker->answer.addresses = asker->addresses;
	for (size_t i = 0; i < answer->alias_count; i++)
		snprintf(asker->aliases[i], sizeof asker->aliases[i], "%s", answer->aliases[i]);
	asker->called++;
}

static inline bool ask(struct asker *asker, const char *host);

static inline void on_done(struct resolver_waiter *waiter, const struct resolver_answer *answer)
{
	struct asker *asker = (struct asker *)(void *)waiter; /* its first member */

	keep(asker, answer);
	if (asker->forget)
		resolver_forget(asker->world->resolver, &asker->forget->waiter);
	if (asker->ask_then)
		ask(asker->next, asker->ask_then);
}

/* True: the answer was there at once. */
static inline bool ask(struct asker *asker, const char *host)
{
	struct resolver_answer answer;

	asker->waiter.done = on_done;
	if (!resolver_ask(
		    asker->world->resolver, host, asker->world->now_us, &asker->waiter, &answer))
		return false;
	keep(asker, &answer);
	return true;
}

static inline void wait_for(struct asker *asker)
{
	for (unsigned i = 0; asker->called == 0; i++) {
		ck_assert_uint_lt(i, TURNS_MAX);
		turn(asker->world);
	}
	ck_assert_uint_eq(asker->called, 1);
}

static inline struct asker ask_and_wait(struct world *world, const char *host)
{
	struct asker asker = {.world = world};

	if (!ask(&asker, host))
		wait_for(&asker);
	return asker;
}

static inline bool has(const struct asker *asker, const char *address)
{
	const struct resolver_answer *answer = &asker->answer;
	unsigned char bytes[16];
	bool v4 = inet_pton(AF_INET, address, bytes) == 1;

	ck_assert(v4 || inet_pton(AF_INET6, address, bytes) == 1);
	for (size_t i = 0; i < answer->count; i++) {
		const union url_address *at = &asker->addresses[i];

		if (v4 ? at->sa.sa_family == AF_INET && memcmp(&at->v4.sin_addr, bytes, 4) == 0
		       : at->sa.sa_family == AF_INET6 && memcmp(&at->v6.sin6_addr, bytes, 16) == 0)
			return true;
	}
	return false;
}
#endif
