/* http_server_exchange.c - libmicrohttpd's callbacks: an exchange from request line to end, and its
 * body.
 *
 *   NEW -> COLLECT -> READY -> RUN -> QUEUED   a request that passed the gate
 *   NEW -> DISCARD -> QUEUED                   a refused one: its body is read and forgotten, so
 *                                              that the client gets to read the answer
 *          COLLECT -> DISCARD                  a body that is too large, or finds no memory
 *   NEW -> DISCARD -> QUEUED, body unread      at once; libmicrohttpd closes after such an answer
 *
 * All of it on the http thread of the connection. */
#include "server/http_server_internal.h"

#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/metrics.h"

enum { BODY_FIRST = 4096, BODY_EXACT_MAX = 64 * 1024, BODY_WASTE_MAX = 4096 };
enum { SURPLUS_HEADER_MS = 2000 /* who is to be refused has not long to say what it wants */ };

static void set_deadline(struct http_server *server, struct client *client, uint64_t span_ms)
{
	watcher_set_deadline(server->watcher, client->watch, clock_add(clock_us(), span_ms * 1000));
}

static struct client *client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

static struct client *add_client(struct http_loop *loop, int fd)
{
	struct http_server *server = loop->server;
	struct policy *policy = http_server_policy(server);
	uint64_t header_ms = policy->config->server.header_timeout_ms;
	struct client *client = mem_try(sizeof *client);

	http_server_unref_policy(policy);
	if (!client)
		return NULL;
	client->loop = loop;
	client->fd = fd;
	client->surplus = http_door_is_surplus(loop, fd);
	if (client->surplus && header_ms > SURPLUS_HEADER_MS)
		header_ms = SURPLUS_HEADER_MS;
	client->header_due_us = clock_add(clock_us(), header_ms * 1000);
	client->watch = watcher_add(server->watcher, fd, client->header_due_us);
	if (client->watch) {
		http_idle_begin(client);
		return client;
	}
	mem_free(client);
	return NULL;
}

void http_server_client_notice(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode what)
{
	struct http_loop *loop = cls;
	struct http_server *server = loop->server;
	struct client *client = *socket_context;
	int fd;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			     ->connect_fd;
		metrics_add(METRIC_CONNECTIONS, 1);
		*socket_context = add_client(loop, fd);
		if (!*socket_context) /* nobody would watch it */
			shutdown(fd, SHUT_RDWR);
		return;
	}
	*socket_context = NULL;
	if (client) {
		http_idle_end(client);
		watcher_remove(server->watcher, client->watch);
	}
	mem_free(client);
}

static struct exchange *make_exchange(const char *uri)
{
	size_t len = uri ? strlen(uri) : 0;
	struct exchange *ex = mem_try(sizeof *ex + 2 * len + 3);
	char *mark;

	if (!ex)
		return NULL;
	ex->path = ex->query = ex->target;
	if (!uri)
		return ex;
	memcpy(ex->target, uri, len + 1);
	ex->whole = ex->target + len + 2;
	memcpy(ex->whole, uri, len + 1);
	mark = strchr(ex->target, '?');
	ex->query = mark ? mark + 1 : ex->target + len;
	if (mark)
		*mark = '\0';
	return ex;
}

/* The request line has been read. NULL, without memory or client: the handler will cut the
 * connection. */
void *http_server_exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct http_loop *loop = cls;
	struct http_server *server = loop->server;
	struct client *client = client_of(connection);
	struct exchange *ex = client ? make_exchange(uri) : NULL;

	if (client)
		http_idle_end(client);
	if (!ex)
		return NULL;
	ex->server = server;
	ex->connection = connection;
	ex->client = client;
	ex->policy = http_server_policy(server);
	ex->started_us = clock_us();
	atomic_init(&ex->progress, PROGRESS_RUNNING);
	ex->request.path = ex->path;
	ex->request.query = ex->query;
	ex->request.request_id = ex->request_id;
	if (client->asked)
		set_deadline(server, client, ex->policy->config->server.header_timeout_ms);
	client->asked = true;
	return ex;
}

