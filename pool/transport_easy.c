/* transport_easy.c - what an easy handle is told, and what it tells us while it runs.
 *
 * Options that never change are set once, when the handle is made; those that depend on the call
 * are all set for each call, so that nothing of one call can reach another. */
#include "pool/transport_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
	DECODE_BYTES = 44 * 1024, /* zlib's window and tables */
	KEEP = 60, /* seconds an idle connection may have been idle and still be used */
	KEEP_UNREPEATABLE =
		4, /* likewise for calls that may not be repeated: upstreams close at 5 s and up */
	EXTRA_HEADERS = 3,
	ADDRESSES_TRIED = 16, /* of a name; all of them have been judged */
	COMPRESSED_PIECE = 512
};

/* ---- while it runs ---- */

static enum transfer_fault fault_of_decode(enum decode_status status)
{
	switch (status) {
	case DECODE_OK:
		return TRANSFER_FAULT_NONE;
	case DECODE_FULL:
		return TRANSFER_FAULT_TOO_LARGE;
	case DECODE_NOMEM:
		return TRANSFER_FAULT_NO_MEMORY;
	case DECODE_MALFORMED:
		break;
	}
	return TRANSFER_FAULT_ENCODING;
}

/* The body's memory is charged as it grows. */
static bool charge(struct call *call, size_t before)
{
	size_t grown = call->outcome.body.capacity - before;

	if (!mem_take(call->budget, grown))
		return false;
	call->outcome.charged += grown;
	return true;
}

static enum transfer_fault fault_of_add(enum err_code code)
{
	if (code == ERR_OK)
		return TRANSFER_FAULT_NONE;
	return code == ERR_LIMIT ? TRANSFER_FAULT_TOO_LARGE : TRANSFER_FAULT_NO_MEMORY;
}

static enum transfer_fault add_piece(struct transfer *transfer, const char *bytes, size_t len)
{
	struct call *call = transfer->call;
	struct buf *body = &call->outcome.body;
	size_t before = body->capacity;
	enum transfer_fault fault =
		transfer->decode ? fault_of_decode(decode_feed(transfer->decode, bytes, len, body))
				 : fault_of_add(buf_add(body, bytes, len));

	if (!charge(call, before) && fault == TRANSFER_FAULT_NONE)
		fault = TRANSFER_FAULT_NO_MEMORY;
	return fault;
}

static enum transfer_fault begin_body(struct transfer *transfer)
{
	enum decode_status status;

	transfer->decode_ready = true;
	status = decode_new(span_of(transfer->coding), &transfer->decode);
	if (status == DECODE_OK && transfer->decode && !transport_charge(transfer, DECODE_BYTES))
		return TRANSFER_FAULT_NO_MEMORY;
	return fault_of_decode(status);
}

/* What is compressed may grow a thousandfold: in pieces, so that the budget is asked in between. */
static size_t on_body(char *bytes, size_t size, size_t count, void *transfer_arg)
{
	struct transfer *transfer = transfer_arg;
	enum transfer_fault fault = TRANSFER_FAULT_NONE;
	size_t len = size * count, at = 0;

	transfer->received += len;
	if (!transfer->decode_ready)
		fault = begin_body(transfer);
	while (at < len && fault == TRANSFER_FAULT_NONE) {
		size_t piece = len - at;

		if (transfer->decode && piece > COMPRESSED_PIECE)
			piece = COMPRESSED_PIECE;
		fault = add_piece(transfer, bytes + at, piece);
		at += piece;
	}
	return fault == TRANSFER_FAULT_NONE ? len : transport_fail(transfer, fault);
}

