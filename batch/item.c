/* item.c - one item of the request: JSON text in, a call that can be submitted out. */
#include "batch/item.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "batch/endpoint_path.h"
#include "batch/item_url.h"
#include "batch/member.h"
#include "batch/scan.h"
#include "batch/task.h"
#include "batch/value.h"

enum { ID_MAX_BYTES = 256, ID_MAX_DIGITS = 20, ID_TEXT_MAX = 6 * ID_MAX_BYTES + 2 };
enum {                       /* what is charged for what the pool will hold of a call: */
	RUN_BYTES = 512,     /* its run, and the upstream besides its names */
	OUTCOME_BYTES = 256, /* a message, a content type, places in lists */
	URL_SPARE_BYTES = 32 /* a url's block has room that not every spelling uses */
};

static const struct span none = {NULL, 0};

struct plan { /* an item that is being read */
	const struct item_env *env;
	struct item_scratch *scratch;
	struct fault *fault;
	size_t index;
	struct member_set set;
	struct span url, body;
	enum body_kind kind;
	enum http_method method;
	uint64_t timeout_us;
	unsigned max_redirects;
	bool own_headers, own_policy;
	struct retry_policy policy;
	size_t line_count;
	const char *lines[HEADER_LINES_MAX];
};

enum err_code item_scratch_init(struct item_scratch *scratch, const struct defaults *defaults)
{
	query_init(&scratch->query);
	header_list_init(&scratch->headers);
	buf_init(&scratch->query_text, URL_MAX_BYTES);
	buf_init(&scratch->url_text, URL_MAX_BYTES);
	buf_init(&scratch->default_query, SIZE_MAX / 2);
	scratch->last = NULL;
	return query_merge(&defaults->query, NULL, &scratch->default_query);
}

void item_scratch_free(struct item_scratch *scratch)
{
	query_free(&scratch->query);
	header_list_free(&scratch->headers);
	buf_free(&scratch->query_text);
	buf_free(&scratch->url_text);
	buf_free(&scratch->default_query);
}

static bool is_id(struct span value)
{
	size_t digits = value.len - (value.ptr[0] == '-');
	struct buf decoded;
	bool ok;

	if (scan_type(value) == SCAN_NUMBER) {
		for (size_t i = value.len - digits; i < value.len; i++) {
			if (value.ptr[i] < '0' || value.ptr[i] > '9')
				return false;
		}
		return digits <= ID_MAX_DIGITS;
	}
	if (scan_type(value) != SCAN_STRING || value.len > ID_TEXT_MAX)
		return false;
	if (value.len <= ID_MAX_BYTES + 2) /* decoding makes it shorter, never empty */
		return value.len > 2;
	buf_init(&decoded, ID_MAX_BYTES);
	ok = scan_string(value, &decoded) == ERR_OK;
	buf_free(&decoded);
	return ok;
}

static void read_id(struct plan *plan, struct item_verdict *verdict)
{
	verdict->id = SPAN("null");
	if (!member_has(&plan->set, MEMBER_ID))
		return;
	if (is_id(plan->set.values[MEMBER_ID]))
		verdict->id = plan->set.values[MEMBER_ID];
	else
		fault_add(plan->fault, REASON_FIELD_INVALID, "/id", none,
			"`id` must be a string of 1 to %d bytes, or an integer of at most %d "
			"digits",
			ID_MAX_BYTES, ID_MAX_DIGITS);
}

static enum err_code read_path(struct plan *plan)
{
	struct buf *text = &plan->scratch->url_text;
	enum err_code code;

	buf_clear(text);
	code = endpoint_path_join(plan->url, plan->set.values[MEMBER_PATH], text, plan->fault);
	if (code == ERR_LIMIT)
		return fault_add(plan->fault, REASON_URL_INVALID, "/path", none,
			"`path` makes the url longer than %d bytes", URL_MAX_BYTES);
	plan->url = (struct span){text->ptr, text->len};
	return code;
}

static enum err_code read_target(struct plan *plan)
{
	const struct defaults *defaults = plan->env->defaults;
	enum err_code code;

	plan->url = defaults->url;
	if (member_has(&plan->set, MEMBER_PATH))
		return read_path(plan);
	code = options_url(&plan->set, &plan->url, plan->fault);
	if (code == ERR_OK && !plan->url.ptr)
		return fault_add(plan->fault, REASON_FIELD_MISSING, "/url", none,
			"`url` is missing: the item has none, and `defaults` neither");
	return code;
}

