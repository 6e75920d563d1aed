/* endpoint.c - named calls of the operator (`endpoints` of the configuration), ready to be used:
 * gate, defaults, templates. */
#include "batch/endpoint.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "batch/options.h"
#include "batch/scan.h"
#include "batch/template_check.h"
#include "common/mem.h"

enum { DEFAULTS_MAX_BYTES = 256 * 1024, PROGRAMS_MAX = 1024 };

struct endpoint_set {
	atomic_uint refs;
	struct config *config;
	size_t count;
	struct endpoint items[];
};

/* ---- what a batch has as its defaults ---- */

static void add_text(struct buf *out, const char *text)
{
	buf_add_json_string(out, text, strlen(text));
}

static void add_values(struct buf *out, const struct config_strings *values)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < values->count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_text(out, values->items[i]);
	}
	buf_add_char(out, ']');
}

static void add_headers(struct buf *out, const struct config_endpoint *from)
{
	buf_adds(out, ",\"headers\":{");
	for (size_t i = 0; i < from->header_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_text(out, from->headers[i].name);
		buf_add_char(out, ':');
		add_text(out, from->headers[i].value);
	}
	buf_adds(out, "},\"query\":{");
	for (size_t i = 0; i < from->query_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_text(out, from->query[i].name);
		buf_add_char(out, ':');
		add_values(out, &from->query[i].values);
	}
	buf_add_char(out, '}');
}

static void add_retry(struct buf *out, const struct config_endpoint *from)
{
	buf_addf(out,
		",\"retry\":{\"max_attempts\":%u,\"backoff_ms\":%llu,\"max_backoff_ms\":%llu,"
		"\"retry_on\":[",
		from->retry.max_attempts, (unsigned long long)from->retry.backoff_ms,
		(unsigned long long)from->retry.max_backoff_ms);
	for (size_t i = 0; i < from->retry.retry_on_count; i++)
		buf_addf(out, "%s%u", i > 0 ? "," : "", from->retry.retry_on[i]);
	buf_adds(out, "]}");
}

static enum err_code make_defaults(struct endpoint *endpoint)
{
	const struct config_endpoint *from = endpoint->config;
	struct buf out;

	buf_init(&out, DEFAULTS_MAX_BYTES);
	buf_adds(&out, "{\"url\":");
	add_text(&out, from->url);
	buf_adds(&out, ",\"method\":");
	add_text(&out, from->method);
	buf_addf(&out, ",\"timeout_ms\":%llu", (unsigned long long)from->timeout_ms);
	add_headers(&out, from);
	add_retry(&out, from);
	buf_add_char(&out, '}');
	if (out.failed) {
		mem_wipe(out.ptr, out.len);
		buf_free(&out);
		return ERR_NOMEM;
	}
	endpoint->defaults.ptr = buf_steal(&out, &endpoint->defaults.len);
	return ERR_OK;
}

/* ---- faults ---- */

static enum err_code complain(const struct endpoint *endpoint, const struct config *config,
	const char *key, const char *what, struct buf *faults)
{
	buf_addf(faults, "%s:%u: endpoints.%s.%s: %s\n", config->path ? config->path : "config",
		endpoint->config->line, endpoint->config->name, key, what);
	return ERR_INVALID;
}

/* The readers of a request know best what headers, query and retry may be. */
static enum err_code try_defaults(
	const struct endpoint *endpoint, const struct config *config, struct buf *faults)
{
	char *copy = mem_copy(endpoint->defaults.ptr, endpoint->defaults.len);
	struct defaults defaults = {0};
	struct fault fault;
	enum err_code code = ERR_NOMEM;

	fault_init(&fault, NULL, "");
	if (copy)
		code = options_read_defaults(
			(struct span){copy, endpoint->defaults.len}, config, &defaults, &fault);
	options_free_defaults(&defaults);
	if (copy)
		mem_wipe(copy, endpoint->defaults.len);
	mem_free(copy);
	for (char *slash = fault.pointer; (slash = strchr(slash, '/'));)
		*slash = '.';
	if (code == ERR_OK && fault.any)
		return complain(endpoint, config, fault.pointer[0] ? fault.pointer + 1 : "url",
			fault.message, faults);
	return code;
}