/* The very address that is being connected to. */
static curl_socket_t on_open_socket(
	void *transfer_arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = transfer_arg;
	int fd;

	(void)purpose;
	if (guard_check_address(transfer->guard, call_url(transfer->call), &address->addr) !=
		REASON_NONE) {
		transfer->fault = TRANSFER_FAULT_DENIED;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd >= 0 && !transport_reserve_socket(transfer->transport, fd)) {
		transfer->fault = TRANSFER_FAULT_NO_MEMORY;
		close(fd);
		return CURL_SOCKET_BAD;
	}
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		transfer->fault = TRANSFER_FAULT_NO_FILES;
	return fd;
}

static bool parse_address(const char *text, union url_address *ret_address)
{
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->sa.sa_family = AF_INET;
	if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1)
		return true;
	ret_address->sa.sa_family = AF_INET6;
	return inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1;
}

/* Before each time the request is sent, on a new connection or a kept one: the address again, since
 * a kept connection never asks on_open_socket, and libcurl's silent second try, which a call must
 * be able to bear. */
static int on_request(
	void *transfer_arg, char *remote, char *local, int remote_port, int local_port)
{
	struct transfer *transfer = transfer_arg;
	struct call *call = transfer->call;
	union url_address address;

	(void)local;
	(void)local_port;
	if (!parse_address(remote, &address)) {
		transfer->fault = TRANSFER_FAULT_DENIED;
		return CURL_PREREQFUNC_ABORT;
	}
	if (address.sa.sa_family == AF_INET)
		address.v4.sin_port = htons((uint16_t)remote_port);
	else
		address.v6.sin6_port = htons((uint16_t)remote_port);
	if (guard_check_address(transfer->guard, call_url(call), &address.sa) != REASON_NONE) {
		transfer->fault = TRANSFER_FAULT_DENIED;
		return CURL_PREREQFUNC_ABORT;
	}
	if (transfer->requests > 0) {
		if (!call->request.repeatable || transfer->requests > 1 ||
			call->outcome.attempts >= CALL_ATTEMPTS_MAX) {
			transfer->fault = TRANSFER_FAULT_REPEATED;
			return CURL_PREREQFUNC_ABORT;
		}
		call->outcome.attempts++;
		transfer->repeated_us = clock_us();
	}
	/* Should this connection be dead, libcurl's second try must not meet another dead one. */
	curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	transfer->requests++;
	return CURL_PREREQFUNC_OK;
}

/* ---- what it is told ---- */

enum err_code transport_easy_new(struct transfer *transfer)
{
	transfer->easy = curl_easy_init();
	return transfer->easy ? transport_easy_init(transfer) : ERR_NOMEM;
}

enum err_code transport_easy_init(struct transfer *transfer)
{
	struct transport *transport = transfer->transport;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(
		easy, CURLOPT_PROXY, ""); /* else libcurl reads the environment for every call */
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING,
		0L); /* decode.h does it, and sees truncation */
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)transport->options.buffer_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transport_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, transport_close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transport);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_SHARE, transport->share) != CURLE_OK)
		return ERR_NOMEM;
	return ERR_OK;
}

static bool names_field(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ';');
}

static bool has_field(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (names_field(request->headers[i], name))
			return true;
	return false;
}

static bool may_leave_origin(const char *line)
{
	return names_field(line, "Accept") || names_field(line, "Accept-Language") ||
	       names_field(line, "User-Agent");
}

static void push_header(struct curl_slist *nodes, size_t *count, const char *line)
{
	union {
		const char *in;
		char *out; /* libcurl's type; it only reads */
	} text = {.in = line};

	nodes[*count] = (struct curl_slist){.data = text.out, .next = NULL};
	if (*count > 0)
		nodes[*count - 1].next = &nodes[*count];
	(*count)++;
}

/* The list's nodes are ours, so that no line is copied. */
static enum err_code apply_headers(struct transfer *transfer)
{
	const struct call *call = transfer->call;
	const struct request *request = &call->request;
	size_t need = request->header_count + EXTRA_HEADERS, count = 0;
	struct curl_slist *nodes = transfer->headers;

