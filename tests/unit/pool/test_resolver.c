/* test_resolver.c - names to addresses, against a DNS server on loopback that this program plays
 * itself.
 *
 * Everything runs in one thread: turn() lets the server answer what lies there, then lets the
 * resolver look. */
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

enum { WATCHED_MAX = 256, TURNS_MAX = 5000, SECOND = 1000000 };

struct watched {
	int fd;
	uint32_t events;
};

struct world {
	struct resolver *resolver;
	int server, listener, client; /* client: of the listener; -1: none */
	struct watched watched[WATCHED_MAX];
	size_t watched_count;
	uint64_t now_us;
	unsigned queries, tcp_queries; /* that reached the server */
	char last_name[256];
};

static void on_watch(void *arg, int fd, uint32_t events)
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

/* One free port for both UDP and TCP; false where the second was taken meanwhile. */
static bool open_server(struct world *world, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int on = 1;

	world->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	world->server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(world->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	ck_assert_int_eq(bind(world->listener, (const struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(world->listener, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(listen(world->listener, 8), 0);
	*ret_port = ntohs(address.sin_port);
	if (bind(world->server, (const struct sockaddr *)&address, size) == 0)
		return true;
	close(world->listener);
	close(world->server);
	return false;
}

static void world_init(struct world *world)
{
	char csv[64];
	uint16_t port;

	*world = (struct world){.now_us = 1000 * (uint64_t)SECOND, .client = -1};
	for (unsigned tries = 0; !open_server(world, &port); tries++)
		ck_assert_uint_lt(tries, 100);
	ck_assert_int_eq(resolver_new(on_watch, world, &world->resolver, NULL), ERR_OK);
	snprintf(csv, sizeof csv, "127.0.0.1:%u", port);
	ck_assert_int_eq(resolver_set_servers(world->resolver, csv, NULL), ERR_OK);
}

static void world_free(struct world *world)
{
	resolver_destroy(world->resolver);
	ck_assert_uint_eq(world->watched_count, 0);
	close(world->server);
	close(world->listener);
	if (world->client >= 0)
		close(world->client);
}

/* A DNS message being written. */
struct message {
	unsigned char bytes[32768];
	size_t len;
	uint16_t answers;
};

static void put16(struct message *message, unsigned value)
{
	message->bytes[message->len++] = (unsigned char)(value >> 8);
	message->bytes[message->len++] = (unsigned char)value;
}

static void put_name(struct message *message, const char *name)
{
	while (*name) {
		size_t label = strcspn(name, ".");

		message->bytes[message->len++] = (unsigned char)label;
		memcpy(message->bytes + message->len, name, label);
		message->len += label;
		name += label + (name[label] == '.');
	}
	message->bytes[message->len++] = 0;
}

static void put_record(
	struct message *message, const char *owner, unsigned type, const void *data, size_t len)
{
	put_name(message, owner);
	put16(message, type);
	put16(message, 1);
	put16(message, 0);
	put16(message, 300);
	put16(message, (unsigned)len);
	memcpy(message->bytes + message->len, data, len);
	message->len += len;
	message->answers++;
}

static void put_alias(struct message *message, const char *owner, const char *target)
{
	struct message name = {.len = 0};

	put_name(&name, target);
	put_record(message, owner, 5, name.bytes, name.len);
}

static void put_a(struct message *message, const char *owner, const char *address)
{
	unsigned char bytes[16];
	bool v4 = inet_pton(AF_INET, address, bytes) == 1;

	ck_assert(v4 || inet_pton(AF_INET6, address, bytes) == 1);
	put_record(message, owner, v4 ? 1 : 28, bytes, v4 ? 4 : 16);
}

enum { TYPE_A = 1, NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, SILENT = -1 };

static void answer_long_chain(struct message *message, unsigned links)
{
	char owner[64] = "chain.test", target[64];

	if (links == 9)
		strcpy(owner, "long.test");
	for (unsigned i = 1; i <= links; i++) {
		snprintf(target, sizeof target, "link%u.test", i);
		put_alias(message, owner, target);
		strcpy(owner, target);
	}
	put_a(message, owner, "8.8.8.8");
}

/* "500+x.test" has 500 addresses; the last is none that may be called. */
static void put_many(struct message *message, const char *name)
{
	unsigned long count = strtoul(name, NULL, 10);
	char address[32];

	for (unsigned i = 1; i < count; i++) {
		snprintf(address, sizeof address, "8.8.%u.%u", i / 256, i % 256);
		put_a(message, name, address);
	}
	put_a(message, name, "169.254.169.254");
}

/* Names that have no address of the other family, or none at all. */
static bool exists(const char *name)
{
	static const char *const names[] = {"v4.test", "v6.test", "mixed.test", "cname.test",
		"chain.test", "long.test", "empty.test"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strchr(name, '+') != NULL;
}

/* The script: what each name is answered with; the code of the answer. */
static int script(const char *name, unsigned type, struct message *message)
{
	if (strcmp(name, "both.test") == 0)
		put_a(message, name, type == TYPE_A ? "8.8.8.8" : "2606::8");
	else if (strcmp(name, "v4.test") == 0 && type == TYPE_A)
		put_a(message, name, "8.8.4.4");
	else if (strcmp(name, "v6.test") == 0 && type != TYPE_A)
		put_a(message, name, "64:ff9b::a00:1");
	else if (strcmp(name, "mixed.test") == 0 && type == TYPE_A) {
		put_a(message, name, "8.8.8.8");
		put_a(message, name, "169.254.169.254");
	} else if (strchr(name, '+') && type == TYPE_A) {
		put_many(message, name);
	} else if (strcmp(name, "cname.test") == 0 && type == TYPE_A) {
		put_alias(message, name, "localhost");
		put_a(message, "localhost", "127.0.0.1");
	} else if (strcmp(name, "chain.test") == 0 && type == TYPE_A)
		answer_long_chain(message, 8);
	else if (strcmp(name, "long.test") == 0 && type == TYPE_A)
		answer_long_chain(message, 9);
	else if (strcmp(name, "fail.test") == 0)
		return SERVFAIL;
	else if (strcmp(name, "refuse.test") == 0)
		return REFUSED;
	else if (strcmp(name, "half.test") == 0 && type == TYPE_A)
		put_a(message, name, "8.8.8.8");
	else if (strcmp(name, "half.test") == 0)
		return SERVFAIL;
	else if (strcmp(name, "mute.test") == 0)
		return SILENT;
	else
		return exists(name) ? NOERROR : NXDOMAIN;
	return NOERROR;
}

/* The question's name and type; where it ends. */
static size_t read_question(const unsigned char *query, char name[256], unsigned *ret_type)
{
	size_t at = 12, len = 0;

	while (query[at]) {
		if (len > 0)
			name[len++] = '.';
		memcpy(name + len, query + at + 1, query[at]);
		len += query[at];
		at += query[at] + 1u;
	}
	name[len] = '\0';
	*ret_type = query[at + 1] * 256u + query[at + 2];
	return at + 5;
}

/* False: no answer is sent. */
static bool make_answer(struct world *world, const unsigned char *query, struct message *message)
{
	unsigned type;
	int code;

	world->queries++;
	message->len = read_question(query, world->last_name, &type);
	memcpy(message->bytes, query, message->len);
	code = script(world->last_name, type, message);
	message->bytes[2] = 0x81;
	message->bytes[3] = (unsigned char)(0x80 | code);
	message->bytes[6] = (unsigned char)(message->answers >> 8);
	message->bytes[7] = (unsigned char)message->answers;
	memset(message->bytes + 8, 0, 4);
	return code != SILENT;
}

/* Answers one question; false where there is none. What is longer than UDP allows is marked as cut.
 */
static bool serve(struct world *world)
{
	unsigned char query[512];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t len =
		recvfrom(world->server, query, sizeof query, 0, (struct sockaddr *)&from, &size);
	struct message message = {.answers = 0};
	size_t question_end;
	unsigned type;
	char name[256];

	if (len < 0)
		return false;
	if (!make_answer(world, query, &message))
		return true;
	question_end = read_question(query, name, &type);
	if (message.len > 512) {
		message.len = question_end;
		message.bytes[2] |= 2;
		message.bytes[6] = message.bytes[7] = 0;
	}
	ck_assert_int_eq(sendto(world->server, message.bytes, message.len, 0,
				 (const struct sockaddr *)&from, size),
		(ssize_t)message.len);
	return true;
}

static void serve_tcp(struct world *world)
{
	unsigned char in[1024], length[2];
	ssize_t got;

	if (world->client < 0)
		world->client = accept4(world->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (world->client < 0)
		return;
	got = recv(world->client, in, sizeof in, 0);
	for (ssize_t at = 0; at + 2 < got; at += 2 + in[at] * 256 + in[at + 1]) {
		struct message message = {.answers = 0};

		ck_assert_int_le(
			at + 2 + in[at] * 256 + in[at + 1], got); /* loopback: it comes whole */
		world->tcp_queries++;
		ck_assert(make_answer(world, in + at + 2, &message));
		length[0] = (unsigned char)(message.len >> 8);
		length[1] = (unsigned char)message.len;
		ck_assert_int_eq(send(world->client, length, 2, MSG_MORE), 2);
		ck_assert_int_eq(
			send(world->client, message.bytes, message.len, 0), (ssize_t)message.len);
	}
	if (got == 0) {
		close(world->client);
		world->client = -1;
	}
}

static void turn(struct world *world)
{
	struct pollfd fds[WATCHED_MAX + 3];
	size_t count = world->watched_count;

	while (serve(world))
		;
	serve_tcp(world);
	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = world->watched[i].fd,
			.events = (short)(((world->watched[i].events & EPOLLIN) ? POLLIN : 0) |
					  ((world->watched[i].events & EPOLLOUT) ? POLLOUT : 0))};
	fds[count] = (struct pollfd){.fd = world->server, .events = POLLIN};
	fds[count + 1] = (struct pollfd){.fd = world->listener, .events = POLLIN};
	fds[count + 2] = (struct pollfd){.fd = world->client, .events = POLLIN};
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

static void keep(struct asker *asker, const struct resolver_answer *answer)
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

static bool ask(struct asker *asker, const char *host);

static void on_done(struct resolver_waiter *waiter, const struct resolver_answer *answer)
{
	struct asker *asker = (struct asker *)(void *)waiter; /* its first member */

	keep(asker, answer);
	if (asker->forget)
		resolver_forget(asker->world->resolver, &asker->forget->waiter);
	if (asker->ask_then)
		ask(asker->next, asker->ask_then);
}

/* True: the answer was there at once. */
static bool ask(struct asker *asker, const char *host)
{
	struct resolver_answer answer;

	asker->waiter.done = on_done;
	if (!resolver_ask(
		    asker->world->resolver, host, asker->world->now_us, &asker->waiter, &answer))
		return false;
	keep(asker, &answer);
	return true;
}

static void wait_for(struct asker *asker)
{
	for (unsigned i = 0; asker->called == 0; i++) {
		ck_assert_uint_lt(i, TURNS_MAX);
		turn(asker->world);
	}
	ck_assert_uint_eq(asker->called, 1);
}

static struct asker ask_and_wait(struct world *world, const char *host)
{
	struct asker asker = {.world = world};

	if (!ask(&asker, host))
		wait_for(&asker);
	return asker;
}

static bool has(const struct asker *asker, const char *address)
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

START_TEST(both_families_are_asked_for_and_all_addresses_given)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "both.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, 2);
	ck_assert(has(&asker, "8.8.8.8") && has(&asker, "2606::8"));
	ck_assert_uint_eq(asker.answer.alias_count, 0);
	ck_assert_uint_eq(world.queries, 2);
	asker = ask_and_wait(&world, "v4.test");
	ck_assert(asker.answer.count == 1 && has(&asker, "8.8.4.4"));
	ck_assert_uint_eq(asker.addresses[0].v4.sin_port, 0);
	asker = ask_and_wait(&world, "v6.test");
	ck_assert(asker.answer.count == 1 && has(&asker, "64:ff9b::a00:1"));
	asker = ask_and_wait(&world, "mixed.test");
	ck_assert(has(&asker, "8.8.8.8") && has(&asker, "169.254.169.254"));
	world_free(&world);
}
END_TEST

START_TEST(an_answer_too_long_for_udp_comes_over_tcp_with_all_its_addresses)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "500+.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, 500);
	ck_assert(has(&asker, "8.8.0.1") && has(&asker, "169.254.169.254"));
	ck_assert_uint_ge(world.tcp_queries, 1);
	world_free(&world);
}
END_TEST

START_TEST(more_addresses_than_can_be_judged_are_a_failure)
{
	struct world world;
	struct asker asker;
	char host[32];

	world_init(&world);
	snprintf(host, sizeof host, "%u+.test", RESOLVER_ADDRESSES_MAX);
	asker = ask_and_wait(&world, host);
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, RESOLVER_ADDRESSES_MAX);
	snprintf(host, sizeof host, "%u+.test", RESOLVER_ADDRESSES_MAX + 1);
	asker = ask_and_wait(&world, host);
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	ck_assert_ptr_nonnull(strstr(asker.answer.text, "too many addresses"));
	ck_assert_uint_eq(asker.answer.count, 0);
	world_free(&world);
}
END_TEST

START_TEST(long_answers_push_each_other_out_before_the_table_is_full)
{
	const unsigned fit = RESOLVER_BYTES_MAX / (500 * sizeof(union url_address));
	struct world world;
	char host[32];

	world_init(&world);
	ck_assert_uint_lt(fit, RESOLVER_TABLE_MAX);
	for (unsigned i = 0; i <= fit; i++) {
		snprintf(host, sizeof host, "500+%u.test", i);
		ck_assert_uint_eq(ask_and_wait(&world, host).answer.count, 500);
	}
	world.queries = 0;
	ck_assert_uint_eq(ask_and_wait(&world, host).answer.count, 500);
	ck_assert_uint_eq(world.queries, 0);
	ck_assert_uint_eq(ask_and_wait(&world, "500+0.test").answer.count, 500);
	ck_assert_uint_ge(world.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(failures_are_told_apart)
{
	static const struct {
		const char *host;
		enum resolver_status status;
	} rows[] = {{"none.test", RESOLVER_NO_NAME}, {"empty.test", RESOLVER_NO_NAME},
		{"fail.test", RESOLVER_FAILED}, {"refuse.test", RESOLVER_FAILED},
		{"half.test", RESOLVER_OK}};
	struct world world;

	world_init(&world);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct asker asker = ask_and_wait(&world, rows[i].host);

		ck_assert_msg(asker.answer.status == rows[i].status, "%s: %d (%s)", rows[i].host,
			(int)asker.answer.status, asker.answer.text);
		ck_assert_uint_eq(asker.answer.count, rows[i].status == RESOLVER_OK);
		ck_assert_ptr_nonnull(asker.answer.text);
	}
	world_free(&world);
}
END_TEST

START_TEST(aliases_are_given_and_a_chain_too_long_to_judge_fails)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "cname.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.alias_count, 1);
	ck_assert_str_eq(asker.aliases[0], "localhost");
	ck_assert(has(&asker, "127.0.0.1"));
	asker = ask_and_wait(&world, "chain.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.alias_count, 8);
	ck_assert_str_eq(asker.aliases[7], "link8.test");
	asker = ask_and_wait(&world, "long.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	ck_assert_uint_eq(asker.answer.count, 0);
	world_free(&world);
}
END_TEST

START_TEST(many_who_ask_for_one_name_share_one_look_up)
{
	struct world world;
	struct asker askers[10] = {0};

	world_init(&world);
	for (size_t i = 0; i < 10; i++) {
		askers[i].world = &world;
		ck_assert(!ask(&askers[i], "both.test"));
	}
	wait_for(&askers[9]);
	for (size_t i = 0; i < 10; i++) {
		ck_assert_uint_eq(askers[i].called, 1);
		ck_assert_uint_eq(askers[i].answer.count, 2);
	}
	ck_assert_uint_eq(world.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(answers_are_kept_for_a_minute_and_a_name_that_does_not_exist_for_five_seconds)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ask_and_wait(&world, "both.test");
	ask_and_wait(&world, "none.test");
	world.queries = 0;
	world.now_us += 5 * SECOND - 1;
	ck_assert(ask(&asker, "none.test"));
	ck_assert_int_eq(asker.answer.status, RESOLVER_NO_NAME);
	world.now_us += 1;
	asker.called = 0;
	ck_assert(!ask(&asker, "none.test"));
	wait_for(&asker);
	ck_assert_uint_gt(world.queries, 0);
	world.queries = 0;
	world.now_us += 55 * SECOND - 1;
	ck_assert(ask(&asker, "both.test"));
	ck_assert_uint_eq(asker.answer.count, 2);
	ck_assert_uint_eq(world.queries, 0);
	world.now_us += 1;
	asker.called = 0;
	ck_assert(!ask(&asker, "both.test"));
	wait_for(&asker);
	ck_assert_uint_eq(world.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(a_server_that_failed_is_asked_again_by_who_tries_again)
{
	static const char *const hosts[] = {"fail.test", "refuse.test"};
	struct world world;

	world_init(&world);
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct asker asker = ask_and_wait(&world, hosts[i]);

		ck_assert_str_eq(asker.answer.text, "the DNS server failed or cannot be reached");
		world.queries = 0;
		world.now_us += SECOND / 10 - 1;
		asker.called = 0;
		ck_assert(ask(&asker, hosts[i])); /* who asks at the same time shares it */
		ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
		ck_assert_uint_eq(world.queries, 0);
		world.now_us += 1;
		asker.called = 0;
		ck_assert(!ask(&asker, hosts[i]));
		wait_for(&asker);
		ck_assert_uint_gt(world.queries, 0);
	}
	world_free(&world);
}
END_TEST

START_TEST(who_forgets_is_not_called_and_the_answer_is_kept_all_the_same)
{
	struct world world;
	struct asker first = {.world = &world}, second = {.world = &world},
		     third = {.world = &world};

	world_init(&world);
	ck_assert(!ask(&first, "both.test") && !ask(&second, "both.test"));
	resolver_forget(world.resolver, &first.waiter);
	resolver_forget(world.resolver, &first.waiter); /* twice is harmless */
	wait_for(&second);
	ck_assert_uint_eq(first.called, 0);
	ck_assert(!ask(&third, "v4.test"));
	resolver_forget(world.resolver, &third.waiter);
	for (unsigned i = 0; resolver_due_us(world.resolver, world.now_us) != CLOCK_NEVER; i++) {
		ck_assert_uint_lt(i, TURNS_MAX);
		turn(&world);
	}
	ck_assert_uint_eq(third.called, 0);
	ck_assert(ask(&third, "v4.test"));
	ck_assert_uint_eq(third.answer.count, 1);
	world_free(&world);
}
END_TEST

START_TEST(a_callback_may_ask_and_forget)
{
	struct world world;
	struct asker other = {.world = &world}, victim = {.world = &world},
		     same = {.world = &world};
	struct asker first = {
		.world = &world, .ask_then = "v4.test", .next = &other, .forget = &victim};
	struct asker second = {.world = &world, .ask_then = "both.test", .next = &same};

	world_init(&world);
	ck_assert(!ask(&first, "both.test") && !ask(&second, "both.test") &&
		  !ask(&victim, "both.test"));
	wait_for(&other);
	ck_assert_uint_eq(first.called, 1);
	ck_assert_uint_eq(second.called, 1);
	ck_assert_uint_eq(victim.called, 0);
	ck_assert_uint_eq(same.called, 1); /* at once */
	ck_assert_uint_eq(same.answer.count, 2);
	world_free(&world);
}
END_TEST

START_TEST(hosts_are_answered_from_the_file_at_once_and_without_a_query)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ck_assert(ask(&asker, "localhost"));
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert(has(&asker, "127.0.0.1") || has(&asker, "::1"));
	ck_assert(resolver_due_us(world.resolver, world.now_us) ==
		  world.now_us); /* bookkeeping is left */
	turn(&world);
	ck_assert(resolver_due_us(world.resolver, world.now_us) == CLOCK_NEVER);
	ck_assert_uint_eq(world.queries, 0);
	world_free(&world);
}
END_TEST

START_TEST(no_search_list_is_appended)
{
	struct world world;
	struct asker asker;

	setenv("LOCALDOMAIN", "search.test", 1);
	world_init(&world);
	asker = ask_and_wait(&world, "single");
	ck_assert_int_eq(asker.answer.status, RESOLVER_NO_NAME);
	ck_assert_str_eq(world.last_name, "single");
	ck_assert_uint_le(world.queries, 2);
	world_free(&world);
	unsetenv("LOCALDOMAIN");
}
END_TEST

START_TEST(the_table_is_bounded_and_the_oldest_goes_first)
{
	struct world world;
	struct asker asker = {.world = &world};
	char host[32];

	world_init(&world);
	ask_and_wait(&world, "both.test");
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		snprintf(host, sizeof host, "n%u.test", i);
		ask_and_wait(&world, host);
	}
	ck_assert(ask(&asker, "n4095.test"));
	ck_assert(ask(&asker, "n0.test"));
	world.queries = 0;
	asker.called = 0;
	ck_assert(!ask(&asker, "both.test"));
	wait_for(&asker);
	ck_assert_uint_eq(world.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(names_that_wait_are_never_evicted)
{
	static struct asker askers[RESOLVER_TABLE_MAX];
	struct world world;
	struct asker late = {.world = &world};
	char host[32];

	world_init(&world);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		askers[i] = (struct asker){.world = &world};
		snprintf(host, sizeof host, "n%u.test", i);
		ck_assert(!ask(&askers[i], host));
		while (recv(world.server, host, 1, 0) > 0)
			; /* unanswered */
	}
	ck_assert(ask(&late, "late.test"));
	ck_assert_int_eq(late.answer.status, RESOLVER_FAILED);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		ck_assert_uint_eq(askers[i].called, 0);
		resolver_forget(world.resolver, &askers[i].waiter);
	}
	world_free(&world);
}
END_TEST

START_TEST(a_resolver_ends_with_questions_on_the_way)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ck_assert(!ask(&asker, "mute.test"));
	ck_assert(serve(&world));
	ck_assert(resolver_due_us(world.resolver, world.now_us) > world.now_us);
	ck_assert(resolver_due_us(world.resolver, world.now_us) <= world.now_us + 3 * SECOND);
	resolver_forget(world.resolver, &asker.waiter);
	world_free(&world);
	ck_assert_uint_eq(asker.called, 0);
	resolver_destroy(NULL);
}
END_TEST

START_TEST(a_server_that_is_not_there_fails_the_name)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	close(world.server); /* the port is free now: refused */
	world.server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	asker = ask_and_wait(&world, "both.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	world_free(&world);
}
END_TEST

START_TEST(servers_that_are_none_are_refused)
{
	struct world world;
	struct err err;

	world_init(&world);
	ck_assert_int_eq(resolver_set_servers(world.resolver, "not an address", &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "not an address"));
	world_free(&world);
}
END_TEST

START_TEST(no_memory_fails_the_question_and_nothing_else)
{
	struct world world;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		struct resolver *resolver = NULL;
		enum err_code code;

		ck_assert_uint_lt(n, 10);
		mem_fail_at(n);
		code = resolver_new(on_watch, &world, &resolver, NULL);
		failed = mem_failed();
		ck_assert_int_eq(code, failed ? ERR_NOMEM : ERR_OK);
		mem_fail_at(0);
		resolver_destroy(resolver);
	}
	failed = true;
	for (unsigned long n = 1; failed; n++) {
		struct asker asker;

		ck_assert_uint_lt(n, 20);
		world_init(&world);
		mem_fail_at(n);
		asker = ask_and_wait(&world, "cname.test");
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(asker.answer.status, failed ? RESOLVER_FAILED : RESOLVER_OK);
		asker = ask_and_wait(&world, "cname.test"); /* such a failure is not kept */
		ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
		ck_assert_uint_eq(asker.answer.alias_count, 1);
		world_free(&world);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/resolver");
	TCase *tcase = tcase_create("resolver");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, both_families_are_asked_for_and_all_addresses_given);
	tcase_add_test(tcase, an_answer_too_long_for_udp_comes_over_tcp_with_all_its_addresses);
	tcase_add_test(tcase, more_addresses_than_can_be_judged_are_a_failure);
	tcase_add_test(tcase, long_answers_push_each_other_out_before_the_table_is_full);
	tcase_add_test(tcase, failures_are_told_apart);
	tcase_add_test(tcase, aliases_are_given_and_a_chain_too_long_to_judge_fails);
	tcase_add_test(tcase, many_who_ask_for_one_name_share_one_look_up);
	tcase_add_test(tcase,
		answers_are_kept_for_a_minute_and_a_name_that_does_not_exist_for_five_seconds);
	tcase_add_test(tcase, a_server_that_failed_is_asked_again_by_who_tries_again);
	tcase_add_test(tcase, who_forgets_is_not_called_and_the_answer_is_kept_all_the_same);
	tcase_add_test(tcase, a_callback_may_ask_and_forget);
	tcase_add_test(tcase, hosts_are_answered_from_the_file_at_once_and_without_a_query);
	tcase_add_test(tcase, no_search_list_is_appended);
	tcase_add_test(tcase, the_table_is_bounded_and_the_oldest_goes_first);
	tcase_add_test(tcase, names_that_wait_are_never_evicted);
	tcase_add_test(tcase, a_resolver_ends_with_questions_on_the_way);
	tcase_add_test(tcase, a_server_that_is_not_there_fails_the_name);
	tcase_add_test(tcase, servers_that_are_none_are_refused);
	tcase_add_test(tcase, no_memory_fails_the_question_and_nothing_else);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
