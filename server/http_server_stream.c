/* http_server_stream.c - answers that grow while they are read.
 *
 *   FLOWING -nothing to say-> PAUSED (its connection is suspended) -wake or alarm-> WOKEN
 *
 *   WOKEN -read-> FLOWING
 *
 *   FLOWING -wake-> WOKEN: the reader that comes to pausing finds it, and reads again
 *
 * Who turns PAUSED into WOKEN resumes the connection; nobody else does, so that it is resumed once,
 * and lives until then. The rest of a stream is the http thread's alone. */
#include "server/http_server_internal.h"

#include <string.h>

#include "common/clock.h"
#include "common/metrics.h"

/* libmicrohttpd's block is used for HTTP/1.0 only; chunks are made in the connection's own memory.
 */
enum { BLOCK_BYTES = 4096 };
enum flow { FLOWING, PAUSED, WOKEN };

struct http_stream {
	struct heap_node alarm; /* first, so that a node is a stream */
	atomic_uint refs;
	atomic_int flow;
	struct http_server *server;
	struct http_loop *loop;
	struct MHD_Connection *connection; /* while it is read */
	struct watch *watch;
	struct http_stream_source source;
	uint64_t write_timeout_us;
	size_t charged;
};

struct http_stream *http_stream_new(struct exchange *ex)
{
	struct http_stream *stream = mem_try(sizeof *stream);

	if (!stream)
		return NULL;
	atomic_init(&stream->refs, 1);
	atomic_init(&stream->flow, FLOWING);
	stream->server = ex->server;
	stream->loop = ex->client->loop;
	stream->connection = ex->connection;
	stream->watch = ex->client->watch;
	stream->write_timeout_us = ex->policy->config->server.write_timeout_ms * 1000;
	return stream;
}

struct http_stream *http_stream_ref(struct http_stream *stream)
{
	atomic_fetch_add(&stream->refs, 1);
	return stream;
}

void http_stream_unref(struct http_stream *stream)
{
	if (stream && atomic_fetch_sub(&stream->refs, 1) == 1)
		mem_free(stream);
}

static bool was_paused(struct http_stream *stream)
{
	return atomic_exchange(&stream->flow, WOKEN) == PAUSED;
}

void http_stream_wake(struct http_stream *stream)
{
	int flowing = FLOWING;

	/* Mostly it is being read, or has been woken: then the server need not be held. */
	if (atomic_compare_exchange_strong(&stream->flow, &flowing, WOKEN) || flowing == WOKEN)
		return;
	http_server_begin_reply(stream->server);
	if (was_paused(stream))
		http_loop_resume(stream->loop, stream->connection);
	http_server_end_reply(stream->server);
}

void http_stream_ring(struct http_loop *loop, uint64_t now_us)
{
	while (heap_due(&loop->alarms) <= now_us) {
		struct http_stream *stream = (struct http_stream *)heap_first(&loop->alarms);

		heap_remove(&loop->alarms, &stream->alarm);
		if (was_paused(stream))
			MHD_resume_connection(stream->connection); /* MHD_run is next */
	}
}

static void pause_reading(struct http_stream *stream, uint64_t again_us)
{
	int flowing = FLOWING;

	/* All that was said has been taken: this waits for us, not for the client. */
	watcher_set_deadline(stream->server->watcher, stream->watch, CLOCK_NEVER);
	if (again_us != CLOCK_NEVER)
		heap_set(&stream->loop->alarms, &stream->alarm, again_us);
	MHD_suspend_connection(stream->connection);
	if (!atomic_compare_exchange_strong(&stream->flow, &flowing, PAUSED))
		http_loop_resume(stream->loop, stream->connection);
}

static ssize_t read_stream(void *cls, uint64_t pos, char *out, size_t max)
{
	struct http_stream *stream = cls;
	uint64_t again_us = CLOCK_NEVER;
	size_t len;

	(void)pos;
	heap_remove(&stream->loop->alarms, &stream->alarm);
	/* The client has taken what came before; what is said now, be it the end, has its time. */
	watcher_set_deadline(stream->server->watcher, stream->watch,
		clock_add(clock_us(), stream->write_timeout_us));
	atomic_store(&stream->flow, FLOWING);
	len = stream->source.read(stream->source.self, out, max, &again_us);
	if (len == HTTP_STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (len > max) /* HTTP_STREAM_CUT */
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (len == 0) {
		pause_reading(stream, again_us);
		return 0;
	}
	metrics_add(METRIC_RESPONSE_BYTES, len);
	return (ssize_t)len;
}

static void free_stream(void *cls)
{
	struct http_stream *stream = cls;

	heap_remove(&stream->loop->alarms, &stream->alarm);
	stream->source.destroy(stream->source.self);
	mem_give(stream->server->opt.budget, stream->charged);
	http_stream_unref(stream);
}

struct MHD_Response *http_stream_respond(struct exchange *ex)
{
	struct http_stream *stream = ex->reply.stream;
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, free_stream);

	if (!response)
		return NULL;
	/* libmicrohttpd (0.9.75) sends the last chunk of a body that HEAD has not: nobody may take
	 * it for the beginning of the next answer. */
	if (strcmp(ex->request.method, "HEAD") == 0)
		ex->reply.close = true;
	stream->source = ex->reply.stream_source;
	stream->charged = mem_block(sizeof *stream) + mem_block(BLOCK_BYTES);
	mem_owe(stream->server->opt.budget, stream->charged);
	memset(&ex->reply.stream_source, 0, sizeof ex->reply.stream_source);
	http_stream_ref(stream);
	return response;
}