/* Under an endpoint's Content-Type that is not JSON, a string is the very text. */
static void unwrap_text(struct plan *plan)
{
	const struct endpoint_use *use = plan->env->use;

	if (use && use->endpoint->text_body && plan->kind == BODY_JSON &&
		value_is_string(plan->body)) {
		plan->kind = BODY_TEXT;
		plan->body = value_decode(plan->body);
	}
}

static enum err_code read_body(struct plan *plan)
{
	const struct defaults *defaults = plan->env->defaults;
	enum err_code code = options_body(&plan->set, &plan->kind, &plan->body, plan->fault);

	unwrap_text(plan);
	if (code != ERR_OK)
		return code;
	if (plan->kind == BODY_NONE) {
		plan->kind = defaults->body_kind;
		plan->body = defaults->body;
	}
	plan->method = plan->kind == BODY_NONE ? HTTP_GET : HTTP_POST;
	if (defaults->has_method)
		plan->method = defaults->method;
	code = options_method(&plan->set, &plan->method, plan->fault);
	if (code == ERR_OK && plan->method == HTTP_HEAD && plan->kind != BODY_NONE)
		return fault_add(plan->fault, REASON_BODY_INVALID, "/method", none,
			"a HEAD request cannot have a body");
	return code;
}

/* Of a named endpoint: what the operator set stays, and a call that may be repeated has its key. */
static enum err_code finish_named(struct plan *plan)
{
	const struct header_base *base = &plan->env->defaults->headers;
	struct header_list *own = &plan->scratch->headers;
	const struct endpoint_use *use = plan->env->use;
	struct span clash = header_clash(base, own);
	char key[ENDPOINT_KEY_SIZE + 24];

	if (clash.len > 0)
		return fault_add(plan->fault, REASON_HEADER_DENIED, "/headers", none,
			"the header `%.*s` is the operator's: the configuration sets it",
			(int)clash.len, clash.ptr);
	if (!use->key[0] || base->common_keyed || header_list_sends(own, "Idempotency-Key"))
		return ERR_OK;
	plan->own_headers = true;
	snprintf(key, sizeof key, "%s-%zu", use->key, plan->index);
	return header_add(own, "Idempotency-Key", key);
}

static enum err_code read_headers(struct plan *plan)
{
	const struct header_base *base = &plan->env->defaults->headers;
	struct header_list *own = &plan->scratch->headers;
	enum err_code code = ERR_OK;

	plan->own_headers = member_has(&plan->set, MEMBER_HEADERS);
	header_list_clear(own);
	if (plan->own_headers)
		code = header_read(plan->set.values[MEMBER_HEADERS], true, own, plan->fault);
	if (code == ERR_OK && plan->env->use)
		code = finish_named(plan);
	if (code != ERR_OK || !plan->own_headers)
		return code;
	plan->line_count =
		header_merge(base, own, own->text.ptr, plan->kind, plan->lines, plan->fault);
	return plan->line_count ? ERR_OK : ERR_INVALID;
}

static enum err_code read_query(struct plan *plan, struct span *ret_query)
{
	struct item_scratch *scratch = plan->scratch;
	enum err_code code;

	*ret_query = (struct span){scratch->default_query.ptr, scratch->default_query.len};
	if (!member_has(&plan->set, MEMBER_QUERY))
		return ERR_OK;
	query_clear(&scratch->query);
	buf_clear(&scratch->query_text);
	code = query_read(plan->set.values[MEMBER_QUERY], &scratch->query, plan->fault);
	if (code != ERR_OK)
		return code;
	code = query_merge(&plan->env->defaults->query, &scratch->query, &scratch->query_text);
	if (code == ERR_LIMIT)
		return fault_add(plan->fault, REASON_URL_INVALID, "/query", none,
			"`query` makes the url longer than %d bytes", URL_MAX_BYTES);
	*ret_query = (struct span){scratch->query_text.ptr, scratch->query_text.len};
	return code;
}

static enum err_code read_policy(struct plan *plan)
{
	struct policy_patch patch;
	enum err_code code;

