/* fake_house.c - an exchange, a batch and a pool that do what a test says, in place of the real
 * ones. */
#include "tests/unit/handlers/fake_house.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "batch/stream.h"
#include "common/clock.h"
#include "common/log.h"

enum { REPLY_MAX_BYTES = 1 << 20, BUDGET_BYTES = 1000 };

struct batch {
	unsigned refs;
	char *body;
	size_t charged;
};

static struct fake_house *here; /* the functions replaced have no room for it */

void fake_house_init(struct fake_house *house)
{
	struct snapshot *snapshot;

	memset(house, 0, sizeof *house);
	here = house;
	log_configure(LOG_OFF, LOG_JSON, NULL, 0);
	house->has_room = true;
	house->config.targets.ad_hoc = true;
	house->config.upstreams = house->upstreams;
	house->caller = caller_new("team-a", true, false);
	house->ex.request = (struct http_request){.method = "POST",
		.path = "/v1/batch",
		.query = "",
		.request_id = "id-1",
		.caller = house->caller};
	house->ex.body = "{}";
	house->ex.charged = 100;
	buf_init(&house->ex.reply, REPLY_MAX_BYTES);
	ck_assert_int_eq(buf_reserve(&house->ex.reply, REPLY_MAX_BYTES / 2), ERR_OK);
	service_init(&house->service, BUDGET_BYTES);
	ck_assert(mem_take(&house->service.budget, house->ex.charged));
	snapshot = snapshot_new(&house->config, NULL, NULL);
	ck_assert_ptr_nonnull(snapshot);
	service_set(&house->service, snapshot);
}

void fake_house_end(struct fake_house *house)
{
	ck_assert_uint_eq(house->ex.replies, 1);
	if (house->stream_source.destroy)
		fake_house_drop_stream(house);
	if (house->ex.destroy)
		house->ex.destroy(house->ex.context);
	ck_assert_uint_eq(service_running(&house->service), 0);
	ck_assert_int_eq(house->batches_alive, 0);
	ck_assert_int_eq(house->streams_alive, 0);
	ck_assert_uint_eq(mem_used(&house->service.budget), 0);
	ck_assert_uint_eq(atomic_load(&house->caller->refs), 1);
	service_free(&house->service);
	ck_assert_int_eq(house->guards_alive, 0);
	caller_unref(house->caller);
	buf_free(&house->ex.reply);
}

void fake_house_header(struct fake_house *house, const char *name, const char *value)
{
	size_t i = 0;

	while (house->ex.header_names[i])
		i++;
	house->ex.header_names[i] = name;
	house->ex.header_values[i] = value;
}

void fake_house_run(struct fake_house *house, const struct route *route)
{
	route->run(&house->service, &house->ex);
}

void fake_house_complete(struct fake_house *house)
{
	struct batch *batch = house->batch;

	ck_assert_ptr_nonnull(batch);
	house->batch = NULL;
	house->observer.complete(house->observer.self, batch);
}

void fake_house_drop_stream(struct fake_house *house)
{
	struct http_stream_source source = house->stream_source;

	memset(&house->stream_source, 0, sizeof house->stream_source);
	source.destroy(source.self);
}

/* server/http.h */

const struct http_request *exchange_request(const struct exchange *ex)
{
	return &ex->request;
}

const struct route *exchange_route(const struct exchange *ex)
{
	return ex->route;
}

enum problem_code exchange_problem(const struct exchange *ex)
{
	return ex->problem;
}

const char *exchange_header(const struct exchange *ex, const char *name)
{
	for (size_t i = 0; ex->header_names[i]; i++)
		if (strcasecmp(ex->header_names[i], name) == 0)
			return ex->header_values[i];
	return NULL;
}

char *exchange_take_body(struct exchange *ex, size_t *ret_len, size_t *ret_charged)
{
	char *copy = NULL;

	while (!copy) /* the sweep's failure is not meant for us */
		copy = mem_copy(ex->body, strlen(ex->body));
	*ret_len = strlen(ex->body);
	*ret_charged = ex->charged;
	ex->charged = 0;
	return copy;
}

void exchange_attach(struct exchange *ex, void *context, void (*gone)(void *context),
	void (*destroy)(void *context))
{
	ck_assert(!ex->destroy);
	ck_assert_uint_eq(ex->replies, 0);
	ex->context = context;
	ex->gone = gone;
	ex->destroy = destroy;
}