static void free_body(struct exchange *ex)
{
	mem_free(ex->body.ptr);
	mem_give(ex->server->opt.budget, ex->body.capacity);
	memset(&ex->body, 0, sizeof ex->body);
}

static void refuse_body(struct exchange *ex, struct problem *problem)
{
	free_body(ex);
	ex->stage = STAGE_DISCARD;
	exchange_reply_problem(ex, problem);
}

static void refuse_memory(struct exchange *ex)
{
	struct problem problem;

	problem_init(&problem);
	problem_set(&problem, PROBLEM_MEMORY_FULL, "limits.memory has no room for this body now");
	refuse_body(ex, &problem);
}

static void refuse_size(struct exchange *ex)
{
	struct problem problem;

	problem_init(&problem);
	problem_set(&problem, PROBLEM_BODY_TOO_LARGE,
		"the body has more than limits.max_body (%zu) bytes",
		ex->policy->config->limits.max_body);
	refuse_body(ex, &problem);
}

/* Room for `need` bytes and a NUL, never more than the announced length or the limit asks for. */
static bool reserve(struct exchange *ex, size_t need)
{
	size_t most = ex->framing.chunked ? ex->policy->config->limits.max_body + 1
					  : (size_t)ex->framing.length + 1;
	size_t old = ex->body.capacity, capacity = old                      ? old
						   : most <= BODY_EXACT_MAX ? most
									    : BODY_FIRST;
	char *ptr;

	if (need < old)
		return true;
	while (capacity <= need)
		capacity *= 2;
	if (capacity > most)
		capacity = most;
	if (!mem_take(ex->server->opt.budget, capacity - old))
		return false;
	ptr = mem_resize(ex->body.ptr, capacity);
	if (!ptr) {
		mem_give(ex->server->opt.budget, capacity - old);
		return false;
	}
	ex->body.ptr = ptr;
	ex->body.capacity = capacity;
	return true;
}

static void collect(struct exchange *ex, const char *data, size_t size)
{
	if (ex->received > ex->policy->config->limits.max_body) {
		refuse_size(ex);
	} else if (ex->route->consumes) {
		if (!reserve(ex, ex->body.len + size)) {
			refuse_memory(ex);
			return;
		}
		memcpy(ex->body.ptr + ex->body.len, data, size);
		ex->body.len += size;
	}
}