	plan->own_policy = member_has(&plan->set, MEMBER_RETRY);
	if (!plan->own_policy)
		return ERR_OK;
	code = policy_read(plan->set.values[MEMBER_RETRY], "/retry", &patch, plan->fault);
	if (code != ERR_OK)
		return code;
	plan->policy = plan->env->defaults->policy;
	policy_apply(&plan->policy, &patch);
	return ERR_OK;
}

/* Everything but the URL's own gate. */
static enum err_code read_members(struct plan *plan, struct span *ret_query)
{
	enum err_code code;

	plan->timeout_us = plan->env->defaults->timeout_us;
	plan->max_redirects = plan->env->defaults->max_redirects;
	code = read_target(plan);
	if (code == ERR_OK)
		code = read_body(plan);
	if (code == ERR_OK)
		code = options_clock(&plan->set, plan->env->config, &plan->timeout_us,
			&plan->max_redirects, plan->fault);
	if (code == ERR_OK)
		code = read_headers(plan);
	if (code == ERR_OK)
		code = read_query(plan, ret_query);
	if (code == ERR_OK)
		code = read_policy(plan);
	return code;
}

/* *ret_url is filled where the verdict stays ITEM_OK. */
static enum err_code read_url(
	struct plan *plan, struct span query, struct item_verdict *verdict, struct url *ret_url)
{
	const struct endpoint_use *use = plan->env->use;
	bool nomem = false;
	enum item_reason reason = url_parse(plan->url, query, ret_url, &nomem);

	if (nomem)
		return ERR_NOMEM;
	if (reason == REASON_NONE && use && !endpoint_path_is_below(&use->endpoint->url, ret_url))
		reason = REASON_URL_INVALID;
	if (reason == REASON_NONE) {
		reason = guard_check_url(plan->env->guard, ret_url);
		if (reason == REASON_NONE)
			return ERR_OK;
		snprintf(verdict->host, sizeof verdict->host, "%s", ret_url->host);
		verdict->port = ret_url->port;
	}
	verdict->code = url_reason_code(reason);
	item_url_blame(reason, plan->url, ret_url, plan->fault);
	url_free(ret_url);
	return ERR_INVALID;
}