static enum err_code make_guard(struct endpoint *endpoint, const struct config *config,
	uint16_t own_port, struct buf *faults)
{
	bool nomem = false;
	struct url *url = &endpoint->url;
	struct err err;
	enum item_reason reason =
		url_parse(span_of(endpoint->config->url), (struct span){NULL, 0}, url, &nomem);
	enum err_code code = ERR_NOMEM;

	if (reason != REASON_NONE && !nomem)
		code = complain(endpoint, config, "url",
			"must be http:// or https://, a host in its one normal form, a port if "
			"any, no user name, and printable ASCII (percent-encode the rest)",
			faults);
	else if (!nomem)
		code = guard_new_origin(config, own_port, url, &endpoint->guard, &err);
	if (code == ERR_IO)
		buf_addf(faults, "%s\n", err.detail);
	if (code == ERR_OK && guard_check_url(endpoint->guard, url) != REASON_NONE)
		code = complain(endpoint, config, "url",
			"leads to what targets.deny names, or to this server itself", faults);
	return code;
}

/* ---- parts ---- */

static bool is_json(const char *type)
{
	struct span text = span_trim((struct span){type, strcspn(type, ";")});

	return span_equals_nocase(text, "application/json") ||
	       (text.len > 5 && strncasecmp(text.ptr + text.len - 5, "+json", 5) == 0);
}

static bool sends_text(const struct config_endpoint *config)
{
	for (size_t i = 0; i < config->header_count; i++)
		if (strcasecmp(config->headers[i].name, "Content-Type") == 0)
			return !is_json(config->headers[i].value);
	return false;
}

static enum err_code make_template(const struct endpoint *endpoint, const struct config *config,
	enum template_kind kind, const struct config_program *program,
	struct template **ret_template, struct buf *faults)
{
	const struct template_source source = {.name = endpoint->config->name,
		.kind = kind,
		.text = span_of(program->text),
		.file = config->path ? config->path : "config",
		.line = program->line,
		.indent = program->indent};
	struct err err;
	enum err_code code;

	if (!program->text)
		return ERR_OK;
	code = template_new(&source, ret_template, &err);
	if (code == ERR_INVALID || code == ERR_LIMIT) {
		buf_addf(faults, "%s\n", err.detail);
		return ERR_INVALID;
	}
	return code;
}

/* All of them are looked at, so that all faults are told. */
static enum err_code make_templates(
	struct endpoint *endpoint, const struct config *config, struct buf *faults)
{
	const struct config_endpoint *from = endpoint->config;
	const struct {
		enum template_kind kind;
		const struct config_program *program;
		struct template **place;
	} all[] = {{TEMPLATE_REQUEST, &from->request, &endpoint->request},
		{TEMPLATE_RESPONSE, &from->response, &endpoint->response},
		{TEMPLATE_FALLBACK, &from->fallback, &endpoint->fallback},
		{TEMPLATE_ITEM_CHECK, &from->item_check, &endpoint->item_check}};
	enum err_code worst = ERR_OK;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		enum err_code code = make_template(
			endpoint, config, all[i].kind, all[i].program, all[i].place, faults);

		if (code != ERR_OK && worst != ERR_NOMEM)
			worst = code;
	}
	return worst;
}

static enum err_code make(struct endpoint *endpoint, const struct config *config, uint16_t own_port,
	struct buf *faults)
{
	enum err_code code = make_defaults(endpoint), also;

	endpoint->text_body = sends_text(endpoint->config);
	if (code == ERR_OK)
		code = make_guard(endpoint, config, own_port, faults);
	if (code == ERR_OK)
		code = try_defaults(endpoint, config, faults);
	if (code != ERR_OK && code != ERR_INVALID)
		return code;
	also = make_templates(endpoint, config, faults);
	return also == ERR_OK ? code : also;
}

