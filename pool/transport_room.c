/* transport_room.c - so that what is written over HTTP/2 finds room in its socket.
 *
 * libcurl before 8.2 (cf_h2_send of 7.88) hands a piece of a body to nghttp2, and where the socket
 * takes none of it, forgets that: it sends the piece again, and the upstream gets a body that is
 * longer than ours, or a header section as a body. So writing must never come to EAGAIN. It does
 * not where all that the transfers of a connection can write in one turn fits into the third of its
 * socket's buffer that is free when epoll says that it can be written to: the buffer has a size of
 * its own, bodies go in small steps, a lane takes only so many of them, and a connection that is
 * backed up gets no further request. */
#include "pool/transport_internal.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	SEND_BUFFER = 208 * 1024, /* what systems allow; they double it */
	BACKLOG_MAX = 96 * 1024,
	PSEUDO_HEADERS = 256 /* and what libcurl adds */
};

void transport_note_burst(struct transfer *transfer)
{
	const struct request *request = &transfer->call->request;
	size_t body = request->has_body ? request->body.len : 0;

	transfer->burst = 0;
	if (!transfer->http2 || !transfer->transport->doubles)
		return;
	transfer->burst = PSEUDO_HEADERS + strlen(call_url(transfer->call)->text) +
			  (body < UPLOAD_STEP ? body : UPLOAD_STEP);
	for (size_t i = 0; i < request->header_count; i++)
		transfer->burst += strlen(request->headers[i]);
}

void transport_widen(const struct transfer *transfer, int fd)
{
	int size = SEND_BUFFER;

	if (transfer->burst)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

bool transport_is_backed_up(const struct transfer *transfer, int fd)
{
	int unsent = 0;

	return transfer->burst && fd >= 0 && ioctl(fd, SIOCOUTQ, &unsent) == 0 &&
	       unsent > BACKLOG_MAX;
}
