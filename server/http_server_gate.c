/* http_server_gate.c - the checks of a request, in this order: framing, 404, 405, 401/403, 503,
 * 406, 415, 413, 400. What is refused here never reached a route. */
#include "server/http_server_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/metrics.h"
#include "server/accept.h"
#include "server/cors.h"
#include "server/router.h"

enum { ALLOW_MAX = 256, ACCEPT_MAX = HTTP_POOL_BYTES };

static enum MHD_Result add_field(void *cls, enum MHD_ValueKind kind, const char *key,
	size_t key_size, const char *value, size_t value_size)
{
	struct framing *framing = cls;

	(void)kind;
	framing_add(framing, (struct span){key, key_size},
		(struct span){value, value ? value_size : 0});
	return MHD_YES;
}

static bool framing_passes(struct exchange *ex, const char *version, struct problem *problem)
{
	struct framing_verdict verdict;

	framing_init(&ex->framing);
	MHD_get_connection_values_n(ex->connection, MHD_HEADER_KIND, add_field, &ex->framing);
	verdict = framing_judge(&ex->framing, ex->request.method, version, ex->whole);
	if (verdict.code == PROBLEM_NONE)
		return true;
	problem_set(problem, verdict.code, "%s", verdict.detail);
	ex->at_once = true; /* where the body ends is anybody's guess */
	ex->reply.close = true;
	return false;
}

static void set_allow(struct exchange *ex)
{
	struct buf allow;

	buf_init(&allow, ALLOW_MAX);
	router_allow(ex->server->opt.routes, ex->request.path, &allow);
	if (allow.failed)
		ex->reply.broken = true;
	else
		exchange_set_header(ex, "Allow", allow.ptr);
	if (exchange_header(ex, "Access-Control-Request-Method") &&
		cors_origin(
			&ex->policy->config->server.cors_origins, exchange_header(ex, "Origin")) &&
		!allow.failed) {
		exchange_set_header(ex, "Access-Control-Allow-Methods", allow.ptr);
		exchange_set_header(ex, "Access-Control-Allow-Headers", CORS_ALLOW_HEADERS);
		exchange_set_header(ex, "Access-Control-Max-Age", "600");
	}
	buf_free(&allow);
}

/* Where the path would be one without its last slash, that; else where to look. */
static void blame_path(struct exchange *ex, struct problem *problem)
{
	const char *path = ex->request.path;
	size_t len = strlen(path);
	char shorter[200];
	enum router_result result = ROUTER_NO_PATH;

	if (len > 1 && len < sizeof shorter && path[len - 1] == '/') {
		snprintf(shorter, sizeof shorter, "%.*s", (int)len - 1, path);
		router_find(ex->server->opt.routes, ex->request.method, shorter, &result);
	}
	if (result == ROUTER_NO_PATH)
		problem_set(problem, PROBLEM_NOT_FOUND,
			"there is nothing at %.200s; batches are sent to POST /v1/batch or "
			"/v1/batch/NAME, /openapi.yaml has all paths",
			path);
	else
		problem_set(problem, PROBLEM_NOT_FOUND,
			"there is nothing at %.200s; did you mean %s, without the slash?", path,
			shorter);
}

static void blame_method(struct exchange *ex, struct problem *problem)
{
	struct buf allow;

	buf_init(&allow, ALLOW_MAX);
	router_allow(ex->server->opt.routes, ex->request.path, &allow);
	problem_set(problem, PROBLEM_METHOD_NOT_ALLOWED, "%.40s is not a method of %.200s: %s",
		ex->request.method, ex->request.path, allow.failed ? "see Allow" : allow.ptr);
	buf_free(&allow);
}

static bool route_passes(struct exchange *ex, enum router_result result, struct problem *problem)
{
	if (result == ROUTER_NO_PATH)
		blame_path(ex, problem);
	if (result != ROUTER_NO_METHOD)
		return result != ROUTER_NO_PATH;
	blame_method(ex, problem);
	set_allow(ex);
	return false;
}