static enum MHD_Result take_data(struct exchange *ex, const char *data, size_t size)
{
	ex->received += size;
	if (ex->stage == STAGE_COLLECT)
		collect(ex, data, size);
	else
		ex->discarded += size;
	return ex->discarded > HTTP_DISCARD_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result run_route(struct exchange *ex)
{
	struct http_server *server = ex->server;
	int running = PROGRESS_RUNNING;

	ex->stage = STAGE_RUN;
	watcher_begin(server->watcher, ex->client->watch);
	ex->route->run(server->opt.service, ex);
	if (atomic_load(&ex->progress) == PROGRESS_REPLIED)
		return http_server_reply_queue(ex);
	MHD_suspend_connection(ex->connection);
	http_server_arm(ex);
	/* Where the reply came in between, nobody but this thread knows that the connection is
	 * suspended. */
	if (!atomic_compare_exchange_strong(&ex->progress, &running, PROGRESS_SUSPENDED))
		http_loop_resume(ex->client->loop, ex->connection);
	return MHD_YES;
}

static enum MHD_Result finish_request(struct exchange *ex)
{
	if (ex->stage == STAGE_DISCARD)
		return http_server_reply_queue(ex);
	ex->departure = departure_new();
	if (!ex->departure || (ex->route->consumes && !reserve(ex, ex->body.len))) {
		refuse_memory(ex);
		return http_server_reply_queue(ex);
	}
	if (ex->body.ptr)
		ex->body.ptr[ex->body.len] = '\0';
	/* The route runs in the next call, which follows at once. A connection that is suspended
	 * out of a read is read first when it is resumed, and closed before the answer where its
	 * client has half-closed; this turn brings it out of reading. */
	ex->stage = STAGE_READY;
	return MHD_YES;
}

static enum MHD_Result headers_done(struct exchange *ex, const char *method, const char *version)
{
	ex->request.method = method;
	http_server_count_answer(ex);
	request_id_choose(exchange_header(ex, "X-Request-Id"), ex->request_id);
	ex->stage = http_server_gate_pass(ex, version) ? STAGE_COLLECT : STAGE_DISCARD;
	if (ex->stage == STAGE_DISCARD && (ex->at_once || ex->framing.length > HTTP_DISCARD_MAX))
		return http_server_reply_queue(ex);
	set_deadline(ex->server, ex->client, ex->policy->config->server.body_timeout_ms);
	return MHD_YES;
}

/* Called with the headers, then with each piece of body, then once more; and again when a suspended
 * connection is resumed. */
enum MHD_Result http_server_exchange_handle(void *cls, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version, const char *data, size_t *size,
	void **request_context)
{
	struct exchange *ex = *request_context;
	enum MHD_Result result;

	(void)cls;
	(void)connection;
	(void)url; /* has been decoded in place: routes see what stood on the wire */
	if (!ex)
		return MHD_NO;
	if (ex->stage == STAGE_NEW)
		return headers_done(ex, method, version);
	if (*size > 0) {
		result = take_data(ex, data, *size);
		*size = 0;
		return result;
	}
	if (ex->stage == STAGE_READY)
		return run_route(ex);
	return ex->stage == STAGE_RUN ? http_server_reply_queue(ex) : finish_request(ex);
}

void http_server_exchange_end(void *cls, struct MHD_Connection *connection, void **request_context,
	enum MHD_RequestTerminationCode reason)
{
	struct http_loop *loop = cls;
	struct http_server *server = loop->server;
	struct client *client = client_of(connection);
	struct exchange *ex = *request_context;

	*request_context = NULL;
	if (!ex)
		return;
	if (ex->armed)
		watcher_disarm(server->watcher, client->watch);
	if (reason == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
		watcher_end(server->watcher, client->watch,
			clock_add(clock_us(), ex->policy->config->server.idle_timeout_ms * 1000));
		http_idle_begin(client);
	}
	if (ex->stage == STAGE_QUEUED && server->opt.answered)
		server->opt.answered(
			server->opt.service, ex, ex->reply.status, clock_us() - ex->started_us);
	metrics_add(METRIC_REQUEST_BYTES, ex->received);
	free_body(ex);
	http_server_reply_free(&ex->reply);
	departure_unref(ex->departure);
	caller_unref(ex->request.caller);
	http_server_unref_policy(ex->policy);
	http_server_end_answer(ex);
	mem_free(ex);
}

enum problem_code exchange_problem(const struct exchange *ex)
{
	return ex->reply.problem;
}

const struct route *exchange_route(const struct exchange *ex)
{
	return ex->route;
}

const struct http_request *exchange_request(const struct exchange *ex)
{
	return &ex->request;
}

const char *exchange_header(const struct exchange *ex, const char *name)
{
	return MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, name);
}

char *exchange_take_body(struct exchange *ex, size_t *ret_len, size_t *ret_charged)
{
	size_t waste = ex->body.capacity - ex->body.len;
	char *ptr = ex->body.ptr;

	if (ptr && waste > BODY_WASTE_MAX) {
		char *fit = mem_resize(ptr, ex->body.len + 1);

		if (fit) {
			ptr = fit;
			ex->body.capacity = ex->body.len + 1;
			mem_give(ex->server->opt.budget, waste - 1);
		}
	}
	*ret_len = ex->body.len;
	*ret_charged = ex->body.capacity;
	memset(&ex->body, 0, sizeof ex->body);
	return ptr;
}

void exchange_attach(struct exchange *ex, void *context, void (*gone)(void *context),
	void (*destroy)(void *context))
{
	departure_set(ex->departure, context, gone, destroy);
}
