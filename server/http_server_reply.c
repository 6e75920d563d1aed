/* http_server_reply.c - from exchange_reply*, on any thread, to the answer that an http thread
 * queues.
 *
 * A reply is stored in the exchange, then `progress` is set: who finds the connection suspended
 * resumes it, and from that moment on the exchange is the http thread's again. Where the connection
 * is not suspended yet, the http thread finds REPLIED when it comes to suspending. */
#include "server/http_server_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "server/cors.h"

enum { PROBLEM_MAX = 512 * 1024 };

void http_server_reply_free(struct reply *reply)
{
	struct field *field = reply->fields, *after;

	for (; field; field = after) {
		after = field->next;
		mem_free(field->value);
		mem_free(field);
	}
	mem_free(reply->body);
	if (reply->has_source && reply->source.destroy)
		reply->source.destroy(reply->source.self);
	if (reply->stream_source.destroy)
		reply->stream_source.destroy(reply->stream_source.self);
	http_stream_unref(reply->stream);
	*reply = (struct reply){0};
}

void exchange_set_header(struct exchange *ex, const char *name, const char *value)
{
	size_t len = strlen(name);
	struct field *field = mem_try(sizeof *field + len + 1), **last = &ex->reply.fields;
	char *copy = mem_copy(value, strlen(value));

	if (!field || !copy) {
		mem_free(field);
		mem_free(copy);
		ex->reply.broken = true;
		return;
	}
	memcpy(field->name, name, len + 1);
	field->value = copy;
	while (*last)
		last = &(*last)->next;
	*last = field;
}

/* The reply is complete: back to the http thread with it. Nothing of the exchange may be touched
 * afterwards. */
static void settle(struct exchange *ex, unsigned status, const char *content_type)
{
	struct http_server *server = ex->server;
	struct MHD_Connection *connection = ex->connection;
	struct http_loop *loop = ex->client->loop;
	int before;

	ex->reply.status = status;
	if (content_type)
		exchange_set_header(ex, "Content-Type", content_type);
	if (!ex->reply.stream)
		watcher_disarm(server->watcher, ex->client->watch);
	http_server_begin_reply(server);
	before = atomic_exchange(&ex->progress, PROGRESS_REPLIED);
	REQUIRE(before != PROGRESS_REPLIED); /* answered twice */
	if (before == PROGRESS_SUSPENDED)
		http_loop_resume(loop, connection);
	http_server_end_reply(server);
}

void exchange_reply(struct exchange *ex, unsigned status, const char *content_type,
	const char *body, size_t len)
{
	if (len > 0) {
		ex->reply.body = mem_copy(body, len);
		ex->reply.len = len;
		if (!ex->reply.body)
			ex->reply.broken = true;
	}
	settle(ex, status, content_type);
}

void exchange_reply_buf(
	struct exchange *ex, unsigned status, const char *content_type, struct buf *body)
{
	if (body->failed)
		ex->reply.broken = true;
	ex->reply.body = buf_steal(body, &ex->reply.len);
	settle(ex, status, content_type);
}

void exchange_reply_source(struct exchange *ex, unsigned status, const char *content_type,
	const struct http_source *source)
{
	ex->reply.source = *source;
	ex->reply.has_source = true;
	settle(ex, status, content_type);
}

void exchange_reply_stream(struct exchange *ex, unsigned status, const char *content_type,
	struct http_stream *stream, const struct http_stream_source *source)
{
	ex->reply.stream = http_stream_ref(stream);
	ex->reply.stream_source = *source;
	settle(ex, status, content_type);
}

unsigned http_server_retry_after_s(struct http_server *server, const struct problem *problem)
{
	const struct http_server_options *opt = &server->opt;

	if (problem->retry_after_s)
		return problem->retry_after_s;
	if (problem_status(problem->code) != 503 || !opt->retry_after_s)
		return 1;
	return opt->retry_after_s(opt->service, problem->code);
}

void exchange_reply_problem(struct exchange *ex, struct problem *problem)
{
	unsigned status = problem_status(problem->code);
	struct buf body, seconds;

	ex->reply.problem = problem->code;
	buf_init(&body, PROBLEM_MAX);
	buf_init(&seconds, 32);
	problem_render(problem, ex->request_id, &body);
	if (status == 429 || status == 503 || problem->retry_after_s) {
		buf_add_u64(&seconds, http_server_retry_after_s(ex->server, problem));
		exchange_set_header(ex, "Retry-After", seconds.failed ? "1" : seconds.ptr);
	}
	buf_free(&seconds);
	problem_free(problem);
	exchange_reply_buf(ex, status, "application/problem+json", &body);
}

struct blocks { /* an answer that is read block by block; belongs to its MHD_Response */
	struct http_source source;
	struct watcher *watcher;
	struct watch *watch;
	uint64_t write_timeout_us;
	struct mem_budget *budget;
	size_t charged; /* libmicrohttpd's block */
};