static bool caller_is_known(const struct exchange *ex, enum route_access access)
{
	if (!ex->request.caller)
		return false;
	/* Anonymous where keys exist: what is missing is a key, not a right. */
	return access != ROUTE_ADMIN || ex->request.caller->admin ||
	       exchange_header(ex, "Authorization");
}

static bool access_passes(struct exchange *ex, struct problem *problem)
{
	const char *authorization = exchange_header(ex, "Authorization");
	enum route_access access = ex->route->access;

	if (access != ROUTE_OPEN || authorization)
		ex->request.caller = auth_check(ex->policy->auth, authorization);
	if (access == ROUTE_OPEN)
		return true;
	if (!caller_is_known(ex, access)) {
		problem_set(problem, PROBLEM_UNAUTHORIZED, "%s",
			!authorization ? "a key is needed: Authorization: Bearer KEY"
			: strncasecmp(authorization, "Bearer ", 7) != 0
				? "send the key as Authorization: Bearer KEY"
				: "this key is not known");
		exchange_set_header(ex, "WWW-Authenticate", "Bearer");
		return false;
	}
	if ((access == ROUTE_AD_HOC && !ex->request.caller->ad_hoc) ||
		(access == ROUTE_ADMIN && !ex->request.caller->admin)) {
		problem_set(problem, PROBLEM_FORBIDDEN, "the key %.100s may not do this: it has %s",
			ex->request.caller->name,
			access == ROUTE_ADMIN ? "no admin: true" : "ad_hoc: false");
		return false;
	}
	return true;
}

void http_server_gate_crowd(unsigned max_connections, struct problem *problem)
{
	problem_set(problem, PROBLEM_QUEUE_FULL,
		"more than server.max_connections (%u) connections are open", max_connections);
}

/* Did this connection come when there were too many, and are there still? */
static bool is_surplus(struct exchange *ex)
{
	if (http_server_connections(ex->server) <=
		http_server_max_connections(ex->server, ex->policy))
		ex->client->surplus = false;
	return ex->client->surplus;
}

static bool memory_passes(const struct exchange *ex)
{
	struct mem_budget *budget = ex->server->opt.budget;
	size_t used, wanted = (size_t)ex->framing.length + 1;

	if (!budget || budget->limit == 0 || !ex->route->consumes ||
		wanted > ex->policy->config->limits.max_body + 1)
		return true; /* past max_body it will be refused as what it is */
	used = mem_used(budget);
	return used <= budget->limit && wanted <= budget->limit - used;
}

static bool load_passes(struct exchange *ex, struct problem *problem)
{
	if (ex->route->health)
		return true;
	if (http_server_state(ex->server) == HTTP_DRAINING) {
		problem_set(problem, PROBLEM_DRAINING, "the server is shutting down");
		return false;
	}
	if (is_surplus(ex)) {
		http_server_gate_crowd(ex->policy->config->server.max_connections, problem);
		metrics_add(METRIC_CONNECTIONS_TURNED_AWAY, 1);
		ex->reply.close = true;
		return false;
	}
	if (!memory_passes(ex)) {
		problem_set(problem, PROBLEM_MEMORY_FULL,
			"limits.memory has no room for this body now");
		return false;
	}
	return true;
}

static enum MHD_Result join_accept(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct buf *out = cls;

	(void)kind;
	if (value && span_equals_nocase(span_of(key), "accept")) {
		if (out->len)
			buf_add_char(out, ',');
		buf_adds(out, value);
	}
	return MHD_YES;
}

static void list_types(const char *const *types, struct problem *problem)
{
	struct buf list;

	buf_init(&list, sizeof problem->detail);
	for (; *types; types++)
		buf_addf(&list, "%s%s", list.len ? ", " : "", *types);
	problem_set(problem, PROBLEM_NOT_ACCEPTABLE, "what there is: %s", list.ptr ? list.ptr : "");
	buf_free(&list);
}

