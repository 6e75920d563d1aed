/* transport_wait.c - calls that wait for another call's answer to share its connection.
 *
 * Without TLS, libcurl 8 lets a second call on a connection of HTTP/2 only when the first answer
 * has begun on it, and keeps the others waiting until then, however long that takes. Most upstreams
 * answer soon, and connections stay few; so a call waits for a moment, and then goes its own way.
 * libcurl says in its verbose text that a call waits. */
#include "pool/transport_internal.h"

#include "common/clock.h"

enum { PATIENCE_US = 100 * 1000 };

void transport_note_wait(struct transfer *transfer)
{
	struct transport *transport = transfer->transport;

	if (transport->joins || !transfer->h2c || transfer->alone || transfer->wait_until_us)
		return;
	transfer->wait_until_us = clock_add(transport->now_us, PATIENCE_US);
	transport->options.waits(transport->options.self, transfer);
}

bool transport_end_wait(struct transfer *transfer, uint64_t now_us)
{
	CURLM *multi = transfer->lane ? transfer->lane->multi : NULL;

	if (!multi || !transfer->wait_until_us || transfer->wait_until_us > now_us)
		return false;
	transfer->transport->now_us = now_us;
	transfer->wait_until_us = 0;
	transfer->alone = true;
	transport_easy_version(transfer);
	transport_easy_clocks(
		transfer, clock_add(transfer->began_us, transfer->connect_us), now_us);
	curl_multi_remove_handle(multi, transfer->easy);
	/* without memory it ends by its clock */
	return curl_multi_add_handle(multi, transfer->easy) == CURLM_OK;
}
