/* submission.c - a posted batch, ad hoc or of a named endpoint: its items in, its results out: all
 * of them in order, or each as it completes.
 *
 * One `struct post` a request. The exchange holds it (until nobody can tell us any more that the
 * client left), the running batch (until it is complete), and a stream (until it has been read or
 * was cut). Whoever lets go last frees it. The answer is copied out of the rendered results while
 * the client reads: the batch's document at the end, or its stream from the beginning. */
#include <stdio.h>
#include <string.h>

#include "batch/batch.h"
#include "batch/scan.h"
#include "batch/stream.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "handlers/named.h"
#include "handlers/submission.h"
#include "handlers/trace.h"

enum { ID_SHOWN_BYTES = 256 };

struct shape { /* of the answer; a document where `streamed` is false */
	const char *produces, *content_type;
	bool streamed;
	enum stream_shape stream;
};

static const struct shape shapes[] = {
	{"application/json", "application/json", false, STREAM_NDJSON},
	{"application/x-ndjson", "application/x-ndjson", true, STREAM_NDJSON},
	{"text/event-stream", "text/event-stream", true, STREAM_SSE},
	{"text/plain", "text/plain; charset=utf-8", true, STREAM_TEXT},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

struct post {
	atomic_uint refs;
	struct service *service;
	struct snapshot *snapshot;
	const struct endpoint *endpoint; /* NULL: ad hoc; the snapshot's */
	struct exchange *ex;             /* until the reply */
	struct batch *batch;             /* NULL until it was parsed */
	const struct shape *shape;
	struct stream *stream;    /* NULL: the answer is a document */
	struct http_stream *flow; /* the same, as the server sees it */
	char *request_id;
	struct caller *caller;
	uint64_t started_us;
	atomic_bool client_gone;
};

static void post_unref(void *arg)
{
	struct post *post = arg;

	if (!post || atomic_fetch_sub(&post->refs, 1) != 1)
		return;
	http_stream_unref(post->flow);
	batch_unref(post->batch);
	caller_unref(post->caller);
	snapshot_unref(post->snapshot);
	mem_free(post->request_id);
	mem_free(post);
}

/* What the Accept header chose. */
static const struct shape *shape_of(const struct http_request *request)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (request->content_type_out &&
			strcmp(shapes[i].produces, request->content_type_out) == 0)
			return &shapes[i];
	return &shapes[0];
}

/* The reference is the asker's. */
static struct post *post_new(struct service *service, struct exchange *ex)
{
	const struct http_request *request = exchange_request(ex);
	struct post *post = mem_try(sizeof *post);

	if (!post)
		return NULL;
	atomic_init(&post->refs, 1);
	atomic_init(&post->client_gone, false);
	post->service = service;
	post->ex = ex;
	post->shape = shape_of(request);
	post->started_us = clock_us();
	post->snapshot = service_snapshot(service);
	post->caller = caller_ref(request->caller);
	post->request_id = mem_copy(request->request_id, strlen(request->request_id));
	if (!post->request_id) {
		post_unref(post);
		return NULL;
	}
	return post;
}

/* `"a"` is shown as a, 2 as 2; NULL where there is none. */
static const char *show_id(struct span id, char out[ID_SHOWN_BYTES + 1])
{
	struct buf text;

	if (span_equals(id, "null"))
		return NULL;
	if (id.ptr[0] != '"')
		return snprintf(out, ID_SHOWN_BYTES + 1, "%.*s", (int)id.len, id.ptr) < 0 ? NULL
											  : out;
	buf_init(&text, ID_SHOWN_BYTES);
	if (scan_string(id, &text) == ERR_OK && text.ptr)
		memcpy(out, text.ptr, text.len + 1);
	else
		out[0] = '\0';
	buf_free(&text);
	return out;
}

static enum log_level level_of(enum item_code code)
{
	if (code == ITEM_OK)
		return LOG_DEBUG;
	return code == ITEM_INTERNAL ? LOG_ERROR : LOG_INFO;
}

static const char *endpoint_name(const struct post *post)
{
	return post->endpoint ? post->endpoint->config->name : NULL;
}

