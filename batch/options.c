/* options.c - the request's `options` and `defaults`: read and checked once, the same for all
 * items. */
#include "batch/options.h"

#include <stdio.h>
#include <string.h>

#include "batch/member.h"
#include "batch/scan.h"
#include "batch/value.h"
#include "common/mem.h"

enum {
	CONCURRENCY_DEFAULT = 32,
	BATCH_TIMEOUT_DEFAULT_MS = 300000,
	TIMEOUT_DEFAULT_MS = 30000,
	MAX_REDIRECTS_MAX = 10
};
enum { URL_TEXT_MAX = 6 * URL_MAX_BYTES + 2, METHOD_TEXT_MAX = 64, ESCAPED_MAX = 6 };

static const struct span none = {NULL, 0};

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

enum err_code options_body(const struct member_set *set, enum body_kind *ret_kind,
	struct span *ret_body, struct fault *fault)
{
	static const struct {
		enum member member;
		enum body_kind kind;
	} kinds[] = {{MEMBER_BODY, BODY_JSON}, {MEMBER_BODY_TEXT, BODY_TEXT},
		{MEMBER_BODY_BASE64, BODY_BYTES}};
	enum member found = MEMBER_COUNT;
	enum body_kind kind = BODY_NONE;
	char path[32];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!member_has(set, kinds[i].member))
			continue;
		snprintf(path, sizeof path, "/%s", member_text(kinds[i].member));
		if (kind != BODY_NONE)
			return fault_add(fault, REASON_BODY_INVALID, path, none,
				"at most one of `body`, `body_text` and `body_base64` may be "
				"given");
		found = kinds[i].member;
		kind = kinds[i].kind;
	}
	*ret_kind = kind;
	*ret_body = kind == BODY_NONE ? none : set->values[found];
	if (kind == BODY_NONE || kind == BODY_JSON)
		return ERR_OK;
	snprintf(path, sizeof path, "/%s", member_text(found));
	if (!value_is_string(*ret_body))
		return fault_add(fault, REASON_FIELD_INVALID, path, none, "`%s` must be a string",
			member_text(found));
	if (kind == BODY_TEXT)
		*ret_body = value_decode(*ret_body);
	else if (!value_decode_base64(*ret_body, ret_body))
		return fault_add(fault, REASON_BODY_INVALID, path, none,
			"`body_base64` is not base64 as RFC 4648 section 4 defines it, with "
			"padding");
	return ERR_OK;
}

enum err_code options_method(
	const struct member_set *set, enum http_method *ret_method, struct fault *fault)
{
	struct span value;

	if (!member_has(set, MEMBER_METHOD))
		return ERR_OK;
	value = set->values[MEMBER_METHOD];
	if (!value_is_string(value))
		return fault_add(
			fault, REASON_FIELD_INVALID, "/method", none, "`method` must be a string");
	if (value.len > METHOD_TEXT_MAX || !method_parse(value_decode(value), ret_method))
		return fault_add(fault, REASON_METHOD_DENIED, "/method", none,
			"`method` must be one of GET HEAD POST PUT PATCH DELETE OPTIONS, in upper "
			"case");
	return ERR_OK;
}

enum err_code options_clock(const struct member_set *set, const struct config *config,
	uint64_t *ret_timeout_us, unsigned *ret_max_redirects, struct fault *fault)
{
	const struct value_range timeout = {1, config->limits.max_item_timeout_ms, true};
	const struct value_range redirects = {0, MAX_REDIRECTS_MAX, false};
	enum err_code code = ERR_OK;
	uint64_t n;

	if (member_has(set, MEMBER_TIMEOUT_MS)) {
		code = value_integer(
			set->values[MEMBER_TIMEOUT_MS], timeout, "/timeout_ms", &n, fault);
		if (code == ERR_OK)
			*ret_timeout_us = n * 1000;
	}
	if (member_has(set, MEMBER_MAX_REDIRECTS)) {
		enum err_code also = value_integer(
			set->values[MEMBER_MAX_REDIRECTS], redirects, "/max_redirects", &n, fault);

		if (also == ERR_OK)
			*ret_max_redirects = (unsigned)n;
		else
			code = also;
	}
	return code;
}

enum err_code options_url(const struct member_set *set, struct span *ret_url, struct fault *fault)
{
	struct span value;

	if (!member_has(set, MEMBER_URL))
		return ERR_OK;
	value = set->values[MEMBER_URL];
	if (!value_is_string(value))
		return fault_add(
			fault, REASON_FIELD_INVALID, "/url", none, "`url` must be a string");
	if (value.len > URL_TEXT_MAX)
		return fault_add(fault, REASON_URL_INVALID, "/url", none,
			"`url` is longer than %d bytes", URL_MAX_BYTES);
	*ret_url = value_decode(value);
	return ERR_OK;
}