static bool accept_passes(struct exchange *ex, struct problem *problem)
{
	struct buf accept;

	if (!ex->route->produces)
		return true;
	buf_init(&accept, ACCEPT_MAX);
	MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, join_accept, &accept);
	if (accept.failed)
		problem_set(problem, PROBLEM_MEMORY_FULL, "no memory for the Accept header");
	else
		ex->request.content_type_out = accept_choose(accept.ptr, ex->route->produces);
	if (!accept.failed && !ex->request.content_type_out)
		list_types(ex->route->produces, problem);
	buf_free(&accept);
	return ex->request.content_type_out != NULL;
}

static bool type_passes(struct exchange *ex, struct problem *problem)
{
	const char *type = exchange_header(ex, "Content-Type"), *why = NULL;

	if (!ex->route->consumes)
		return true;
	switch (accept_type_check(type, ex->route->consumes)) {
	case ACCEPT_TYPE_OK:
		if (exchange_header(ex, "Content-Encoding"))
			why = "a Content-Encoding is not taken: send the body as it is";
		break;
	case ACCEPT_TYPE_NDJSON:
		why = "application/x-ndjson is not taken here: send one document as "
		      "application/json, or give the lines to `batchgate run` on the command line; "
		      "POST /v1/jobs, which will take them, comes with a later version";
		break;
	case ACCEPT_TYPE_CHARSET:
		why = "the only charset taken is utf-8";
		break;
	case ACCEPT_TYPE_MISSING:
	case ACCEPT_TYPE_OTHER:
		problem_set(problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			"the Content-Type must be %s; with curl, say --json instead of -d or "
			"--data, or add -H 'Content-Type: %s'",
			ex->route->consumes, ex->route->consumes);
		return false;
	}
	if (why)
		problem_set(problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "%s", why);
	return !why;
}

static bool size_passes(struct exchange *ex, struct problem *problem)
{
	size_t max = ex->policy->config->limits.max_body;

	if (ex->framing.length <= max)
		return true;
	problem_set(problem, PROBLEM_BODY_TOO_LARGE,
		"the body has %llu bytes; limits.max_body is %zu",
		(unsigned long long)ex->framing.length, max);
	return false;
}

/* A refusal of the route's own comes at its place in the order: a 400 after everything else. */
static bool rest_passes(struct exchange *ex, struct problem *problem)
{
	struct problem own;
	bool admitted, passed;

	problem_init(&own);
	admitted = !ex->route->admit || ex->route->admit(ex->server->opt.service, ex, &own);
	if (!admitted && problem_status(own.code) != 400) {
		*problem = own;
		return false;
	}
	passed = accept_passes(ex, problem) && type_passes(ex, problem) && size_passes(ex, problem);
	if (passed && !admitted)
		*problem = own;
	else
		problem_free(&own);
	return passed && admitted;
}

/* False: `problem` says why not, or, without a code, OPTIONS has been answered. */
static bool pass(struct exchange *ex, const char *version, struct problem *problem)
{
	enum router_result result;

	if (!framing_passes(ex, version, problem))
		return false;
	ex->route =
		router_find(ex->server->opt.routes, ex->request.method, ex->request.path, &result);
	if (!route_passes(ex, result, problem))
		return false;
	if (result == ROUTER_OPTIONS) {
		if (!load_passes(ex, problem))
			return false;
		set_allow(ex);
		exchange_reply(ex, MHD_HTTP_NO_CONTENT, NULL, NULL, 0);
		return false;
	}
	return access_passes(ex, problem) && load_passes(ex, problem) && rest_passes(ex, problem);
}

bool http_server_gate_pass(struct exchange *ex, const char *version)
{
	struct problem problem;

	problem_init(&problem);
	if (pass(ex, version, &problem))
		return true;
	if (ex->framing.continue_wanted)
		ex->at_once = true;
	if (problem.code != PROBLEM_NONE)
		exchange_reply_problem(ex, &problem);
	return false;
}