/* ---- life ---- */

enum err_code endpoint_set_new(
	struct config *config, uint16_t own_port, struct endpoint_set **ret_set, struct buf *faults)
{
	size_t count = config->endpoint_count;
	struct endpoint_set *set = mem_try(sizeof *set + count * sizeof *set->items);
	enum err_code worst = ERR_OK;

	if (!set)
		return ERR_NOMEM;
	atomic_init(&set->refs, 1);
	set->config = config_ref(config);
	for (size_t i = 0; i < count; i++) {
		enum err_code code;

		set->items[i].config = &config->endpoints[i];
		set->count = i + 1;
		code = make(&set->items[i], config, own_port, faults);
		if (code != ERR_OK && worst != ERR_NOMEM)
			worst = code;
	}
	if (worst == ERR_OK)
		*ret_set = set;
	else
		endpoint_set_unref(set);
	return worst;
}

static enum err_code compile(
	struct template_checker *checker, const struct endpoint *endpoint, struct buf *faults)
{
	const struct template *all[] = {
		endpoint->item_check, endpoint->request, endpoint->response, endpoint->fallback};
	enum err_code worst = ERR_OK;
	struct err err;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		enum err_code code = all[i] ? template_check(checker, all[i], &err) : ERR_OK;

		if (code == ERR_OK)
			continue;
		buf_addf(faults, "%s\n", err.detail);
		if (code != ERR_INVALID)
			return code;
		worst = code;
	}
	return worst;
}

static size_t count_templates(const struct endpoint_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct endpoint *at = &set->items[i];

		count += at->request ? 1 : 0;
		count += at->response ? 1 : 0;
		count += at->fallback ? 1 : 0;
		count += at->item_check ? 1 : 0;
	}
	return count;
}

enum err_code endpoint_set_compile(
	const struct endpoint_set *set, struct forker *forker, struct buf *faults)
{
	struct template_checker *checker = NULL;
	size_t templates = count_templates(set);
	enum err_code worst = ERR_OK;
	struct err err;

	if (templates == 0)
		return ERR_OK;
	if (templates > PROGRAMS_MAX) {
		buf_addf(faults, "endpoints: %zu programs are too many; at most %d are allowed\n",
			templates, PROGRAMS_MAX);
		return ERR_INVALID;
	}
	if (template_checker_new(forker, &checker, &err) != ERR_OK) {
		buf_addf(faults, "endpoints: %s\n", err.detail);
		return ERR_IO;
	}
	for (size_t i = 0; i < set->count; i++) {
		enum err_code code = compile(checker, &set->items[i], faults);

		if (code != ERR_OK)
			worst = code;
		if (code != ERR_OK && code != ERR_INVALID)
			break;
	}
	template_checker_destroy(checker);
	return worst;
}

struct endpoint_set *endpoint_set_ref(struct endpoint_set *set)
{
	if (set)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

static void release(struct endpoint *endpoint)
{
	char *defaults = (char *)(uintptr_t)endpoint->defaults.ptr;

	guard_unref(endpoint->guard);
	url_free(&endpoint->url);
	if (defaults)
		mem_wipe(defaults, endpoint->defaults.len);
	mem_free(defaults);
	template_unref(endpoint->request);
	template_unref(endpoint->response);
	template_unref(endpoint->fallback);
	template_unref(endpoint->item_check);
}

void endpoint_set_unref(struct endpoint_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	for (size_t i = 0; i < set->count; i++)
		release(&set->items[i]);
	config_unref(set->config);
	mem_free(set);
}

size_t endpoint_count(const struct endpoint_set *set)
{
	return set->count;
}

const struct endpoint *endpoint_at(const struct endpoint_set *set, size_t index)
{
	return &set->items[index];
}

const struct endpoint *endpoint_find(const struct endpoint_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->items[i].config->name, name) == 0)
			return &set->items[i];
	return NULL;
}
