/* transport_outcome.c - what a curl code and the transfer's facts mean for the call: codes of
 * libcurl become ours here. */
#include "pool/transport_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "pool/retry.h"

enum { /* X509_V_* of OpenSSL, which CURLINFO_SSL_VERIFYRESULT gives */
	X509_OK = 0,
	X509_UNSPECIFIED = 1,
	X509_NOT_YET_VALID = 9,
	X509_EXPIRED = 10
};

const char *transport_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		/* RFC 9110 section 15, RFC 6585, RFC 8470 */
		{300, " Multiple Choices"},
		{301, " Moved Permanently"},
		{302, " Found"},
		{303, " See Other"},
		{304, " Not Modified"},
		{307, " Temporary Redirect"},
		{308, " Permanent Redirect"},
		{400, " Bad Request"},
		{401, " Unauthorized"},
		{402, " Payment Required"},
		{403, " Forbidden"},
		{404, " Not Found"},
		{405, " Method Not Allowed"},
		{406, " Not Acceptable"},
		{408, " Request Timeout"},
		{409, " Conflict"},
		{410, " Gone"},
		{411, " Length Required"},
		{412, " Precondition Failed"},
		{413, " Content Too Large"},
		{414, " URI Too Long"},
		{415, " Unsupported Media Type"},
		{416, " Range Not Satisfiable"},
		{417, " Expectation Failed"},
		{421, " Misdirected Request"},
		{422, " Unprocessable Content"},
		{425, " Too Early"},
		{426, " Upgrade Required"},
		{428, " Precondition Required"},
		{429, " Too Many Requests"},
		{431, " Request Header Fields Too Large"},
		{451, " Unavailable For Legal Reasons"},
		{500, " Internal Server Error"},
		{501, " Not Implemented"},
		{502, " Bad Gateway"},
		{503, " Service Unavailable"},
		{504, " Gateway Timeout"},
		{505, " HTTP Version Not Supported"},
		{507, " Insufficient Storage"},
		{511, " Network Authentication Required"},
	};

	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return ""; /* the upstream's own words stay out of our messages */
}

static const char *host_of(const struct transfer *transfer)
{
	return call_url(transfer->call)->host;
}

/* libcurl was content; it is with a header section that never ended, too. */
static void judge_answer(struct transfer *transfer, unsigned status)
{
	struct call *call = transfer->call;
	const char *host = host_of(transfer);

	if (status < 200)
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_MALFORMED, true,
			"%s did not answer with valid HTTP", host);
	else if (!transfer->section_over)
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_TRUNCATED, true,
			"%s ended its answer too early", host);
	else if (transfer->doubtful)
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_TRUNCATED, true,
			"%s closed the connection, maybe before its answer was complete", host);
	else if (transfer->decode && !decode_complete(transfer->decode))
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_TRUNCATED, true,
			"%s ended its compressed answer too early", host);
	else if (status <= 299) /* forgets an earlier attempt's message, too */
		call_fail(call, ITEM_OK, REASON_NONE, false, NULL);
	else
		call_fail(call, ITEM_UPSTREAM_STATUS, REASON_NONE,
			retry_listed(call->request.retry, status), "%s answered %u%s", host, status,
			transport_phrase(status));
}

/* A kept connection died under the request: whether libcurl saw it in time to try again, or wanted
 * to, is another matter. */
static void judge_kept(struct transfer *transfer)
{
	call_fail(transfer->call, ITEM_UPSTREAM_PROTOCOL, REASON_CLOSED, true,
		"%s closed the connection before it answered; the call may have been acted on",
		host_of(transfer));
}

static void judge_refused(struct transfer *transfer)
{
	call_fail(transfer->call, ITEM_UPSTREAM_PROTOCOL, REASON_CLOSED, true,
		"%s refused the stream before it looked at the call, %u times", host_of(transfer),
		transfer->refusals);
}

static void judge_fault(struct transfer *transfer)
{
	struct call *call = transfer->call;
	const char *host = host_of(transfer);

	switch (transfer->fault) {
	case TRANSFER_FAULT_NONE:
	case TRANSFER_FAULT_TURN:
		break;
	case TRANSFER_FAULT_DENIED:
		call_fail(call, ITEM_BLOCKED_TARGET, REASON_ADDRESS_DENIED, false,
			"%s leads to an address that may not be called", host);
		break;
	case TRANSFER_FAULT_TOO_LARGE:
		call_fail(call, ITEM_RESPONSE_TOO_LARGE, REASON_NONE, false,
			"%s answered with more than %zu bytes", host, call->request.response_max);
		break;
	case TRANSFER_FAULT_NO_MEMORY:
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no memory for the answer of %s now", host);
		break;
	case TRANSFER_FAULT_NO_FILES:
		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"the server has no file descriptor for a connection to %s now", host);
		break;
	case TRANSFER_FAULT_ENCODING:
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_ENCODING, true,
			"%s answered with a Content-Encoding that cannot be decoded", host);
		break;
	case TRANSFER_FAULT_MALFORMED:
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_MALFORMED, true,
			"%s answered with a malformed header section", host);
		break;
	case TRANSFER_FAULT_FLOOD:
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_MALFORMED, true,
			"%s sent without a pause what is no answer; its connection was closed",
			host);
		break;
	case TRANSFER_FAULT_REPEATED:
		judge_kept(transfer);
		break;
	case TRANSFER_FAULT_REFUSED:
		judge_refused(transfer);
		break;
	}
}