void exchange_set_header(struct exchange *ex, const char *name, const char *value)
{
	size_t len = strlen(ex->fields);

	ck_assert_uint_eq(ex->replies, 0);
	ck_assert(*name && *value);
	snprintf(ex->fields + len, sizeof ex->fields - len, "%s: %s;", name, value);
}

/* A body that nobody took is given back with the exchange, as the server does it. */
static void reply(struct exchange *ex, unsigned status, const char *content_type)
{
	ex->replies++;
	ex->status = status;
	snprintf(ex->content_type, sizeof ex->content_type, "%s", content_type ? content_type : "");
	mem_give(&here->service.budget, ex->charged);
	ex->charged = 0;
}

void exchange_reply(struct exchange *ex, unsigned status, const char *content_type,
	const char *body, size_t len)
{
	reply(ex, status, content_type);
	ck_assert_int_eq(buf_add(&ex->reply, body, len), ERR_OK);
}

void exchange_reply_buf(
	struct exchange *ex, unsigned status, const char *content_type, struct buf *body)
{
	exchange_reply(ex, status, content_type, body->ptr, body->len);
	buf_free(body);
}

void exchange_reply_stream(struct exchange *ex, unsigned status, const char *content_type,
	struct http_stream *stream, const struct http_stream_source *source)
{
	ck_assert_ptr_nonnull(stream);
	reply(ex, status, content_type);
	here->stream_source = *source;
}

struct http_stream { /* the exchange's reference goes with fake_house_end */
	unsigned refs;
};

struct http_stream *http_stream_new(struct exchange *ex)
{
	struct http_stream *stream = mem_try(sizeof *stream);

	ck_assert_uint_eq(ex->replies, 0);
	if (stream) {
		stream->refs = 1;
		here->streams_alive++;
	}
	return stream;
}

struct http_stream *http_stream_ref(struct http_stream *stream)
{
	stream->refs++;
	return stream;
}

void http_stream_unref(struct http_stream *stream)
{
	if (!stream || --stream->refs > 0)
		return;
	mem_free(stream);
	here->streams_alive--;
}

void http_stream_wake(struct http_stream *stream)
{
	ck_assert_uint_gt(stream->refs, 0);
	here->wakes++;
}

/* batch/stream.h: says the first letter of its shape until the batch is complete */

struct stream {
	struct batch *batch;
	enum stream_shape shape;
	bool over;
};

struct stream *stream_new(struct batch *batch, enum stream_shape shape)
{
	struct stream *stream = mem_try(sizeof *stream);

	if (!stream)
		return NULL;
	*stream = (struct stream){batch_ref(batch), shape, false};
	here->streams_alive++;
	return stream;
}

size_t stream_read(struct stream *stream, char *out, size_t max, uint64_t *ret_again_us)
{
	ck_assert_uint_gt(max, 0);
	*ret_again_us = CLOCK_NEVER;
	if (here->stream_cut)
		return STREAM_CUT;
	if (!here->batch) {
		stream->over = true;
		return STREAM_END;
	}
	*out = "nst"[stream->shape];
	return 1;
}

bool stream_over(const struct stream *stream)
{
	return stream->over;
}

void stream_destroy(struct stream *stream)
{
	if (!stream)
		return;
	batch_unref(stream->batch);
	mem_free(stream);
	here->streams_alive--;
}

void exchange_reply_source(struct exchange *ex, unsigned status, const char *content_type,
	const struct http_source *source)
{
	char block[7];
	size_t got;

	reply(ex, status, content_type);
	while (ex->reply.len < source->size) {
		got = source->read(source->self, ex->reply.len, block, sizeof block);
		ck_assert_uint_gt(got, 0);
		ck_assert_int_eq(buf_add(&ex->reply, block, got), ERR_OK);
	}
	if (source->destroy)
		source->destroy(source->self);
}

void exchange_reply_problem(struct exchange *ex, struct problem *problem)
{
	ex->problem = problem->code;
	snprintf(ex->detail, sizeof ex->detail, "%s", problem->detail);
	reply(ex, problem_status(problem->code), "application/problem+json");
	problem_free(problem);
}

enum http_state http_server_state(const struct http_server *server)
{
	(void)server;
	return here->state;
}

size_t http_server_connections(const struct http_server *server)
{
	(void)server;
	return 3;
}

/* batch/batch.h */

enum err_code batch_parse(const struct batch_env *env, const struct batch_input *input,
	struct batch **ret_batch, struct problem *problem)
{
	struct batch *batch;