/* Neither URL nor message: what a caller put into a query or a path may be a secret. */
static void log_item(const struct post *post, const struct batch_item_report *report)
{
	char id[ID_SHOWN_BYTES + 1];
	enum log_level level = level_of(report->code);

	if (!log_enabled(level))
		return;
	log_write(level, report->code == ITEM_OK ? "item" : "item_failed",
		LOG_FIELDS(LOG_S("request_id", post->request_id),
			LOG_S("endpoint", endpoint_name(post)), LOG_U("index", report->index),
			LOG_S("id", show_id(report->id, id)),
			LOG_S("code", code_text(report->code)),
			LOG_S("reason", report->reason == REASON_NONE
						? NULL
						: code_reason_text(report->reason)),
			LOG_S("host", report->host),
			report->status ? LOG_U("status", report->status) : LOG_S("status", NULL),
			LOG_U("attempts", report->attempts),
			LOG_MS("duration_ms", report->duration_us)));
}

static void item(void *self, const struct batch_item_report *report)
{
	const struct post *post = self;

	pace_end(&post->service->pace, report->attempts > 0 || report->code == ITEM_CIRCUIT_OPEN,
		clock_us());
	metrics_item(report->code);
	if (report->attempts > 0) {
		metrics_observe_us(METRIC_ITEM, report->duration_us);
		metrics_observe_us(METRIC_QUEUE_WAIT, report->queue_us);
	}
	log_item(post, report);
	if (post->flow)
		http_stream_wake(post->flow);
}

static void log_batch(struct post *post, const struct batch_summary *summary)
{
	log_info("batch", LOG_S("request_id", post->request_id),
		LOG_S("caller", post->caller->name), LOG_S("endpoint", endpoint_name(post)),
		LOG_U("items", summary->total), LOG_U("succeeded", summary->succeeded),
		LOG_U("failed", summary->failed), LOG_U("status", 200),
		LOG_B("client_gone", atomic_load(&post->client_gone)),
		LOG_MS("duration_ms", clock_us() - post->started_us));
}

static size_t read_document(void *self, uint64_t pos, char *out, size_t max)
{
	return batch_document_read(self, pos, out, max);
}

static void drop_document(void *self)
{
	batch_unref(self);
}

static void reply_document(struct post *post, struct batch *batch)
{
	struct http_source source = {
		.self = batch_ref(batch),
		.size = batch_document_size(batch),
		.read = read_document,
		.destroy = drop_document,
	};

	exchange_reply_source(post->ex, 200, post->shape->content_type, &source);
}

static void complete(void *self, struct batch *batch)
{
	struct post *post = self;
	struct service *service = post->service;
	struct batch_summary summary;

	batch_summary(batch, &summary);
	metrics_observe_us(METRIC_BATCH, summary.duration_us);
	log_batch(post, &summary);
	if (post->flow)
		http_stream_wake(post->flow);
	else
		reply_document(post, batch);
	post_unref(post);
	service_leave(service);
}

static size_t read_stream(void *self, char *out, size_t max, uint64_t *ret_again_us)
{
	struct post *post = self;
	size_t len = stream_read(post->stream, out, max, ret_again_us);

	return len == STREAM_END ? HTTP_STREAM_END : len == STREAM_CUT ? HTTP_STREAM_CUT : len;
}

/* It was read to its end, or its reader is gone or was cut: a batch without a reader is of no use.
 */
static void drop_stream(void *self)
{
	struct post *post = self;

	if (!stream_over(post->stream)) {
		atomic_store(&post->client_gone, true);
		batch_cancel(post->batch, POOL_CLIENT_GONE);
	}
	stream_destroy(post->stream);
	post_unref(post);
}

static void reply_stream(struct post *post)
{
	const struct http_stream_source source = {post, read_stream, drop_stream};

	exchange_set_header(post->ex, "Cache-Control", "no-store");
	exchange_set_header(post->ex, "X-Accel-Buffering", "no"); /* nginx passes it on at once */
	exchange_reply_stream(post->ex, 200, post->shape->content_type, post->flow, &source);
}

static void gone(void *arg)
{
	struct post *post = arg;

	atomic_store(&post->client_gone, true);
	batch_cancel(post->batch, POOL_CLIENT_GONE);
}

/* Reading items costs far more than counting them: where the queue is rather full, those that do
 * not fit are to be refused before. 0: not looked at. */
static size_t room_left(const struct post *post)
{
	size_t room;

	if (pace_items(&post->service->pace) <= post->snapshot->config->pool.queue_limit / 2)
		return 0;
	room = pool_room(post->service->pool);
	return room > 0 ? room : 1;
}

