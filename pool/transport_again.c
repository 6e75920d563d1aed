/* transport_again.c - a request that is sent again within its transfer, and the proof that it may
 * be.
 *
 * libcurl repeats a request silently where a kept connection dies, and where HTTP/2 says that a
 * stream was not looked at. The first a call must be able to bear; the second any call may have,
 * where it is proved. Two things prove it:
 * - the connection's GOAWAY names a last stream below this one. libcurl says both numbers in its
 *   verbose text only, so that is on for what may speak HTTP/2.
 * - REFUSED_STREAM, which libcurl does not tell us, but shows: it is the one failed read without a
 *   word in the error buffer. In libcurl 7.88 a read that found the end is without a word, too;
 * that notes a first byte (TIMER_STARTTRANSFER), but so does a request's body: there a refused call
 * with a body is not proved.
 *
 * libcurl 7.88 also takes a stream for whole that was reset together with its connection's end. An
 * answer without a length is in doubt there where its connection is at its end, unless the upstream
 * had said in order (GOAWAY) that it would be.
 *
 * What is concluded from a text, or from silence, was read in the sources of two series of libcurl,
 * 7.88 and 8.14. With any other nothing is proved.
 *
 * A *restart* is ours: the handle goes through its lane once more. So goes what was proved to be
 * refused where libcurl gives up, and what met the wrong connection. libcurl 7.88 speaks HTTP/2 by
 * prior knowledge only on a new connection: on a kept one it lays a second HTTP/2 over the first.
 * There a call *joins* a connection under another version's name, or *opens* one under that of
 * prior knowledge; which of the two it is shows when it has its connection. */
#include "pool/transport_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"

enum {
	TURNS_MAX = 6,    /* then it gets a connection of its own */
	REFUSALS_MAX = 5, /* as many as libcurl would bear */
	/* Then, too: where many calls are refused together, more than the upstream bears would
	 * meet on the next connection again and again. */
	REFUSALS_SHARED = 2,
	TEXT_MAX = 512 /* bytes of a text of libcurl's; what is looked for is shorter */
};

/* ---- connections ---- */

uint64_t transport_mix(uint64_t hash, const char *text)
{
	for (; *text; text++) /* FNV-1a */
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

/* libcurl's numbers rise: the first is where it is to be found, but for those that stay long. */
static struct connection *nth_place(struct lane *lane, unsigned long number)
{
	return &lane->multiplexed[number % LANE_CONNECTIONS];
}

static struct connection *find_connection(const struct transfer *transfer)
{
	struct lane *lane = transfer->lane;

	for (size_t i = 0; i < LANE_CONNECTIONS && transfer->connection; i++) {
		struct connection *connection = nth_place(lane, transfer->connection + i);

		if (connection->id == transfer->connection)
			return connection;
	}
	return NULL;
}

/* libcurl may have opened more than one for it: the port tells. */
static int socket_of(const struct transfer *transfer, int local_port)
{
	union url_address own;
	socklen_t size = sizeof own;

	memset(&own, 0, sizeof own);
	if (transfer->socket < 0 || getsockname(transfer->socket, &own.sa, &size) != 0)
		return -1;
	return ntohs(own.sa.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port) == local_port
		       ? transfer->socket
		       : -1;
}

static bool is_open(const struct transport *transport, const struct connection *connection)
{
	return connection->fd >= 0 && transport->sockets[connection->fd].user == connection;
}

/* In place of one that is closed, or at least not used: a lane has fewer transfers than places. */
static struct connection *find_place(const struct transfer *transfer)
{
	struct connection *unused = NULL;

	for (size_t i = 0; i < LANE_CONNECTIONS; i++) {
		struct connection *place = nth_place(transfer->lane, transfer->connection + i);

		if (!list_empty(&place->users))
			continue;
		if (place->id == 0 || !is_open(transfer->transport, place))
			return place;
		unused = unused ? unused : place;
	}
	REQUIRE(unused);
	return unused;
}

static void add_connection(struct transfer *transfer, int local_port)
{
	struct connection *connection;
	int fd = socket_of(transfer, local_port);

	list_remove(&transfer->using);
	connection = find_place(transfer);
	*connection = (struct connection){.id = transfer->connection, .fd = fd};
	list_init(&connection->users);
	if (fd >= 0)
		transfer->transport->sockets[fd].user = connection;
}

/* libcurl counts the connections of a lane. From 8.2 on it says the number when asked; before, in
 * its verbose text (transport_text), which comes first. */
static void learn_connection(struct transfer *transfer)
{
#if LIBCURL_VERSION_NUM >= 0x080200
	curl_off_t number = -1;
	long connects = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_CONN_ID, &number);
	curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
	transfer->taken = (unsigned long)(number + 1);
	transfer->fresh = connects > transfer->connects;
	transfer->connects = connects;
#else
	(void)transfer;
#endif
}

