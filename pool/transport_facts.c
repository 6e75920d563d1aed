/* transport_facts.c - what is known of a transfer besides how it ended: status, bytes, times. */
#include "pool/transport_internal.h"

#include <string.h>

#include "common/metrics.h"

static void count_bytes(const struct transfer *transfer)
{
	long request = 0;
	curl_off_t body = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &body);
	metrics_add(METRIC_UPSTREAM_SENT_BYTES, (uint64_t)request + (uint64_t)body);
	metrics_add(METRIC_UPSTREAM_RECEIVED_BYTES, transfer->received);
}

static uint64_t info_us(const struct transfer *transfer, CURLINFO info)
{
	curl_off_t us = 0;

	curl_easy_getinfo(transfer->easy, info, &us);
	return us > 0 ? (uint64_t)us : 0;
}

static const char *http_version_text(const struct transfer *transfer)
{
	long version = CURL_HTTP_VERSION_NONE;

	curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
	switch (version) {
	case CURL_HTTP_VERSION_1_0:
		return "1.0";
	case CURL_HTTP_VERSION_1_1:
		return "1.1";
	case CURL_HTTP_VERSION_2_0:
		return "2";
	default:
		return NULL;
	}
}

static void note_timing(struct transfer *transfer)
{
	struct call_timing *timing = transfer->call->outcome.timing;
	uint64_t lookup = info_us(transfer, CURLINFO_NAMELOOKUP_TIME_T),
		 connect = info_us(transfer, CURLINFO_CONNECT_TIME_T),
		 tls = info_us(transfer, CURLINFO_APPCONNECT_TIME_T), first = transfer->first_us;
	char *ip = NULL;
	long port = 0;

	if (!timing)
		return;
	if (!transfer->rule->via) /* a proxy's address says nothing of the upstream */
		curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &ip);
	curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_PORT, &port);
	timing->remote_address[0] = '\0';
	if (ip && *ip)
		snprintf(timing->remote_address, sizeof timing->remote_address,
			strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
	timing->dns_us = transfer->resolved_us ? transfer->resolved_us - transfer->began_us : 0;
	timing->connect_us = connect > lookup ? connect - lookup : 0;
	timing->tls_us = tls > connect ? tls - connect : 0;
	/* libcurl's own time (STARTTRANSFER) is that of a request's body, where it has one */
	timing->first_byte_us = first ? first - transfer->began_us : 0;
	timing->http_version = first ? http_version_text(transfer) : NULL;
}

unsigned transport_status(const struct transfer *transfer)
{
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return (unsigned)status;
}

bool transport_was_sent(const struct transfer *transfer)
{
	return transfer->requests > transfer->refusals;
}

void transport_note_facts(struct transfer *transfer)
{
	struct outcome *outcome = &transfer->call->outcome;
	unsigned status = transport_status(transfer);

	if (status >= 200)
		outcome->status = status;
	outcome->sent |= transport_was_sent(transfer);
	count_bytes(transfer);
	note_timing(transfer);
}