bool options_rate(struct span text, double *ret_per_s)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"/s", 1}, {"/min", 60}, {"/h", 3600}};
	double n = 0;
	size_t i = 0;

	for (; i < text.len && i < 10 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		n = n * 10 + (text.ptr[i] - '0');
	if (n < 1)
		return false;
	for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
		if (span_equals((struct span){text.ptr + i, text.len - i}, units[u].unit)) {
			*ret_per_s = n / units[u].seconds;
			return true;
		}
	}
	return false;
}

static void read_words(const struct member_set *set, struct options *options, struct fault *fault)
{
	const struct span *values = set->values;

	if (member_has(set, MEMBER_RATE_LIMIT) &&
		!(value_is_string(values[MEMBER_RATE_LIMIT]) &&
			options_rate(
				value_decode(values[MEMBER_RATE_LIMIT]), &options->rate_per_s)))
		fault_add(fault, REASON_FIELD_INVALID, "/rate_limit", none,
			"`rate_limit` must be a string such as \"50/s\", \"3500/min\" or "
			"\"1000/h\"");
	if (member_has(set, MEMBER_INCLUDE_BODY)) {
		static const char *const words[] = {[INCLUDE_ALL] = "all",
			[INCLUDE_FAILED] = "failed",
			[INCLUDE_NONE] = "none"};
		bool found = false;

		for (unsigned i = 0; value_is_string(values[MEMBER_INCLUDE_BODY]) &&
				     i < sizeof words / sizeof *words;
			i++) {
			if (scan_name_is(values[MEMBER_INCLUDE_BODY], words[i])) {
				options->include_body = (enum include_body)i;
				found = true;
			}
		}
		if (!found)
			fault_add(fault, REASON_FIELD_INVALID, "/include_body", none,
				"`include_body` must be \"all\", \"failed\" or \"none\"");
	}
	if (member_has(set, MEMBER_ORDER)) {
		bool text = value_is_string(values[MEMBER_ORDER]);

		options->input_order = text && scan_name_is(values[MEMBER_ORDER], "input");
		if (!options->input_order &&
			!(text && scan_name_is(values[MEMBER_ORDER], "completion")))
			fault_add(fault, REASON_FIELD_INVALID, "/order", none,
				"`order` must be \"completion\" or \"input\"");
	}
}

static void read_label(const struct member_set *set, struct options *options, struct fault *fault)
{
	struct span value;

	if (!member_has(set, MEMBER_LABEL))
		return;
	value = set->values[MEMBER_LABEL];
	if (value_is_string(value) && value.len <= ESCAPED_MAX * LABEL_MAX_BYTES + 2) {
		options->label = value_decode(value);
		if (options->label.len <= LABEL_MAX_BYTES)
			return;
	}
	fault_add(fault, REASON_FIELD_INVALID, "/label", none,
		"`label` must be a string of at most %d bytes", LABEL_MAX_BYTES);
}

static void read_flags(const struct member_set *set, struct options *options, struct fault *fault)
{
	const struct {
		enum member member;
		const char *path;
		bool *flag;
	} flags[] = {
		{MEMBER_STOP_ON_ERROR, "/stop_on_error", &options->stop_on_error},
		{MEMBER_STRICT, "/strict", &options->strict},
		{MEMBER_INCLUDE_HEADERS, "/include_headers", &options->include_headers},
		{MEMBER_INCLUDE_TIMING, "/include_timing", &options->include_timing},
	};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (member_has(set, flags[i].member))
			value_bool(
				set->values[flags[i].member], flags[i].path, flags[i].flag, fault);
	}
}

static void read_numbers(const struct member_set *set, const struct config *config,
	struct options *options, struct fault *fault)
{
	const struct value_range concurrency = {1, config->limits.max_concurrency, true};
	const struct value_range timeout = {1, config->limits.max_batch_timeout_ms, true};
	uint64_t n;

	if (member_has(set, MEMBER_CONCURRENCY) &&
		value_integer(set->values[MEMBER_CONCURRENCY], concurrency, "/concurrency", &n,
			fault) == ERR_OK)
		options->concurrency = (unsigned)n;
	if (member_has(set, MEMBER_BATCH_TIMEOUT_MS) &&
		value_integer(set->values[MEMBER_BATCH_TIMEOUT_MS], timeout, "/batch_timeout_ms",
			&n, fault) == ERR_OK)
		options->batch_timeout_us = n * 1000;
	options->has_batch_timeout = member_has(set, MEMBER_BATCH_TIMEOUT_MS);
}