static void use_connection(struct transfer *transfer)
{
	struct connection *connection = find_connection(transfer);

	list_remove(&transfer->using);
	if (connection && transfer->fault == TRANSFER_FAULT_NONE)
		list_push_back(&connection->users, &transfer->using);
}

/* libcurl 7.88 keeps the frame that resets a stream until it has something else to send. Another
 * stream makes it send, by being stopped and let go; without one, the connection goes. */
void transport_leave_connection(struct transfer *transfer, bool broken_off)
{
	struct connection *connection = find_connection(transfer);
	struct transfer *other;

	list_remove(&transfer->using);
	if (!broken_off || !connection || !transfer->transport->joins || transfer->stream == 0)
		return;
	if (!list_empty(&connection->users)) {
		other = LIST_OF(connection->users.next, struct transfer, using);
		curl_easy_pause(other->easy, CURLPAUSE_RECV);
		curl_easy_pause(other->easy, CURLPAUSE_CONT);
	} else if (is_open(transfer->transport, connection)) {
		shutdown(connection->fd, SHUT_RDWR);
	}
}

/* Unless it was sent to a new one for that before. */
static bool has_no_room(struct transfer *transfer)
{
	const struct connection *connection = find_connection(transfer);

	if (!connection || transfer->fault != TRANSFER_FAULT_NONE || transfer->crowded ||
		!is_open(transfer->transport, connection) ||
		!transport_is_backed_up(transfer, connection->fd))
		return false;
	transfer->crowded = true;
	transfer->fault = TRANSFER_FAULT_TURN;
	return true;
}

static bool is_at_end(int fd)
{
	char byte;
	ssize_t count = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);

	return count == 0 || (count < 0 && errno != EAGAIN);
}

/* Over HTTP/2 without TLS, libcurl 8 takes a connection for alive whose end has come, unless both
 * ways are shut. */
static bool is_dead(const struct transfer *transfer)
{
	const struct connection *connection = find_connection(transfer);

	if (!transfer->h2c || transfer->transport->joins || transfer->fresh || !connection ||
		!list_empty(&connection->users) || !is_open(transfer->transport, connection) ||
		!is_at_end(connection->fd))
		return false;
	shutdown(connection->fd, SHUT_RDWR);
	return true;
}

void transport_note_connection(struct transfer *transfer, int local_port)
{
	learn_connection(transfer);
	transfer->connection = transfer->taken;
	transfer->stream = 0;
	transfer->elsewhere = false;
	transfer->wait_until_us = 0;
	if (transfer->fault == TRANSFER_FAULT_NONE &&
		(is_dead(transfer) || (transfer->h2c && transfer->transport->joins &&
					      transfer->joining == transfer->fresh))) {
		transfer->fault = TRANSFER_FAULT_TURN;
		return;
	}
	if (transfer->fresh)
		add_connection(transfer, local_port);
	else if (has_no_room(transfer))
		return;
	use_connection(transfer);
	if (transfer->fresh && transfer->h2c)
		transfer->lane->h2c_origin = transport_mix(0, call_url(transfer->call)->origin);
}

/* When a call looks for a connection, libcurl reads what idle ones, of any upstream, have got
 * meanwhile, and tells it that call. Before a second try the call still has the connection of its
 * first: its proof must not come from another's. */
static void note_goaway(const struct transfer *transfer, const char *text)
{
	struct connection *connection = transfer->lane ? find_connection(transfer) : NULL;
	const char *code = strstr(text, "error="), *last = strstr(text, "last_stream=");

	if (!connection || transfer->elsewhere || !code || !last)
		return;
	connection->goaway = true;
	connection->code = strtoul(code + 6, NULL, 10);
	connection->last = strtoul(last + 12, NULL, 10);
}