static bool parse(struct post *post, struct problem *problem)
{
	struct batch_env env = {
		.config = post->snapshot->config,
		.guard = post->snapshot->guard,
		.pool = post->service->pool,
		.budget = &post->service->budget,
	};
	const char *parent = exchange_header(post->ex, "traceparent");
	const char *state = exchange_header(post->ex, "tracestate");
	bool traced = trace_parent_valid(parent);
	struct batch_input input = {
		.request_id = post->request_id,
		.traceparent = traced ? parent : NULL,
		.tracestate = traced && trace_state_valid(state) ? state : NULL,
		.caller = post->caller,
		.endpoints = post->snapshot->endpoints,
		.endpoint = post->endpoint,
		.streamed = post->shape->streamed,
		.room = room_left(post),
		.outline = post->shape->streamed && post->shape->stream == STREAM_TEXT,
	};

	input.body = exchange_take_body(post->ex, &input.body_len, &input.charged);
	if (batch_parse(&env, &input, &post->batch, problem) == ERR_OK)
		return true;
	mem_free(input.body);
	mem_give(&post->service->budget, input.charged);
	return false;
}

static bool open_stream(struct post *post, struct problem *problem)
{
	post->stream = stream_new(post->batch, post->shape->stream);
	post->flow = http_stream_new(post->ex);
	if (post->stream && post->flow)
		return true;
	stream_destroy(post->stream);
	problem_set(
		problem, PROBLEM_MEMORY_FULL, "no memory for another stream; try again shortly");
	return false;
}

/* The exchange's reference goes with exchange_attach, the batch's with batch_start, the stream's
 * with the reply. */
static bool start(struct post *post, struct problem *problem)
{
	const struct batch_observer observer = {.self = post, .item = item, .complete = complete};
	struct pace *pace = &post->service->pace;
	bool streamed = post->shape->streamed;
	struct batch_summary summary;

	if (streamed && !open_stream(post, problem)) {
		post_unref(post);
		return false;
	}
	atomic_store(&post->refs, streamed ? 3 : 2);
	exchange_attach(post->ex, post, gone, post_unref);
	batch_summary(post->batch, &summary);
	pace_begin(pace, summary.total, clock_us());
	if (batch_start(post->batch, &observer, problem) == ERR_OK) {
		if (streamed)
			reply_stream(post);
		return true;
	}
	pace_forget(pace, summary.total);
	if (streamed) {
		stream_destroy(post->stream);
		post_unref(post);
	}
	post_unref(post);
	return false;
}

static bool begin(struct service *service, struct exchange *ex, bool named, struct problem *problem)
{
	struct post *post;

	if (exchange_header(ex, "Idempotency-Key")) {
		problem_set(problem, PROBLEM_IDEMPOTENCY_NEEDS_JOB,
			"a batch that is answered at once is not remembered, so Idempotency-Key "
			"cannot protect it; %s",
			named ? "an endpoint with `idempotent: true` sends a key with each call"
			      : "put the header into the items that need it");
		return false;
	}
	post = post_new(service, ex);
	if (!post) {
		problem_set(problem, PROBLEM_MEMORY_FULL,
			"no memory for another batch; try again shortly");
		return false;
	}
	if (named) /* a reload may have taken it away since it was admitted */
		post->endpoint = named_find(post->snapshot, ex, problem);
	/* Others' bodies were read meanwhile, and took the room it was admitted for: what is not
	 * parsed costs those that run nothing. */
	if ((post->endpoint || !named) &&
		submission_has_room(service, post->snapshot->config, problem) &&
		parse(post, problem))
		return start(post, problem);
	post_unref(post);
	return false;
}

void submission_run(struct service *service, struct exchange *ex, bool named)
{
	struct problem problem;

	problem_init(&problem);
	if (!service_enter(service)) {
		problem_set(&problem, PROBLEM_DRAINING,
			"this instance is shutting down; send the batch to another one");
		exchange_reply_problem(ex, &problem);
		return;
	}
	if (begin(service, ex, named, &problem))
		return;
	exchange_reply_problem(ex, &problem);
	service_leave(service);
}

bool submission_has_room(
	struct service *service, const struct config *config, struct problem *problem)
{
	if (pool_room(service->pool) > 0)
		return true;
	problem_set(problem, PROBLEM_QUEUE_FULL,
		"the queue of %zu calls is full; try again shortly", config->pool.queue_limit);
	return false;
}

/* As in `shapes`; ties go to the earlier one. */
const char *const submission_produces[] = {
	"application/json", "application/x-ndjson", "text/event-stream", "text/plain", NULL};
