/* code.h - `error.code` of an item's result: one table for the engine, the results, the metrics and
 * the documents. */
#ifndef COMMON_CODE_H
#define COMMON_CODE_H

/* name, text in JSON */
#define ITEM_CODES(X)                                          \
	X(OK, "ok") /* a success: it stands in metrics only */ \
	X(INVALID_ITEM, "invalid_item")                        \
	X(BLOCKED_TARGET, "blocked_target")                    \
	X(DNS_FAILED, "dns_failed")                            \
	X(CONNECT_FAILED, "connect_failed")                    \
	X(TLS_FAILED, "tls_failed")                            \
	X(TIMEOUT, "timeout")                                  \
	X(UPSTREAM_STATUS, "upstream_status")                  \
	X(UPSTREAM_PROTOCOL, "upstream_protocol")              \
	X(RESPONSE_TOO_LARGE, "response_too_large")            \
	X(TOO_MANY_REDIRECTS, "too_many_redirects")            \
	X(RATE_LIMITED, "rate_limited")                        \
	X(CIRCUIT_OPEN, "circuit_open")                        \
	X(TRANSFORM_FAILED, "transform_failed")                \
	X(CANCELLED, "cancelled")                              \
	X(OVERLOADED, "overloaded")                            \
	X(INTERNAL, "internal")

enum item_code {
#define X(name, text) ITEM_##name,
	ITEM_CODES(X)
#undef X
		ITEM_CODE_COUNT
};

/* `error.reason`; NONE leaves the member out. JOB_CANCELLED is reserved for jobs: nothing gives it
 * yet. */
#define ITEM_REASONS(X)                                                                   \
	X(NONE, "")                                                                       \
	X(URL_INVALID, "url_invalid")                                                     \
	X(HOST_INVALID, "host_invalid")                                                   \
	X(HEADER_INVALID, "header_invalid")                                               \
	X(HEADER_DENIED, "header_denied")                                                 \
	X(HEADER_TOO_LARGE, "header_too_large")                                           \
	X(METHOD_DENIED, "method_denied")                                                 \
	X(FIELD_INVALID, "field_invalid") /* a field of the wrong type or out of range */ \
	X(FIELD_UNKNOWN, "field_unknown")                                                 \
	X(FIELD_MISSING, "field_missing")                                                 \
	X(BODY_INVALID, "body_invalid")                                                   \
	X(SCHEME_DENIED, "scheme_denied")                                                 \
	X(USERINFO_DENIED, "userinfo_denied")                                             \
	X(PORT_DENIED, "port_denied")                                                     \
	X(HOST_DENIED, "host_denied")                                                     \
	X(ADDRESS_DENIED, "address_denied")                                               \
	X(TIMEOUT, "timeout")                                                             \
	X(EXPIRED, "expired")                                                             \
	X(WRONG_HOST, "wrong_host")                                                       \
	X(UNTRUSTED, "untrusted")                                                         \
	X(HANDSHAKE, "handshake")                                                         \
	X(QUEUE, "queue")                                                                 \
	X(CONNECT, "connect")                                                             \
	X(RESPONSE, "response")                                                           \
	X(RETRY_WAIT, "retry_wait")                                                       \
	X(RESET, "reset")                                                                 \
	X(CLOSED, "closed")                                                               \
	X(TRUNCATED, "truncated")                                                         \
	X(MALFORMED, "malformed")                                                         \
	X(ENCODING, "encoding")                                                           \
	X(REQUEST, "request")                                                             \
	X(STOP_ON_ERROR, "stop_on_error")                                                 \
	X(CLIENT_GONE, "client_gone")                                                     \
	X(DRAIN, "drain")                                                                 \
	X(JOB_CANCELLED, "job_cancelled")

enum item_reason {
#define X(name, text) REASON_##name,
	ITEM_REASONS(X)
#undef X
		REASON_COUNT
};

const char *code_text(enum item_code code);            /* static */
const char *code_reason_text(enum item_reason reason); /* static; "" for NONE */
#endif