static bool begins(struct span text, const char *with, const char **ret_rest)
{
	size_t len = strlen(with);

	*ret_rest = text.ptr + len;
	return text.len > len && memcmp(text.ptr, with, len) == 0;
}

/* "... (#7)" */
static unsigned long last_number(struct span text)
{
	for (size_t i = text.len; i-- > 1;)
		if (text.ptr[i] == '#' && text.ptr[i - 1] == '(')
			return strtoul(text.ptr + i + 1, NULL, 10) + 1;
	return 0;
}

static void note_stream(struct transfer *transfer, struct span text)
{
	const char *rest, *at;

	if (begins(text, "Using Stream ID: ", &rest)) {
		transfer->stream = strtoul(rest, NULL, 10);
	} else if (begins(text, "[HTTP/2] [", &rest)) {
		at = strchr(rest, ']');
		if (at && strncmp(at, "] OPENED stream", 15) == 0)
			transfer->stream = strtoul(rest, NULL, 10);
	}
}

static bool may_matter(char first)
{
	return first && strchr("RCrIUSH[", first);
}

/* libcurl keeps the first error of a transfer only. That may be of another connection, which was
 * found dead when it looked for one. */
static void note_stream_error(struct transfer *transfer, struct span text)
{
	size_t len = text.len < sizeof transfer->error ? text.len : sizeof transfer->error;

	if (!transfer->stale)
		return;
	transfer->stale = false;
	memcpy(transfer->error, text.ptr, len);
	transfer->error[len - 1] = '\0'; /* in place of the line feed */
}

/* libcurl's verbose text; each ends with a line feed, and no more is promised. None of these begins
 * with what came from outside. */
int transport_text(CURL *easy, curl_infotype kind, char *bytes, size_t size, void *transfer_arg)
{
	struct transfer *transfer = transfer_arg;
	char line[TEXT_MAX + 1];
	const struct span text = {line, size};
	const char *rest;

	(void)easy;
	if (kind == CURLINFO_DATA_OUT || kind == CURLINFO_HEADER_OUT)
		transfer->transport->writes++;
	if (kind != CURLINFO_TEXT || size < 16 || size > TEXT_MAX || !may_matter(bytes[0]))
		return 0;
	memcpy(line, bytes, size);
	line[size] = '\0';
	if (begins(text, "Re-using existing connection #", &rest)) {
		transfer->taken = strtoul(rest, NULL, 10) + 1;
		transfer->fresh = false;
	} else if (begins(text, "Connected to ", &rest)) {
		transfer->taken = last_number(text);
		transfer->fresh = true;
	} else if (begins(text, "recveived GOAWAY, ", &rest) || /* so it is spelled */
		   begins(text, "received GOAWAY, ", &rest)) {
		note_goaway(transfer, rest);
	} else if (begins(text, "Connection died, retrying", &rest) ||
		   begins(text, "Issue another request", &rest)) {
		transfer->elsewhere = true;
	} else if (begins(text, "HTTP/2 stream ", &rest)) {
		note_stream_error(transfer, text);
	} else if (begins(text, "Server upgrade does", &rest)) {
		transport_note_wait(transfer);
	} else {
		note_stream(transfer, text);
	}
	return 0;
}

/* ---- proof ---- */

bool transport_knows_libcurl(void)
{
	unsigned series = curl_version_info(CURLVERSION_NOW)->version_num >> 8;

	return series == 0x0758 || series == 0x080E;
}

static bool is_behind_goaway(const struct transfer *transfer)
{
	const struct connection *connection = find_connection(transfer);

	return transport_knows_libcurl() && transfer->stream > 0 && connection &&
	       connection->goaway && connection->last < transfer->stream;
}

static bool is_refused_stream(const struct transfer *transfer)
{
	static const char gave_up[] = "Connection died, tried "; /* the refused one was the last */
	curl_off_t first_us = 0;

	if (transfer->error[0] && strncmp(transfer->error, gave_up, sizeof gave_up - 1) != 0)
		return false;
	if (transfer->stream == 0)
		return false; /* HTTP/1.1 */
	if (!transport_knows_libcurl())
		return false;
	if (transfer->transport->silent_end)
		return true;
	curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	return first_us == 0;
}

static bool was_begun(const struct transfer *transfer)
{
	return transfer->http2 && transfer->received == 0 &&
	       transfer->requests > transfer->restarted;
}

