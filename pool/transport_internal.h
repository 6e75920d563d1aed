/* transport_internal.h - shared by the transport*.c files: lanes and what an easy handle is told.
 */
#ifndef POOL_TRANSPORT_INTERNAL_H
#define POOL_TRANSPORT_INTERNAL_H
#include <curl/curl.h>

#include "pool/transport.h"

enum { TRANSFER_HEADERS_FREE = 8 * 1024 }; /* bytes of header fields that are not charged */

struct lane {
	struct list_node link; /* in transport.lanes */
	struct transport *transport;
	CURLM *multi;
	unsigned transfers;
	uint64_t due_us;   /* libcurl's timer */
	uint64_t empty_us; /* since when it has had no transfer */
	bool touched;      /* something may have ended in it */
};

struct socket_state { /* by descriptor */
	struct lane *lane;
	uint32_t wanted, registered; /* EPOLLIN | EPOLLOUT */
	uint64_t quiet_turn;         /* when libcurl last said that it wants nothing */
};

struct transport {
	struct transport_options options;
	struct list_node lanes;
	size_t lane_count;
	struct list_node spares; /* transfers with an easy handle, ready for use */
	struct socket_state *sockets;
	size_t socket_room;
	CURLSH *share; /* TLS sessions, over the lanes of one worker: no lock */
	uint64_t now_us;
	uint64_t turn; /* counts transport_run, from 1 */
};

enum { HEADER_SECTION_MAX = 256 * 1024 }; /* bytes of all header sections of a transfer */

/* transport_header.c: libcurl's CURLOPT_HEADERFUNCTION */
size_t transport_header(char *bytes, size_t size, size_t count, void *transfer);

/* transport.c */
size_t transport_fail(
	struct transfer *transfer, enum transfer_fault fault); /* what a callback returns then */
bool transport_charge(
	struct transfer *transfer, size_t bytes); /* to the budget, until transport_put */

/* transport_easy.c */
enum err_code transport_easy_new(struct transfer *transfer) MUST_CHECK;
enum err_code transport_easy_init(struct transfer *transfer) MUST_CHECK; /* what never changes */
enum err_code transport_easy_apply(
	struct transfer *transfer, const struct transport_target *target) MUST_CHECK;
/* A place in the table for a descriptor that libcurl is about to get. False without memory: libcurl
 * must not get it, for a socket callback that fails stops its whole lane. */
bool transport_reserve_socket(struct transport *transport, int fd) MUST_CHECK;
int transport_close_socket(void *transport, curl_socket_t fd);
#endif