	ck_assert_ptr_eq(env->config, &here->config);
	ck_assert_str_eq(input->request_id, "id-1");
	ck_assert_ptr_eq(input->caller, here->caller);
	snprintf(here->traceparent, sizeof here->traceparent, "%s",
		input->traceparent ? input->traceparent : "");
	snprintf(here->tracestate, sizeof here->tracestate, "%s",
		input->tracestate ? input->tracestate : "");
	here->streamed = input->streamed;
	here->outline = input->outline;
	batch = here->parse_refused ? NULL : mem_try(sizeof *batch);
	if (!batch) {
		problem_set(problem, PROBLEM_INVALID_REQUEST, "no");
		return ERR_INVALID;
	}
	*batch = (struct batch){.refs = 1, .body = input->body, .charged = input->charged};
	here->batches_alive++;
	*ret_batch = batch;
	return ERR_OK;
}

enum err_code batch_start(
	struct batch *batch, const struct batch_observer *observer, struct problem *problem)
{
	if (here->start == FAKE_REFUSED) {
		problem_set(problem, PROBLEM_QUEUE_FULL, "full");
		return ERR_BUSY;
	}
	here->batch = batch;
	here->observer = *observer;
	if (here->start == FAKE_AT_ONCE)
		fake_house_complete(here);
	return ERR_OK;
}

void batch_cancel(struct batch *batch, enum pool_cancel why)
{
	ck_assert_uint_gt(batch->refs, 0);
	here->cancelled = why;
}

void batch_summary(const struct batch *batch, struct batch_summary *ret_summary)
{
	ck_assert_uint_gt(batch->refs, 0);
	*ret_summary = (struct batch_summary){.total = 2, .succeeded = 1, .failed = 1};
}

uint64_t batch_document_size(const struct batch *batch)
{
	(void)batch;
	return strlen(FAKE_DOCUMENT);
}

size_t batch_document_read(struct batch *batch, uint64_t pos, char *out, size_t max)
{
	size_t left = strlen(FAKE_DOCUMENT) - pos;

	ck_assert_uint_gt(batch->refs, 0);
	memcpy(out, &FAKE_DOCUMENT[pos], left < max ? left : max);
	return left < max ? left : max;
}

struct batch *batch_ref(struct batch *batch)
{
	batch->refs++;
	return batch;
}

void batch_unref(struct batch *batch)
{
	if (!batch || --batch->refs > 0)
		return;
	mem_give(&here->service.budget, batch->charged);
	mem_free(batch->body);
	mem_free(batch);
	here->batches_alive--;
}

/* pool/pool.h, pool/guard.h, common/config.h */

size_t pool_room(struct pool *pool)
{
	(void)pool;
	return here->has_room ? 100 : 0;
}

void pool_stats(struct pool *pool, struct pool_stats *ret_stats)
{
	(void)pool;
	*ret_stats = (struct pool_stats){.in_flight = 4, .queued = 5};
}

void pool_rule_stats(struct pool *pool, struct upstream_rule_stats *ret_stats, size_t count)
{
	(void)pool;
	memcpy(ret_stats, here->rule_stats, count * sizeof *ret_stats);
}

size_t pool_upstreams(struct pool *pool, struct upstream_info *ret_infos, size_t room)
{
	(void)pool;
	if (here->info_count > 0)
		memcpy(ret_infos, here->infos,
			(here->info_count < room ? here->info_count : room) * sizeof *ret_infos);
	return here->info_count;
}

struct guard *guard_ref(struct guard *guard)
{
	here->guards_alive++;
	return guard;
}

void guard_unref(struct guard *guard)
{
	(void)guard;
	here->guards_alive--;
}

struct config *config_ref(struct config *config)
{
	return config;
}

void config_unref(struct config *config)
{
	(void)config;
}

/* ---- batch/endpoint: there is none ---- */

struct endpoint_set *endpoint_set_ref(struct endpoint_set *set)
{
	return set;
}

void endpoint_set_unref(struct endpoint_set *set)
{
	ck_assert_ptr_null(set);
}

size_t endpoint_count(const struct endpoint_set *set)
{
	ck_assert_ptr_null(set);
	return 0;
}

const struct endpoint *endpoint_at(const struct endpoint_set *set, size_t index)
{
	(void)index;
	ck_assert_ptr_null(set);
	return NULL;
}

const struct endpoint *endpoint_find(const struct endpoint_set *set, const char *name)
{
	(void)name;
	ck_assert_ptr_null(set);
	return NULL;
}