bool transport_is_doubtful(const struct transfer *transfer)
{
	const struct connection *connection;

	if (!transfer->transport->joins || transfer->stream == 0 || transfer->has_length ||
		transfer->decode || transfer->call->request.method == HTTP_HEAD)
		return false;
	connection = find_connection(transfer);
	if (!connection || connection->fd < 0)
		return false;
	/* where it is closed, its number may be another's */
	if (is_open(transfer->transport, connection) && !is_at_end(connection->fd))
		return false;
	return !connection->goaway || connection->code != 0 || connection->last < transfer->stream;
}

/* ---- libcurl's second try ---- */

void transport_note_repeated(struct call *call)
{
	struct call_timing *timing = call->outcome.timing;
	uint64_t now_us = clock_us();

	if (timing && timing->attempt_count < CALL_ATTEMPTS_MAX)
		timing->attempts[timing->attempt_count++] =
			(struct call_attempt){.code = ITEM_UPSTREAM_PROTOCOL,
				.duration_us = now_us - call->attempt_us,
				.wait_us = call->wait_us};
	call->attempt_us = now_us;
	call->wait_us = 0;
	call->outcome.attempts++;
}

bool transport_may_repeat(struct transfer *transfer)
{
	struct call *call = transfer->call;
	bool room = call->outcome.attempts < CALL_ATTEMPTS_MAX;

	if (was_begun(transfer) && (is_behind_goaway(transfer) || is_refused_stream(transfer))) {
		transfer->refusals++;
		transfer->fault = room && transfer->refusals <= REFUSALS_MAX
					  ? TRANSFER_FAULT_NONE
					  : TRANSFER_FAULT_REFUSED;
	} else if (!call->request.repeatable || !room ||
		   transfer->requests - transfer->refusals > 1) {
		transfer->fault = TRANSFER_FAULT_REPEATED;
	}
	return transfer->fault == TRANSFER_FAULT_NONE;
}

/* ---- restarts ---- */

/* As one of the two that libcurl 7.88 knows; see above. */
void transport_guess_turn(struct transfer *transfer)
{
	if (transfer->h2c && transfer->transport->joins)
		transfer->joining = transfer->lane->h2c_origin ==
				    transport_mix(0, call_url(transfer->call)->origin);
}

static bool takes_turn(struct transfer *transfer)
{
	if (transfer->fault != TRANSFER_FAULT_TURN)
		return false;
	transfer->joining = transfer->transport->joins && !transfer->joining;
	if (++transfer->turns > TURNS_MAX || transfer->crowded) {
		transfer->joining = false;
		curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	}
	return true;
}

/* libcurl gave up, but what it says of the end is no proof; the GOAWAY is. */
static bool is_refused_for_good(struct transfer *transfer, CURLcode code)
{
	struct call *call = transfer->call;

	if (transfer->fault != TRANSFER_FAULT_NONE || code == CURLE_OK ||
		code == CURLE_OPERATION_TIMEDOUT || !was_begun(transfer))
		return false;
	if (!is_behind_goaway(transfer) &&
		!((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && transfer->error[0] &&
			is_refused_stream(transfer)))
		return false;
	transfer->refusals++;
	if (call->outcome.attempts < CALL_ATTEMPTS_MAX && transfer->refusals <= REFUSALS_MAX) {
		transport_note_repeated(call);
		transfer->restarted = transfer->requests;
		return true;
	}
	transfer->fault = TRANSFER_FAULT_REFUSED;
	return false;
}

bool transport_wants_own(const struct transfer *transfer)
{
	return transfer->refusals >= REFUSALS_SHARED;
}

bool transport_goes_on(struct transfer *transfer, int code)
{
	uint64_t now_us = clock_us();

	if (!takes_turn(transfer) && !is_refused_for_good(transfer, (CURLcode)code) &&
		!(transfer->fault == TRANSFER_FAULT_NO_FILES && transport_squeeze(transfer)))
		return false;
	transfer->fault = TRANSFER_FAULT_NONE;
	transfer->error[0] = '\0';
	transfer->stale = false;
	transfer->connects = 0;
	transfer->connection = transfer->taken = 0;
	transport_easy_clocks(transfer, clock_add(now_us, transfer->connect_us), now_us);
	transport_easy_version(transfer);
	if (transport_wants_own(transfer))
		curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	return true;
}