static enum err_code only_nomem(enum err_code code)
{
	return code == ERR_NOMEM ? ERR_NOMEM : ERR_OK;
}

static bool is_object(struct span value, const char *name, struct fault *fault)
{
	if (value.len == 0)
		return false;
	if (scan_type(value) == SCAN_OBJECT)
		return true;
	fault_add(fault, REASON_FIELD_INVALID, "", none, "`%s` must be an object", name);
	return false;
}

enum err_code options_read(struct span value, const struct config *config, bool named,
	struct options *ret_options, struct fault *fault)
{
	unsigned redirects;
	struct member_set set;

	*ret_options = (struct options){
		.concurrency = (unsigned)lower(CONCURRENCY_DEFAULT, config->limits.max_concurrency),
		.batch_timeout_us =
			lower(BATCH_TIMEOUT_DEFAULT_MS, config->limits.max_batch_timeout_ms) * 1000,
		.label = SPAN("Processing"),
	};
	if (!is_object(value, "options", fault))
		return ERR_OK;
	member_read(value, named ? PLACE_NAMED_OPTIONS : PLACE_OPTIONS, "", &set, fault);
	read_numbers(&set, config, ret_options, fault);
	options_clock(&set, config, &ret_options->timeout_us, &redirects, fault);
	read_flags(&set, ret_options, fault);
	read_words(&set, ret_options, fault);
	read_label(&set, ret_options, fault);
	if (!member_has(&set, MEMBER_RETRY))
		return ERR_OK;
	return only_nomem(
		policy_read(set.values[MEMBER_RETRY], "/retry", &ret_options->retry, fault));
}

static enum err_code read_parts(
	const struct member_set *set, struct defaults *defaults, struct fault *fault)
{
	enum err_code code = ERR_OK;

	if (member_has(set, MEMBER_HEADERS))
		code = only_nomem(header_read(
			set->values[MEMBER_HEADERS], false, &defaults->headers.defaults, fault));
	if (code == ERR_OK && member_has(set, MEMBER_QUERY))
		code = only_nomem(query_read(set->values[MEMBER_QUERY], &defaults->query, fault));
	if (code == ERR_OK && member_has(set, MEMBER_RETRY))
		code = only_nomem(
			policy_read(set->values[MEMBER_RETRY], "/retry", &defaults->retry, fault));
	return code;
}

enum err_code options_read_defaults(struct span value, const struct config *config,
	struct defaults *ret_defaults, struct fault *fault)
{
	struct member_set set;
	struct defaults *defaults = ret_defaults;

	*defaults = (struct defaults){
		.timeout_us = lower(TIMEOUT_DEFAULT_MS, config->limits.max_item_timeout_ms) * 1000,
	};
	query_init(&defaults->query);
	header_list_init(&defaults->headers.defaults);
	if (!is_object(value, "defaults", fault))
		return ERR_OK;
	member_read(value, PLACE_DEFAULTS, "", &set, fault);
	options_url(&set, &defaults->url, fault);
	options_body(&set, &defaults->body_kind, &defaults->body, fault);
	options_clock(&set, config, &defaults->timeout_us, &defaults->max_redirects, fault);
	if (options_method(&set, &defaults->method, fault) == ERR_OK)
		defaults->has_method = member_has(&set, MEMBER_METHOD);
	return read_parts(&set, defaults, fault);
}

void options_policy(const struct options *options, bool named, struct defaults *defaults)
{
	policy_default(&defaults->policy);
	policy_apply(&defaults->policy, named ? &defaults->retry : &options->retry);
	policy_apply(&defaults->policy, named ? &options->retry : &defaults->retry);
}

size_t options_defaults_bytes(const struct defaults *defaults)
{
	const struct query *query = &defaults->query;
	const struct header_base *base = &defaults->headers;
	size_t bytes = mem_block(query->capacity * sizeof *query->pairs) +
		       mem_block(query->names.capacity * sizeof *query->names.items) +
		       mem_block(query->text.capacity) + mem_block(query->names_text.capacity) +
		       mem_block(base->defaults.capacity * sizeof *base->defaults.items) +
		       mem_block(base->defaults.text.capacity);

	for (unsigned kind = 0; kind < BODY_KIND_COUNT; kind++)
		bytes += mem_block((base->common_count[kind] + 1) * sizeof(char *));
	if (base->traceparent)
		bytes += mem_block(strlen(base->traceparent) + 1);
	if (base->tracestate)
		bytes += mem_block(strlen(base->tracestate) + 1);
	return bytes;
}

void options_free_defaults(struct defaults *defaults)
{
	query_free(&defaults->query);
	header_base_free(&defaults->headers);
	*defaults = (struct defaults){0};
}
