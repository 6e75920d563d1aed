/* config_types.h - what a configuration has several of: keys, rules of upstreams, named
 * endpoints. */
#ifndef COMMON_CONFIG_TYPES_H
#define COMMON_CONFIG_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_strings {
	char **items;
	size_t count;
};

struct config_key { /* auth.keys[] */
	char *name;
	uint8_t (*sha256)[32];
	size_t sha256_count;
	bool ad_hoc, admin;
	struct config_strings endpoints;
};

enum config_http2 { CONFIG_HTTP2_AUTO, CONFIG_HTTP2_OFF, CONFIG_HTTP2_H2C };

struct config_proxy { /* what upstreams[].proxy says; host and port may be shown */
	bool tls;     /* the way to the proxy itself */
	char *host;   /* lower case; IPv6 without brackets */
	bool literal; /* the host is an address */
	uint16_t port;
	char *user, *password; /* decoded; NULL: none; secret */
};

struct config_upstream { /* upstreams[]; the implicit "*" stands last, so that one always matches */
	char *match;     /* as written, lower case; also the metric label */
	unsigned concurrency;
	uint64_t connect_timeout_ms;
	double rate_per_s; /* 0: no limit */
	struct {
		unsigned failures; /* 0: no breaker */
		uint64_t open_ms, max_open_ms;
	} breaker;
	unsigned retry_percent; /* 0: no bound */
	enum config_http2 http2;
	char *ca_file;                  /* "" : the system's */
	char *client_cert, *client_key; /* "" : none; a key of "": it stands in client_cert */
	char *proxy;                    /* "" : none; secret */
	struct config_proxy *via;       /* the same in parts; NULL: none */
};

enum config_param_type { /* as SETTING_PARAM_TYPE has the words */
	CONFIG_PARAM_STRING,
	CONFIG_PARAM_INTEGER,
	CONFIG_PARAM_NUMBER,
	CONFIG_PARAM_BOOLEAN,
	CONFIG_PARAM_ARRAY,
	CONFIG_PARAM_OBJECT
};

struct config_param { /* endpoints.*.params.*: what a caller may set */
	char *name;
	enum config_param_type type;
	char *choices;     /* JSON array; NULL: any value of the type */
	char *fallback;    /* the default as JSON; NULL: required */
	char *description; /* "" : none */
};

struct config_header {
	char *name, *value; /* the value without blanks around it; secret */
};

struct config_query_pair {
	char *name;
	struct config_strings values; /* decoded; may be secret */
	struct config_strings shown;  /* the same with "***" for what came of a reference */
};

struct config_program {  /* jq */
	char *text;      /* NULL: none */
	unsigned line;   /* of the file, where the text's first line stands; 1-based */
	unsigned indent; /* columns that YAML took off each line; 0 where they cannot be told */
};

struct config_endpoint {          /* endpoints.* */
	char *name, *description; /* "" : none */
	char *method, *url;
	char *url_shown; /* with "***" for what is secret in it */
	struct config_header *headers;
	size_t header_count;
	struct config_query_pair *query;
	size_t query_count;
	struct config_param *params;
	size_t param_count;
	struct config_program request, response, fallback, item_check;
	char *item_check_message; /* "" : none */
	unsigned concurrency;     /* 0: no bound */
	double rate_per_s;        /* 0: no bound */
	uint64_t timeout_ms;
	size_t max_items; /* 0: limits.max_items */
	bool idempotent, expose_errors;
	struct {
		unsigned max_attempts;
		uint64_t backoff_ms, max_backoff_ms;
		uint16_t *retry_on;
		size_t retry_on_count;
	} retry;
	/* What must never be shown, longest first: see config_secret.h. */
	struct config_strings secrets;
	unsigned line;
};
#endif
