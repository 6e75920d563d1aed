/* dns_server.h - a DNS server on loopback that a test plays itself, from a script.
 *
 * One thread, the test's: questions are answered when the test says so. What fails, fails the
 * test. */
#ifndef TESTS_UNIT_POOL_DNS_SERVER_H
#define TESTS_UNIT_POOL_DNS_SERVER_H
#include <stdbool.h>
#include <stdint.h>

struct dns_server {
	int udp, listener, client;     /* client: of the listener; -1: none */
	unsigned queries, tcp_queries; /* that reached it */
	char last_name[256];           /* asked for */
};

void dns_server_open(struct dns_server *dns, uint16_t *ret_port); /* both UDP and TCP */
void dns_server_close(struct dns_server *dns);

/* Answers one question that came over UDP; false where there is none. What is longer than UDP
 * allows is marked as cut. */
bool dns_server_answer(struct dns_server *dns);

/* Answers all that came over TCP. */
void dns_server_answer_tcp(struct dns_server *dns);
#endif