/* The batch's clock came before the item's own. */
static bool is_cut_by_batch(const struct call *call)
{
	return call->deadline_us < clock_add(call->started_us, call->request.timeout_us);
}

static void judge_timeout(struct transfer *transfer, bool item_expired)
{
	struct call *call = transfer->call;
	const struct config_proxy *via = transfer->rule->via;
	const char *host = host_of(transfer);
	bool sent = transport_was_sent(transfer);

	if (sent && item_expired && is_cut_by_batch(call))
		call_fail(call, ITEM_TIMEOUT, REASON_RESPONSE, true,
			"the batch's time ran out before %s answered", host);
	else if (sent && item_expired)
		call_fail(call, ITEM_TIMEOUT, REASON_RESPONSE, true, "%s did not answer in time",
			host);
	else if (sent) /* libcurl's second try got no connection */
		judge_kept(transfer);
	else if (item_expired)
		call_fail(call, ITEM_TIMEOUT, REASON_CONNECT, true,
			"the time ran out while connecting to %s:%u", host, call_url(call)->port);
	else if (via)
		call_fail(call, ITEM_CONNECT_FAILED, REASON_TIMEOUT, true,
			"no connection to %s:%u through the proxy %s:%u in time", host,
			call_url(call)->port, via->host, via->port);
	else
		call_fail(call, ITEM_CONNECT_FAILED, REASON_TIMEOUT, true,
			"no connection to %s:%u in time", host, call_url(call)->port);
}

static void judge_certificate(struct transfer *transfer)
{
	const char *host = host_of(transfer);
	unsigned port = call_url(transfer->call)->port;
	long result = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &result);
	if (result == X509_EXPIRED || result == X509_NOT_YET_VALID)
		call_fail(transfer->call, ITEM_TLS_FAILED, REASON_EXPIRED, false,
			"the certificate of %s:%u is not valid at this time", host, port);
	else if (result == X509_OK ||
		 result == X509_UNSPECIFIED) /* libcurl's own check, of the name */
		call_fail(transfer->call, ITEM_TLS_FAILED, REASON_WRONG_HOST, false,
			"the certificate that %s:%u showed is for another name", host, port);
	else
		call_fail(transfer->call, ITEM_TLS_FAILED, REASON_UNTRUSTED, false,
			"the certificate of %s:%u is not signed by an authority that is trusted "
			"here",
			host, port);
}

static void protocol(struct transfer *transfer, enum item_reason reason, const char *what)
{
	call_fail(transfer->call, ITEM_UPSTREAM_PROTOCOL, reason, true, "%s %s", host_of(transfer),
		what);
}

static long os_errno(const struct transfer *transfer)
{
	long number = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
	return number;
}

/* The connection was one of an earlier call, and no byte came over it for this one. */
static bool died_unanswered(const struct transfer *transfer)
{
	long connects = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
	return transfer->requests > 0 && connects == 0 && transfer->received == 0;
}

static void judge_reset(struct transfer *transfer)
{
	if (died_unanswered(transfer))
		judge_kept(transfer);
	else
		protocol(transfer, REASON_RESET, "reset the connection");
}

/* Code 56 stands for a reset, a TLS end without close_notify or with an alert, a bad chunk and too
 * many headers. */
static void judge_receive(struct transfer *transfer)
{
	if (transport_is_certificate_alert(transfer))
		transport_judge_handshake(transfer);
	else if (os_errno(transfer) == ECONNRESET || os_errno(transfer) == EPIPE)
		judge_reset(transfer);
	else if (strstr(transfer->error, "SSL") || strstr(transfer->error, "eof"))
		protocol(transfer,
			transfer->call->outcome.status ? REASON_TRUNCATED : REASON_CLOSED,
			"closed the connection in the middle");
	else
		protocol(transfer, REASON_MALFORMED, "did not answer with valid HTTP");
}

static const char *connect_problem(const struct transfer *transfer, char text[128])
{
	long number = os_errno(transfer);

	return number ? strerror_r((int)number, text, 128) : "no connection";
}

/* Every local port for that address is in use, or there is no address here of its family. That may
 * be for long: it is no `overloaded`, which memory and files are. The number is of what failed
 * last; where both families were tried the other may have been refused. */
static bool lacks_address(const struct transfer *transfer)
{
	return os_errno(transfer) == EADDRNOTAVAIL && !(transfer->tried_v4 && transfer->tried_v6);
}

