/* options.h - the request's `options` and `defaults`: read and checked once, the same for all
 * items. Constant afterwards. */
#ifndef BATCH_OPTIONS_H
#define BATCH_OPTIONS_H
#include "batch/header.h"
#include "batch/policy.h"
#include "batch/query.h"
#include "common/config.h"
#include "pool/field.h"

enum include_body { INCLUDE_ALL, INCLUDE_FAILED, INCLUDE_NONE };
enum { LABEL_MAX_BYTES = 256 };

struct options {
	unsigned concurrency;
	bool has_batch_timeout; /* it was asked for */
	uint64_t batch_timeout_us;
	uint64_t timeout_us; /* of an item of a named endpoint; 0: the endpoint's */
	double rate_per_s;   /* 0: no limit */
	bool stop_on_error, strict, include_headers, include_timing, input_order;
	enum include_body include_body;
	struct span label; /* points into the request */
	struct policy_patch retry;
};

struct defaults {        /* what an item has that does not say otherwise */
	struct span url; /* ptr NULL: none */
	bool has_method;
	enum http_method method;
	struct query query;
	enum body_kind body_kind;
	struct span body;
	uint64_t timeout_us;
	unsigned max_redirects;
	struct policy_patch retry;
	struct retry_policy policy; /* of options and defaults together: options_policy */
	struct header_base headers;
};

/* `named`: of a request to a named endpoint. Texts are proved and writable (value.h); the structs
 * point into them. A missing object is an empty span. Faults are added; ERR_NOMEM is the only
 * error, so that all of them are found. */
enum err_code options_read(struct span value, const struct config *config, bool named,
	struct options *ret_options, struct fault *fault) MUST_CHECK;
enum err_code options_read_defaults(struct span value, const struct config *config,
	struct defaults *ret_defaults, struct fault *fault) MUST_CHECK;
/* Makes defaults->policy: the defaults' word over the options', or the other way round where the
 * defaults are a named endpoint's. */
void options_policy(const struct options *options, bool named, struct defaults *defaults);
size_t options_defaults_bytes(const struct defaults *defaults); /* of heap that they hold */
void options_free_defaults(struct defaults *defaults);          /* a zeroed one is fine */

/* "3500/min"; also N/s and N/h, N a whole number of at least 1. */
bool options_rate(struct span text, double *ret_per_s);

struct member_set;
/* Parts that items and defaults have in common; a fault is also ERR_INVALID.
 * The one body among the members: its kind and bytes, decoded in place; BODY_NONE where there is
 * none. ERR_INVALID: two of them, or not what it must be. */
enum err_code options_body(const struct member_set *set, enum body_kind *ret_kind,
	struct span *ret_body, struct fault *fault);
/* `method`, `timeout_ms`, `max_redirects`, `url` where they are there, the same for items and
 * defaults. */
enum err_code options_method(
	const struct member_set *set, enum http_method *ret_method, struct fault *fault);
enum err_code options_clock(const struct member_set *set, const struct config *config,
	uint64_t *ret_timeout_us, unsigned *ret_max_redirects, struct fault *fault);
enum err_code options_url(const struct member_set *set, struct span *ret_url, struct fault *fault);
#endif
