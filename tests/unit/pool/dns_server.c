/* dns_server.c - a DNS server on loopback that a test plays itself, from a script. */
#include "tests/unit/pool/dns_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One free port for both UDP and TCP; false where the second was taken meanwhile. */
static bool try_open(struct dns_server *dns, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int on = 1;

	dns->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	dns->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(dns->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	ck_assert_int_eq(bind(dns->listener, (const struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(dns->listener, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(listen(dns->listener, 8), 0);
	*ret_port = ntohs(address.sin_port);
	if (bind(dns->udp, (const struct sockaddr *)&address, size) == 0)
		return true;
	close(dns->listener);
	close(dns->udp);
	return false;
}

void dns_server_open(struct dns_server *dns, uint16_t *ret_port)
{
	*dns = (struct dns_server){.client = -1};
	for (unsigned tries = 0; !try_open(dns, ret_port); tries++)
		ck_assert_uint_lt(tries, 100);
}

void dns_server_close(struct dns_server *dns)
{
	close(dns->udp);
	close(dns->listener);
	if (dns->client >= 0)
		close(dns->client);
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
	char owner[64], target[64];

	snprintf(owner, sizeof owner, "%s", links == 9 ? "long.test" : "chain.test");
	for (unsigned i = 1; i <= links; i++) {
		snprintf(target, sizeof target, "link%u.test", i);
		put_alias(message, owner, target);
		snprintf(owner, sizeof owner, "%s", target);
	}
	put_a(message, owner, "8.8.8.8");
}

/* "500-x.test" has 500 addresses; the last is none that may be called. */
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
	return strchr(name, '-') != NULL;
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
	} else if (strchr(name, '-') && type == TYPE_A) {
		put_many(message, name);
	} else if (strcmp(name, "cname.test") == 0 && type == TYPE_A) {
		put_alias(message, name, "localhost");
		put_a(message, "localhost", "127.0.0.1");
	} else if (strcmp(name, "chain.test") == 0 && type == TYPE_A)
		answer_long_chain(message, 8);
	else if (strcmp(name, "long.test") == 0 && type == TYPE_A)
		answer_long_chain(message, 9);
	else if (strcmp(name, "half.test") == 0 && type == TYPE_A)
		put_a(message, name, "8.8.8.8");
	else if (strcmp(name, "half.test") == 0 || strcmp(name, "fail.test") == 0)
		return SERVFAIL;
	else if (strcmp(name, "refuse.test") == 0)
		return REFUSED;
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
static bool make_answer(struct dns_server *dns, const unsigned char *query, struct message *message)
{
	unsigned type;
	int code;

	dns->queries++;
	message->len = read_question(query, dns->last_name, &type);
	memcpy(message->bytes, query, message->len);
	code = script(dns->last_name, type, message);
	message->bytes[2] = 0x81;
	message->bytes[3] = (unsigned char)(0x80 | code);
	message->bytes[6] = (unsigned char)(message->answers >> 8);
	message->bytes[7] = (unsigned char)message->answers;
	memset(message->bytes + 8, 0, 4);
	return code != SILENT;
}

bool dns_server_answer(struct dns_server *dns)
{
	unsigned char query[512];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t len = recvfrom(dns->udp, query, sizeof query, 0, (struct sockaddr *)&from, &size);
	struct message message = {.answers = 0};
	size_t question_end;
	unsigned type;
	char name[256];

	if (len < 0)
		return false;
	if (!make_answer(dns, query, &message))
		return true;
	question_end = read_question(query, name, &type);
	if (message.len > 512) {
		message.len = question_end;
		message.bytes[2] |= 2;
		message.bytes[6] = message.bytes[7] = 0;
	}
	ck_assert_int_eq(sendto(dns->udp, message.bytes, message.len, 0,
				 (const struct sockaddr *)&from, size),
		(ssize_t)message.len);
	return true;
}

void dns_server_answer_tcp(struct dns_server *dns)
{
	unsigned char in[1024], length[2];
	ssize_t got;

	if (dns->client < 0)
		dns->client = accept4(dns->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (dns->client < 0)
		return;
	got = recv(dns->client, in, sizeof in, 0);
	for (ssize_t at = 0; at + 2 < got; at += 2 + in[at] * 256 + in[at + 1]) {
		struct message message = {.answers = 0};

		ck_assert_int_le(
			at + 2 + in[at] * 256 + in[at + 1], got); /* loopback: it comes whole */
		dns->tcp_queries++;
		ck_assert(make_answer(dns, in + at + 2, &message));
		length[0] = (unsigned char)(message.len >> 8);
		length[1] = (unsigned char)message.len;
		ck_assert_int_eq(send(dns->client, length, 2, MSG_MORE), 2);
		ck_assert_int_eq(
			send(dns->client, message.bytes, message.len, 0), (ssize_t)message.len);
	}
	if (got == 0) {
		close(dns->client);
		dns->client = -1;
	}
}