static void judge_connect(struct transfer *transfer)
{
	char text[128];

	call_fail(transfer->call, ITEM_CONNECT_FAILED, REASON_NONE, true,
		"cannot connect to %s:%u: %s", host_of(transfer), call_url(transfer->call)->port,
		connect_problem(transfer, text));
}

/* The stream's end came with the connection's, or with what was left out of a body. */
static void judge_partial(struct transfer *transfer)
{
	if (transfer->call->outcome.status == 0)
		protocol(transfer, REASON_CLOSED, "closed the connection without an answer");
	else
		protocol(transfer, REASON_TRUNCATED, "ended its answer too early");
}

/* In the middle of an answer: HTTP/2 had more to say on a connection that was closed. */
static void judge_send(struct transfer *transfer)
{
	if (transfer->call->outcome.status != 0 && os_errno(transfer) == 0)
		judge_partial(transfer);
	else
		judge_reset(transfer);
}

static void judge_tls(struct transfer *transfer, CURLcode code)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		judge_certificate(transfer);
	else if (code == CURLE_SSL_CACERT_BADFILE)
		call_fail(transfer->call, ITEM_TLS_FAILED, REASON_UNTRUSTED, false,
			"the file of trusted certificates for %s:%u cannot be read",
			host_of(transfer), call_url(transfer->call)->port);
	else if (code == CURLE_SSL_CERTPROBLEM)
		call_fail(transfer->call, ITEM_TLS_FAILED, REASON_HANDSHAKE, false,
			"the client certificate for %s:%u or its key cannot be used",
			host_of(transfer), call_url(transfer->call)->port);
	else
		transport_judge_handshake(transfer);
}

static void judge_failure(struct transfer *transfer, CURLcode code, bool item_expired)
{
	struct call *call = transfer->call;
	char text[128];

	transfer->fault_of_ours = code == CURLE_COULDNT_CONNECT && lacks_address(transfer);
	if (transport_judge_tunnel(transfer, (int)code, connect_problem(transfer, text)))
		return;
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		if (transfer->requests > 0)
			judge_kept(transfer);
		else
			judge_connect(transfer);
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
		call_fail(call, ITEM_DNS_FAILED, REASON_NONE, true, "%s cannot be resolved",
			host_of(transfer));
		break;
	case CURLE_OPERATION_TIMEDOUT:
		judge_timeout(transfer, item_expired);
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		judge_tls(transfer, code);
		break;
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		transport_judge_stream(transfer);
		break;
	case CURLE_FILESIZE_EXCEEDED:
		transfer->fault = TRANSFER_FAULT_TOO_LARGE;
		judge_fault(transfer);
		break;
	case CURLE_PARTIAL_FILE:
		judge_partial(transfer);
		break;
	case CURLE_GOT_NOTHING:
		protocol(transfer, REASON_CLOSED, "closed the connection without an answer");
		break;
	case CURLE_SEND_ERROR:
		judge_send(transfer);
		break;
	case CURLE_RECV_ERROR:
		judge_receive(transfer);
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the answer: HTTP/0.9 or no HTTP at all */
	case CURLE_WEIRD_SERVER_REPLY:
		protocol(transfer, REASON_MALFORMED, "did not answer with valid HTTP");
		break;
	default:
		call_fail(call, ITEM_INTERNAL, REASON_NONE, true, "the call to %s failed: %s",
			host_of(transfer), curl_easy_strerror(code));
		break;
	}
}

/* What is not HTTP has more names than one, whoever of upstream and proxy sent it. */
static CURLcode settle_code(const struct transfer *transfer, CURLcode code)
{
	switch (code) {
#if LIBCURL_VERSION_NUM >= 0x080600
	case CURLE_TOO_LARGE: /* a header line, or section, without end */
#endif
	case CURLE_OUT_OF_MEMORY: /* libcurl 7's word for that, and hardly ever the truth */
		return CURLE_WEIRD_SERVER_REPLY;
	case CURLE_BAD_FUNCTION_ARGUMENT: /* a trailer, or a proxy's field, without a colon */
		return transfer->requests > 0 || transfer->rule->via ? CURLE_WEIRD_SERVER_REPLY
								     : code;
	default:
		return code;
	}
}

void transport_judge_late(struct transfer *transfer, bool item_expired)
{
	judge_timeout(transfer, item_expired);
}

void transport_judge(struct transfer *transfer, int curl_code, bool item_expired)
{
	transport_note_facts(transfer);
	transfer->answered = curl_code == CURLE_OK;
	if (transfer->fault != TRANSFER_FAULT_NONE)
		judge_fault(transfer);
	else if (transport_is_proxy_refusal(transfer))
		transport_judge_proxy(transfer);
	else if (curl_code == CURLE_OK)
		judge_answer(transfer, transport_status(transfer));
	else
		judge_failure(transfer, settle_code(transfer, (CURLcode)curl_code), item_expired);
}
