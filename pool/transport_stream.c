/* transport_stream.c - what went wrong on the way that only HTTP/2, a proxy or a client certificate
 * has. */
#include "pool/transport_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static const char *host_of(const struct transfer *transfer)
{
	return call_url(transfer->call)->host;
}

/* ---- HTTP/2 ---- */

/* RFC 9113 section 7. */
static const char *error_name(unsigned long code)
{
	static const char *const names[] = {"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR",
		"FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
		"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
		"ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"};

	return code < sizeof names / sizeof *names ? names[code] : "an unknown code";
}

/* Of libcurl's words, the one place where it says the code; false where it says none. */
static bool find_code(const struct transfer *transfer, unsigned long *ret_code)
{
	static const char mark[] = "(err ";
	const char *at = strstr(transfer->error, mark);

	if (at)
		*ret_code = strtoul(at + sizeof mark - 1, NULL, 10);
	return at != NULL;
}

/* Codes that say that bytes were wrong, whoever of the two found it. */
static bool is_malformed(unsigned long code)
{
	return code == 1 || code == 3 || code == 6 || code == 9;
}

void transport_judge_stream(struct transfer *transfer)
{
	struct call *call = transfer->call;
	const char *host = host_of(transfer);
	unsigned long code;

	if (transfer->stale)
		transfer->error[0] = '\0';
	if (find_code(transfer, &code) && is_malformed(code))
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_MALFORMED, true,
			"the HTTP/2 stream of %s ended with %s", host, error_name(code));
	else if (find_code(transfer, &code))
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_RESET, true,
			"%s reset the HTTP/2 stream: %s", host, error_name(code));
	else if (strstr(transfer->error, "closed cleanly"))
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_CLOSED, true,
			"%s ended the HTTP/2 stream without an answer", host);
	else if (strstr(transfer->error, "reset"))
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_RESET, true,
			"%s reset the HTTP/2 stream", host);
	else if (transfer->error[0])
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_MALFORMED, true,
			"%s did not answer with valid HTTP/2", host);
	else
		call_fail(call, ITEM_UPSTREAM_PROTOCOL, REASON_CLOSED, true,
			"%s ended the HTTP/2 connection before the answer was complete", host);
}

/* ---- client certificates ---- */

/* With TLS 1.3 it comes behind the handshake, as a failed read. */
bool transport_is_certificate_alert(const struct transfer *transfer)
{
	const char *alert = strstr(transfer->error, "alert ");

	return alert && (strstr(alert, "certificate") || strstr(alert, "unknown ca"));
}

/* OpenSSL's words for a first record that is none: those of 3.0, and of 3.2 and later. */
static bool is_no_tls(const struct transfer *transfer)
{
	return strstr(transfer->error, "wrong version number") ||
	       strstr(transfer->error, "packet length too long");
}

void transport_judge_handshake(struct transfer *transfer)
{
	struct call *call = transfer->call;
	const char *host = host_of(transfer);
	unsigned port = call_url(call)->port;

	if (is_no_tls(transfer))
		call_fail(call, ITEM_TLS_FAILED, REASON_HANDSHAKE, true,
			"what answers at %s:%u does not speak TLS; if it is a port of plain HTTP, "
			"the url begins with http://",
			host, port);
	else if (!transport_is_certificate_alert(transfer))
		call_fail(call, ITEM_TLS_FAILED, REASON_HANDSHAKE, true,
			"the TLS handshake with %s:%u failed", host, port);
	else if (transfer->rule->client_cert[0])
		call_fail(call, ITEM_TLS_FAILED, REASON_HANDSHAKE, false,
			"%s:%u does not accept the client certificate that is configured for it",
			host, port);
	else
		call_fail(call, ITEM_TLS_FAILED, REASON_HANDSHAKE, false,
			"%s:%u asks for a client certificate, and none is configured for it", host,
			port);
}

/* ---- a proxy ---- */

static bool is_tunnelled(const struct transfer *transfer)
{
	return call_url(transfer->call)->https;
}

/* Its answer to CONNECT; 0: none. */
static unsigned connect_status(const struct transfer *transfer)
{
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return (unsigned)status;
}

/* An upstream that answers so would be taken for its proxy: no proof that it never saw the call. */
bool transport_is_proxy_refusal(const struct transfer *transfer)
{
	return transfer->rule->via && !is_tunnelled(transfer) && transport_status(transfer) == 407;
}

static void refused(struct transfer *transfer, unsigned status)
{
	const struct config_proxy *via = transfer->rule->via;
	struct call *call = transfer->call;

	call_fail(call, ITEM_CONNECT_FAILED, REASON_NONE, status >= 500,
		"the proxy %s:%u refused the way to %s:%u with %u%s", via->host, via->port,
		host_of(transfer), call_url(call)->port, status, transport_phrase(status));
}

void transport_judge_proxy(struct transfer *transfer)
{
	struct outcome *outcome = &transfer->call->outcome;

	refused(transfer, outcome->status);
	outcome->status = 0;
	mem_free(outcome->content_type);
	outcome->content_type = NULL;
	buf_clear(&outcome->headers);
}

static void failed(struct transfer *transfer, const char *what)
{
	const struct config_proxy *via = transfer->rule->via;

	call_fail(transfer->call, ITEM_CONNECT_FAILED, REASON_NONE, true,
		"the proxy %s:%u for %s %s", via->host, via->port, host_of(transfer), what);
}

/* It said yes; the first HTTP behind that is our request. */
static bool judge_opened(struct transfer *transfer, CURLcode code)
{
	bool too_large = code == CURLE_RECV_ERROR && !strstr(transfer->error, "SSL");

	if (!too_large && code != CURLE_WEIRD_SERVER_REPLY && code != CURLE_UNSUPPORTED_PROTOCOL)
		return false;
	failed(transfer, "did not answer with valid HTTP");
	return true;
}

/* Before the request: what fails belongs to the proxy, until it has opened the tunnel. */
bool transport_judge_tunnel(struct transfer *transfer, int curl_code, const char *why)
{
	unsigned status = connect_status(transfer);

	if (!transfer->rule->via || transfer->requests > 0)
		return false;
	if (status >= 200 && status <= 299)
		return judge_opened(transfer, (CURLcode)curl_code);
	if (status >= 300) {
		refused(transfer, status);
		return true;
	}
	switch ((CURLcode)curl_code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
		call_fail(transfer->call, ITEM_CONNECT_FAILED, REASON_NONE, true,
			"cannot connect to the proxy %s:%u for %s: %s", transfer->rule->via->host,
			transfer->rule->via->port, host_of(transfer), why);
		return true;
	case CURLE_PEER_FAILED_VERIFICATION:
		failed(transfer, "shows a certificate that is not trusted here");
		return true;
	case CURLE_SSL_CONNECT_ERROR:
		failed(transfer, "does not speak TLS, or refuses the handshake");
		return true;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_PROXY:
		failed(transfer, "did not open a connection");
		return true;
	default:
		return false;
	}
}