static void fill_request(struct plan *plan, struct item *item, const struct url *url)
{
	const struct header_base *base = &plan->env->defaults->headers;
	const struct options *options = plan->env->options;
	struct request *request = &item->call.request;

	request->method = plan->method;
	request->has_body = plan->kind != BODY_NONE;
	request->body = plan->body;
	request->url = *url;
	if (!plan->own_headers) {
		request->headers = base->common[plan->kind];
		request->header_count = base->common_count[plan->kind];
	}
	request->repeatable = method_idempotent(plan->method) ||
			      (plan->own_headers ? header_has_value(request->headers,
							   request->header_count, "Idempotency-Key")
						 : base->common_keyed);
	request->max_redirects = plan->max_redirects;
	request->timeout_us = plan->timeout_us;
	request->want_headers = options->include_headers;
	request->want_timing = options->include_timing;
	request->response_max = plan->env->config->limits.max_response;
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* The lines of the scratch list move behind the pointers to them; the defaults' stay where they
 * are. */
static void place_lines(struct plan *plan, struct item *item, char *at)
{
	const struct header_list *own = &plan->scratch->headers;
	const char **lines = (const char **)(void *)at;
	char *text = at + plan->line_count * sizeof *lines;
	const char *from = own->text.ptr;

	if (own->text.len)
		memcpy(text, from, own->text.len);
	for (size_t i = 0; i < plan->line_count; i++) {
		const char *line = plan->lines[i];
		bool ours = own->text.len && (uintptr_t)line >= (uintptr_t)from &&
			    (uintptr_t)line < (uintptr_t)from + own->text.len;

		lines[i] = ours ? text + (line - from) : line;
	}
	item->call.request.headers = lines;
	item->call.request.header_count = plan->line_count;
}

/* Beside the item itself. Calls for one upstream that follow each other share a run. */
static size_t other_bytes(const struct plan *plan, const struct url *url)
{
	const struct url *last = plan->scratch->last;
	size_t text, origin, bytes;

	if (!url->text)
		return 0; /* charged with the item that has it */
	text = strlen(url->text);
	origin = strlen(url->origin);
	bytes = mem_block(text + 2 * origin + URL_SPARE_BYTES) + OUTCOME_BYTES;
	if (!last || strcmp(last->origin, url->origin) != 0)
		bytes += RUN_BYTES + 2 * origin;
	if (plan->env->options->include_timing)
		bytes += mem_block(sizeof(struct call_timing)) + mem_block(text);
	return bytes;
}

static enum err_code make_item(
	struct plan *plan, size_t index, struct url *url, struct item **ret_item)
{
	size_t policy_at = round_up(sizeof(struct item), alignof(struct retry_policy));
	size_t lines_at =
		round_up(policy_at + (plan->own_policy ? sizeof plan->policy : 0), alignof(char *));
	size_t size = lines_at, charged;
	struct item *item;
	char *block;

	if (plan->own_headers)
		size += plan->line_count * sizeof(char *) + plan->scratch->headers.text.len;
	charged = mem_block(size) + other_bytes(plan, url);
	if (!mem_take(plan->env->budget, charged))
		return ERR_LIMIT;
	item = mem_try(size);
	if (!item) {
		mem_give(plan->env->budget, charged);
		return ERR_NOMEM;
	}
	block = (char *)item;
	item->charged = charged;
	item->index = index;
	item->call.position = index;
	item->owner = plan->env->owner;
	item->call.ops = plan->env->ops;
	item->call.request.retry = &plan->env->defaults->policy;
	if (plan->own_policy)
		item->call.request.retry =
			memcpy(block + policy_at, &plan->policy, sizeof plan->policy);
	if (plan->own_headers)
		place_lines(plan, item, block + lines_at);
	fill_request(plan, item, url);
	plan->scratch->last = &item->call.request.url;
	*ret_item = item;
	return ERR_OK;
}

static enum err_code read_object(
	struct plan *plan, size_t index, struct item **ret_item, struct item_verdict *verdict)
{
	struct span query = none;
	struct url url = {0};
	enum err_code code;

	code = plan->fault->any ? ERR_INVALID : read_members(plan, &query);
	if (code != ERR_OK)
		return code;
	if (!plan->env->url_known || member_has(&plan->set, MEMBER_PATH) ||
		member_has(&plan->set, MEMBER_QUERY))
		code = read_url(plan, query, verdict, &url);
	if (code != ERR_OK)
		return code;
	code = make_item(plan, index, &url, ret_item);
	if (code != ERR_OK)
		url_free(&url);
	return code;
}

enum err_code item_read(const struct item_env *env, struct span text, size_t index,
	struct item_scratch *scratch, struct item **ret_item, struct item_verdict *ret_verdict)
{
	struct plan plan; /* its members are filled as they are read: clearing all would cost more
			     than reading a small item */
	enum err_code code;

	plan.env = env;
	plan.scratch = scratch;
	plan.index = index;
	plan.fault = &ret_verdict->fault;
	fault_init(&ret_verdict->fault, NULL, "");
	ret_verdict->code = ITEM_INVALID_ITEM;
	ret_verdict->id = SPAN("null");
	ret_verdict->host[0] = '\0';
	*ret_item = NULL;
	if (scan_type(text) != SCAN_OBJECT) {
		fault_add(plan.fault, REASON_FIELD_INVALID, "", none,
			env->use ? "it must give an object" : "an item must be an object");
		return ERR_OK;
	}
	member_read(text, env->use ? PLACE_REQUEST : PLACE_ITEM, "", &plan.set, plan.fault);
	read_id(&plan, ret_verdict);
	code = read_object(&plan, index, ret_item, ret_verdict);
	if (code == ERR_OK)
		ret_verdict->code = ITEM_OK;
	return code == ERR_INVALID ? ERR_OK : code;
}

struct span item_id(struct span text)
{
	struct span found = SPAN("null");
	struct scan_member member;
	struct scan_walk walk;
	size_t count = 0;

	if (scan_type(text) != SCAN_OBJECT)
		return found;
	scan_begin(&walk, text);
	while (scan_next(&walk, &member)) {
		if (!scan_name_is(member.name, "id"))
			continue;
		if (is_id(member.value))
			found = member.value;
		count++;
	}
	return count == 1 ? found : SPAN("null");
}

void item_destroy(struct item *item, struct mem_budget *budget)
{
	size_t charged;

	if (!item)
		return;
	task_destroy(item->task, budget);
	call_free_outcome(&item->call);
	url_free(&item->call.request.url);
	charged = item->charged;
	mem_free(item);
	mem_give(budget, charged);
}