	if (need > transfer->header_room) {
		nodes = mem_resize(nodes, need * sizeof *nodes);
		if (!nodes)
			return ERR_NOMEM;
		transfer->headers = nodes;
		transfer->header_room = need;
	}
	for (size_t i = 0; i < request->header_count; i++)
		if (!call->stripped || may_leave_origin(request->headers[i]))
			push_header(nodes, &count, request->headers[i]);
	push_header(nodes, &count, "Accept-Encoding: gzip, deflate");
	push_header(nodes, &count,
		"Expect:"); /* libcurl's own costs a second where nobody answers it */
	if (!request->has_body && !has_field(request, "Content-Type"))
		push_header(nodes, &count,
			"Content-Type:"); /* libcurl would call an empty POST a form */
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, nodes) == CURLE_OK ? ERR_OK
										       : ERR_NOMEM;
}

static bool takes_length(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

static CURLcode apply_method(struct transfer *transfer)
{
	const struct call *call = transfer->call;
	const struct request *request = &call->request;
	bool body = request->has_body && !call->stripped;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* undoes NOBODY and POST of the call before */
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	if (request->method == HTTP_HEAD) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	if (body || takes_length(request->method)) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)(body ? request->body.len : 0));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
			body && request->body.len ? request->body.ptr : "");
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method_text(request->method));
}

/* "+host:port:address,address": libcurl asks nobody, and forgets the entry after its cache's time.
 */
static enum err_code apply_addresses(
	struct transfer *transfer, const struct resolver_answer *answer)
{
	const struct url *url = call_url(transfer->call);
	struct buf text;

	curl_slist_free_all(transfer->resolve);
	transfer->resolve = NULL;
	if (!answer)
		return curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, NULL) == CURLE_OK
			       ? ERR_OK
			       : ERR_NOMEM;
	buf_init(&text, 4096);
	buf_addf(&text, "+%s:%u:", url->host, url->port);
	for (size_t i = 0; i < answer->count && i < ADDRESSES_TRIED; i++) {
		const union url_address *address = &answer->addresses[i];
		char ip[INET6_ADDRSTRLEN] = "";

		if (address->sa.sa_family == AF_INET)
			inet_ntop(AF_INET, &address->v4.sin_addr, ip, sizeof ip);
		else
			inet_ntop(AF_INET6, &address->v6.sin6_addr, ip, sizeof ip);
		buf_addf(&text, address->sa.sa_family == AF_INET ? "%s%s" : "%s[%s]", i ? "," : "",
			ip);
	}
	if (!text.failed)
		transfer->resolve = curl_slist_append(NULL, text.ptr);
	buf_free(&text);
	if (!transfer->resolve ||
		curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->resolve) != CURLE_OK)
		return ERR_NOMEM;
	return ERR_OK;
}

enum err_code transport_easy_apply(struct transfer *transfer, const struct transport_target *target)
{
	struct call *call = transfer->call;
	CURL *easy = transfer->easy;
	long keep = call->request.repeatable ? KEEP : KEEP_UNREPEATABLE;

	buf_init(&call->outcome.body, call->request.response_max);
	if (call->request.want_headers && call->outcome.headers.max == 0)
		buf_init(&call->outcome.headers, HEADER_SECTION_MAX * 2);
	if (curl_easy_setopt(easy, CURLOPT_URL, call_url(call)->text) != CURLE_OK ||
		apply_method(transfer) != CURLE_OK)
		return ERR_NOMEM;
	if (apply_headers(transfer) != ERR_OK ||
		apply_addresses(transfer, target->answer) != ERR_OK)
		return ERR_NOMEM;
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)target->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)target->total_ms);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, keep);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, /* 0: none; the length a HEAD's answer
							     states is not coming */
		(curl_off_t)(call->request.method == HTTP_HEAD ? 0 : call->request.response_max));
	if (target->ca_file[0] &&
		curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file) != CURLE_OK)
		return ERR_NOMEM;
	transfer->own_ca = target->ca_file[0] != '\0';
	return ERR_OK;
}