static ssize_t read_blocks(void *cls, uint64_t pos, char *out, size_t max)
{
	struct blocks *blocks = cls;
	size_t len;

	/* Asked for more: the client has taken what came before. */
	watcher_set_deadline(
		blocks->watcher, blocks->watch, clock_add(clock_us(), blocks->write_timeout_us));
	len = blocks->source.read(blocks->source.self, pos, out, max);
	return len > 0 && len <= max ? (ssize_t)len : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_blocks(void *cls)
{
	struct blocks *blocks = cls;

	if (blocks->source.destroy)
		blocks->source.destroy(blocks->source.self);
	mem_give(blocks->budget, blocks->charged);
	mem_free(blocks);
}

struct held { /* a buffer as a source */
	char *body;
	size_t len;
};

static size_t read_held(void *self, uint64_t pos, char *out, size_t max)
{
	const struct held *held = self;
	size_t len = pos < held->len ? held->len - (size_t)pos : 0;

	if (len > max)
		len = max;
	memcpy(out, held->body + pos, len);
	return len;
}

static void free_held(void *self)
{
	struct held *held = self;

	mem_free(held->body);
	mem_free(held);
}

/* A buffer that takes longer to write than one block is read like a source, so that progress is
 * seen. */
static bool hold_large(struct reply *reply)
{
	struct held *held;

	if (reply->has_source || reply->len <= HTTP_BLOCK_BYTES)
		return true;
	held = mem_try(sizeof *held);
	if (!held)
		return false;
	*held = (struct held){reply->body, reply->len};
	reply->source = (struct http_source){held, reply->len, read_held, free_held};
	reply->has_source = true;
	reply->body = NULL;
	reply->len = 0;
	return true;
}

/* A small answer needs no large block; it is held until the client has taken it. */
static size_t block_size(uint64_t answer)
{
	return answer == 0 ? 1 : answer < HTTP_BLOCK_BYTES ? (size_t)answer : HTTP_BLOCK_BYTES;
}

static struct MHD_Response *make_blocks(struct exchange *ex)
{
	struct blocks *blocks = mem_try(sizeof *blocks);
	struct MHD_Response *response;

	if (!blocks)
		return NULL;
	blocks->source = ex->reply.source;
	blocks->watcher = ex->server->watcher;
	blocks->watch = ex->client->watch;
	blocks->write_timeout_us = ex->policy->config->server.write_timeout_ms * 1000;
	blocks->budget = ex->server->opt.budget;
	blocks->charged = block_size(ex->reply.source.size);
	response = MHD_create_response_from_callback(
		ex->reply.source.size, blocks->charged, read_blocks, blocks, free_blocks);
	if (!response) {
		mem_free(blocks);
		return NULL;
	}
	mem_owe(blocks->budget, blocks->charged);
	ex->reply.has_source = false;
	return response;
}

static struct MHD_Response *make_body(struct exchange *ex)
{
	struct MHD_Response *response;

	if (ex->reply.stream)
		return http_stream_respond(ex);
	if (!hold_large(&ex->reply))
		return NULL;
	if (ex->reply.has_source)
		return make_blocks(ex);
	if (ex->reply.len == 0)
		return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	response = MHD_create_response_from_buffer_with_free_callback(
		ex->reply.len, ex->reply.body, mem_free);
	if (response)
		ex->reply.body = NULL;
	return response;
}

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_cors(const struct exchange *ex, struct MHD_Response *response)
{
	const struct config_strings *origins = &ex->policy->config->server.cors_origins;
	const char *origin = cors_origin(origins, exchange_header(ex, "Origin"));

	if (cors_varies(origins) && !add(response, "Vary", "Origin"))
		return false;
	return !origin ||
	       (add(response, "Access-Control-Allow-Origin", origin) &&
		       add(response, "Access-Control-Expose-Headers", CORS_EXPOSE_HEADERS));
}

static bool add_fields(const struct exchange *ex, struct MHD_Response *response)
{
	for (const struct field *field = ex->reply.fields; field; field = field->next)
		if (!add(response, field->name, field->value))
			return false;
	if (ex->reply.close || http_server_state(ex->server) == HTTP_DRAINING)
		if (!add(response, "Connection", "close"))
			return false;
	return add(response, "X-Request-Id", ex->request_id) && add_cors(ex, response);
}

void http_server_arm(struct exchange *ex)
{
	if (!ex->armed)
		watcher_arm(ex->server->watcher, ex->client->watch, ex->departure);
	ex->armed = true;
}

/* Http thread. MHD_NO cuts the connection. */
enum MHD_Result http_server_reply_queue(struct exchange *ex)
{
	uint64_t write_timeout_us = ex->policy->config->server.write_timeout_ms * 1000;
	uint64_t size = ex->reply.has_source ? ex->reply.source.size : ex->reply.len;
	struct MHD_Response *response = ex->reply.broken ? NULL : make_body(ex);
	enum MHD_Result result = MHD_NO;

	watcher_set_deadline(
		ex->server->watcher, ex->client->watch, clock_add(clock_us(), write_timeout_us));
	if (response && add_fields(ex, response))
		result = MHD_queue_response(ex->connection, ex->reply.status, response);
	if (response)
		MHD_destroy_response(response);
	if (result != MHD_YES)
		return result;
	ex->stage = STAGE_QUEUED;
	if (ex->reply.stream)
		http_server_arm(ex);
	metrics_add(METRIC_RESPONSE_BYTES, size);
	return MHD_YES;
}
