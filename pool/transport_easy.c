/* transport_easy.c - what an easy handle is told.
 *
 * Options that never change are set once, when the handle is made; those that depend on the call
 * are all set for each call, so that nothing of one call can reach another. */
#include "pool/transport_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

enum {
	KEEP = 60, /* seconds an idle connection may have been idle and still be used */
	KEEP_UNREPEATABLE =
		4, /* likewise for calls that may not be repeated: upstreams close at 5 s and up */
	EXTRA_HEADERS = 3,
	ADDRESSES_TRIED = 16 /* of a name; all of them have been judged */
};

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
	/* else libcurl reads the environment for every call */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING,
		0L); /* decode.h does it, and sees truncation */
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)transport->options.buffer_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transport_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transport_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, transport_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, transport_close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transport);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, transport_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, transport_text);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_STEP);
	curl_easy_setopt(easy, CURLOPT_DEBUGDATA, transfer);
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

static bool takes_length(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

static bool sends_body(const struct call *call)
{
	return call->request.has_body && !call->stripped && call->request.body.len > 0;
}

static bool says_no_length(const struct call *call)
{
	const struct request *request = &call->request;

	if (sends_body(call) || request->method == HTTP_HEAD)
		return false;
	return takes_length(request->method) || (request->has_body && !call->stripped);
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
	if (says_no_length(call))
		push_header(nodes, &count, "Content-Length: 0");
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, nodes) == CURLE_OK ? ERR_OK
										       : ERR_NOMEM;
}

/* One without a body is a GET by another name: of an upload without bytes libcurl 7.88 cannot tell
 * whether its stream was refused (transport_again.c). */
static CURLcode apply_method(struct transfer *transfer)
{
	const struct call *call = transfer->call;
	const struct request *request = &call->request;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL); /* makes it a POST */
	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);      /* undoes that, and NOBODY */
	if (request->method == HTTP_HEAD) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	if (sends_body(call)) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.ptr);
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method_text(request->method));
}

/* "+host:port:address,address": libcurl asks nobody, and forgets the entry after its cache's time.
 */
static enum err_code apply_addresses(
	struct transfer *transfer, const struct resolver_answer *answer)
{
	const struct config_proxy *via = transfer->rule->via;
	const struct url *url = call_url(transfer->call);
	struct buf text;

	curl_slist_free_all(transfer->resolve);
	transfer->resolve = NULL;
	if (!answer)
		return curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, NULL) == CURLE_OK
			       ? ERR_OK
			       : ERR_NOMEM;
	buf_init(&text, 4096);
	buf_addf(&text, "+%s:%u:", via ? via->host : url->host, via ? via->port : url->port);
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

/* Versions other than 1.1 cannot be spoken to a proxy, only through its tunnels, which are TLS. */
void transport_choose_version(struct transfer *transfer)
{
	const struct config_upstream *rule = transfer->rule;
	bool https = call_url(transfer->call)->https;

	transfer->h2c = rule->http2 == CONFIG_HTTP2_H2C && !https;
	transfer->http2 = transfer->h2c || (rule->http2 != CONFIG_HTTP2_OFF && https);
}

void transport_easy_version(struct transfer *transfer)
{
	long version = CURL_HTTP_VERSION_1_1;

	if (transfer->http2)
		version = transfer->h2c && !transfer->joining ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
							      : CURL_HTTP_VERSION_2TLS;
	curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION, version);
	/* rather a stream of a connection that is being made than a connection */
	curl_easy_setopt(
		transfer->easy, CURLOPT_PIPEWAIT, (long)(transfer->http2 && !transfer->alone));
	/* for transport_text */
	curl_easy_setopt(transfer->easy, CURLOPT_VERBOSE, (long)transfer->http2);
}

static uint64_t left_ms(uint64_t until_us, uint64_t now_us)
{
	return until_us <= now_us ? 1 : (until_us - now_us + 999) / 1000;
}

void transport_easy_clocks(struct transfer *transfer, uint64_t connect_us, uint64_t now_us)
{
	curl_easy_setopt(
		transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)left_ms(connect_us, now_us));
	curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
		(long)left_ms(transfer->call->deadline_us, now_us));
}

static CURLcode apply_files(CURL *easy, const struct config_upstream *rule)
{
	CURLcode code = CURLE_OK;

	if (rule->ca_file[0])
		code = curl_easy_setopt(easy, CURLOPT_CAINFO, rule->ca_file);
	if (code == CURLE_OK && rule->ca_file[0] && rule->via && rule->via->tls)
		code = curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, rule->ca_file);
	if (code != CURLE_OK || !rule->client_cert[0])
		return code;
	code = curl_easy_setopt(easy, CURLOPT_SSLCERT, rule->client_cert);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_SSLKEY,
			rule->client_key[0] ? rule->client_key : rule->client_cert);
	if (code == CURLE_OK) /* else OpenSSL would ask at the terminal */
		code = curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
	return code;
}

static CURLcode apply_proxy(CURL *easy, const struct config_proxy *via)
{
	char url[sizeof "https://[]:65535" + 256];
	CURLcode code;

	if (!via)
		return CURLE_OK;
	snprintf(url, sizeof url, strchr(via->host, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
		via->tls ? "https" : "http", via->host, via->port);
	code = curl_easy_setopt(easy, CURLOPT_PROXY, url);
	if (code != CURLE_OK || !via->user)
		return code;
	curl_easy_setopt(easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
	code = curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, via->user);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, via->password);
	return code;
}

/* What only this rule's calls may have. The handle is made anew behind it. */
static enum err_code apply_rule(struct transfer *transfer)
{
	const struct config_upstream *rule = transfer->rule;

	transport_guess_turn(transfer);
	transport_easy_version(transfer);
	transfer->special = rule->ca_file[0] || rule->client_cert[0] || rule->via;
	if (!transfer->special)
		return ERR_OK;
	if (apply_files(transfer->easy, rule) != CURLE_OK ||
		apply_proxy(transfer->easy, rule->via) != CURLE_OK)
		return ERR_NOMEM;
	return ERR_OK;
}

enum err_code transport_easy_apply(struct transfer *transfer, const struct resolver_answer *answer)
{
	struct call *call = transfer->call;
	CURL *easy = transfer->easy;
	long keep = call->request.repeatable ? KEEP : KEEP_UNREPEATABLE;

	transfer->socket = -1;
	buf_init(&call->outcome.body, call->request.response_max);
	if (call->request.want_headers && call->outcome.headers.max == 0)
		buf_init(&call->outcome.headers, HEADER_SECTION_MAX * 2);
	if (curl_easy_setopt(easy, CURLOPT_URL, call_url(call)->text) != CURLE_OK ||
		apply_method(transfer) != CURLE_OK)
		return ERR_NOMEM;
	if (apply_headers(transfer) != ERR_OK || apply_addresses(transfer, answer) != ERR_OK)
		return ERR_NOMEM;
	transport_easy_clocks(
		transfer, transfer->began_us + transfer->connect_us, transfer->transport->now_us);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, keep);
	/* of a proxy that closes behind each answer, a kept connection is no good */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
		(long)(transfer->rule->via && !call_url(call)->https && !call->request.repeatable));

	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, /* 0: none; the length a HEAD's answer
							     states is not coming */
		(curl_off_t)(call->request.method == HTTP_HEAD ? 0 : call->request.response_max));
	return apply_rule(transfer);
}
