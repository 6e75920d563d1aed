/* toys.h - a real HTTP server on a free port with toy routes, for the tests of the HTTP front. */
#ifndef TESTS_UNIT_SERVER_TOYS_H
#define TESTS_UNIT_SERVER_TOYS_H
#include <pthread.h>
#include <stdatomic.h>

#include "common/digest.h"
#include "server/http_server.h"
#include "wire.h"

#define GET_OK "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
#define JSON "Content-Type: application/json\r\n"

enum { TOY_BIG_BYTES = 5 * 1024 * 1024, TOY_HELD_MAX = 256 };

struct toy { /* an exchange that is answered later */
	struct exchange *ex;
	struct toys *toys;
	struct toy *next;
	atomic_uint refs;
	atomic_bool answered;
};

struct toys {
	struct config config;
	struct config_key keys[2];
	uint8_t hashes[2][32];
	char *origins[2];
	struct mem_budget budget;
	struct http_server *server;
	const struct route *const *routes; /* NULL: the toy routes below */
	unsigned retry_after_s;            /* 0: nobody says */
	pthread_t worker;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct toy *queue;
	bool closing;
	struct exchange *held;       /* by /hold, until its client goes */
	bool blocked, unblock;       /* an http thread is kept busy by /block; it may go on */
	unsigned destroyed, sources; /* under the lock */
	atomic_uint gone, answered, runs;
	atomic_uint last_status;
};

static inline void toy_gone(void *context)
{
	struct toy *toy = context;

	atomic_fetch_add(&toy->toys->gone, 1);
	if (!atomic_exchange(&toy->answered, true))
		exchange_reply(toy->ex, 200, "text/plain", "you left", 8);
}

static inline void toy_unref(struct toy *toy)
{
	if (atomic_fetch_sub(&toy->refs, 1) == 1)
		free(toy);
}

static inline void toy_destroy(void *context)
{
	struct toy *toy = context;

	pthread_mutex_lock(&toy->toys->lock);
	toy->toys->destroyed++;
	pthread_cond_broadcast(&toy->toys->changed);
	pthread_mutex_unlock(&toy->toys->lock);
	toy_unref(toy);
}

static inline struct toy *toy_attach(struct toys *toys, struct exchange *ex)
{
	struct toy *toy = calloc(1, sizeof *toy);

	toy->ex = ex;
	toy->toys = toys;
	atomic_init(&toy->refs, 1);
	exchange_attach(ex, toy, toy_gone, toy_destroy);
	return toy;
}

static inline void run_ok(void *service, struct exchange *ex)
{
	struct toys *toys = service;

	atomic_fetch_add(&toys->runs, 1);
	exchange_reply(ex, 200, "text/plain", "hello", 5);
}

static inline void run_echo(void *service, struct exchange *ex)
{
	struct toys *toys = service;
	size_t len, charged;
	char *body = exchange_take_body(ex, &len, &charged);

	atomic_fetch_add(&toys->runs, 1);
	/* Check's own assertions are for the test's thread alone, not for the server's */
	REQUIRE(body && body[len] == '\0' && charged >= len);
	if (exchange_request(ex)->content_type_out)
		exchange_set_header(ex, "X-Type", exchange_request(ex)->content_type_out);
	exchange_reply(ex, 200, "application/json", body, len);
	mem_free(body);
	mem_give(&toys->budget, charged);
}

/* Answered by another thread, as soon as it gets to it: before, while or after the connection is
 * suspended. */
static inline void run_later(void *service, struct exchange *ex)
{
	struct toys *toys = service;
	struct toy *toy = toy_attach(toys, ex);

	atomic_fetch_add(&toy->refs, 1);
	pthread_mutex_lock(&toys->lock);
	toy->next = toys->queue;
	toys->queue = toy;
	pthread_cond_broadcast(&toys->changed);
	pthread_mutex_unlock(&toys->lock);
}

static inline void run_hold(void *service, struct exchange *ex)
{
	struct toys *toys = service;

	toy_attach(toys, ex);
	pthread_mutex_lock(&toys->lock);
	toys->held = ex;
	pthread_cond_broadcast(&toys->changed);
	pthread_mutex_unlock(&toys->lock);
}

/* Which http thread a connection belongs to. */
static inline void run_thread(void *service, struct exchange *ex)
{
	char text[32];
	int len = snprintf(text, sizeof text, "%lx", (unsigned long)pthread_self());

	(void)service;
	exchange_reply(ex, 200, "text/plain", text, (size_t)len);
}

static inline void block(void *context)
{
	struct toys *toys = context;

	pthread_mutex_lock(&toys->lock);
	toys->blocked = true;
	pthread_cond_broadcast(&toys->changed);
	while (!toys->unblock)
		pthread_cond_wait(&toys->changed, &toys->lock);
	toys->blocked = toys->unblock = false;
	pthread_mutex_unlock(&toys->lock);
}

static inline void block_not(void *context)
{
	(void)context;
}

/* Keeps its http thread busy once the answer is sent, so that events pile up for it. */
static inline void run_block(void *service, struct exchange *ex)
{
	exchange_attach(ex, service, block_not, block);
	exchange_reply(ex, 200, "text/plain", "at last", 7);
}

static inline size_t read_big(void *self, uint64_t pos, char *out, size_t max)
{
	size_t len = pos < TOY_BIG_BYTES ? TOY_BIG_BYTES - (size_t)pos : 0;

	(void)self;
	if (len > max)
		len = max;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)('a' + (pos + i) % 23);
	return len;
}

static inline size_t read_short(void *self, uint64_t pos, char *out, size_t max)
{
	return pos < 100000 ? read_big(self, pos, out, max < 50000 ? max : 50000) : 0;
}

static inline void destroy_source(void *self)
{
	struct toys *toys = self;

	pthread_mutex_lock(&toys->lock);
	toys->sources++;
	pthread_cond_broadcast(&toys->changed);
	pthread_mutex_unlock(&toys->lock);
}

static inline void run_big(void *service, struct exchange *ex)
{
	struct http_source source = {service, TOY_BIG_BYTES, read_big, destroy_source};

	exchange_reply_source(ex, 200, "application/octet-stream", &source);
}

static inline void run_short(void *service, struct exchange *ex)
{
	struct http_source source = {service, TOY_BIG_BYTES, read_short, destroy_source};

	exchange_reply_source(ex, 200, "application/octet-stream", &source);
}

static inline void run_buffer(void *service, struct exchange *ex)
{
	struct buf body;

	(void)service;
	buf_init(&body, TOY_BIG_BYTES);
	for (int i = 0; i < 100000; i++)
		buf_adds(&body, "0123456789");
	exchange_reply_buf(ex, 200, "text/plain", &body);
}

static inline bool admit_never(void *service, struct exchange *ex, struct problem *problem)
{
	(void)service;
	if (exchange_header(ex, "X-Bad"))
		problem_set(problem, PROBLEM_INVALID_REQUEST, "X-Bad");
	else
		problem_set(problem, PROBLEM_QUEUE_FULL, "no room");
	problem->retry_after_s = 7;
	return false;
}

static const char *const toy_types[] = {"application/json", "text/plain", NULL};
static const struct route toy_ok = {.method = "GET", .path = "/ok", .run = run_ok};
static const struct route toy_health = {
	.method = "GET", .path = "/healthz", .health = true, .run = run_ok};
static const struct route toy_echo = {.method = "POST",
	.path = "/echo",
	.access = ROUTE_CALLER,
	.consumes = "application/json",
	.produces = toy_types,
	.run = run_echo};
static const struct route toy_adhoc = {.method = "POST",
	.path = "/adhoc",
	.access = ROUTE_AD_HOC,
	.consumes = "application/json",
	.run = run_echo};
static const struct route toy_full = {.method = "POST",
	.path = "/full",
	.consumes = "application/json",
	.produces = toy_types,
	.admit = admit_never,
	.run = run_ok};
static const struct route toy_later = {.method = "GET", .path = "/later", .run = run_later};
static const struct route toy_hold = {.method = "GET", .path = "/hold", .run = run_hold};
static const struct route toy_thread = {.method = "GET", .path = "/thread", .run = run_thread};
static const struct route toy_block = {.method = "GET", .path = "/block", .run = run_block};
static const struct route toy_big = {.method = "GET", .path = "/big", .run = run_big};
static const struct route toy_short = {.method = "GET", .path = "/short", .run = run_short};
static const struct route toy_buffer = {.method = "GET", .path = "/buffer", .run = run_buffer};
static const struct route toy_admin = {
	.method = "GET", .path = "/admin", .access = ROUTE_ADMIN, .run = run_ok};
static const struct route *const toy_routes[] = {&toy_ok, &toy_health, &toy_echo, &toy_adhoc,
	&toy_full, &toy_later, &toy_hold, &toy_thread, &toy_block, &toy_big, &toy_short,
	&toy_buffer, &toy_admin, NULL};

static inline void *toy_work(void *arg)
{
	struct toys *toys = arg;

	pthread_mutex_lock(&toys->lock);
	while (!toys->closing || toys->queue) {
		struct toy *toy = toys->queue;

		if (!toy) {
			pthread_cond_wait(&toys->changed, &toys->lock);
			continue;
		}
		toys->queue = toy->next;
		pthread_mutex_unlock(&toys->lock);
		if (!atomic_exchange(&toy->answered, true))
			exchange_reply(toy->ex, 200, "text/plain", "later", 5);
		toy_unref(toy);
		pthread_mutex_lock(&toys->lock);
	}
	pthread_mutex_unlock(&toys->lock);
	return NULL;
}

static inline void toy_answered(
	void *service, const struct exchange *ex, unsigned status, uint64_t duration_us)
{
	struct toys *toys = service;

	REQUIRE(exchange_request(ex)->request_id[0] && duration_us < 60000000);
	atomic_store(&toys->last_status, status);
	atomic_fetch_add(&toys->answered, 1);
}

static inline unsigned toy_retry_after_s(void *service, enum problem_code code)
{
	struct toys *toys = service;

	REQUIRE(code != PROBLEM_NONE);
	return toys->retry_after_s;
}

/* Settings that a test may change before toys_start. */
static inline void toys_init(struct toys *toys)
{
	memset(toys, 0, sizeof *toys);
	atomic_init(&toys->config.refs, 1);
	toys->config.server.max_connections = 1000;
	toys->config.server.header_timeout_ms = 20000;
	toys->config.server.body_timeout_ms = 20000;
	toys->config.server.idle_timeout_ms = 20000;
	toys->config.server.write_timeout_ms = 20000;
	toys->config.server.cors_origins.items = toys->origins;
	toys->config.limits.max_body = 1024 * 1024;
	toys->budget.limit = 64 * 1024 * 1024;
	pthread_mutex_init(&toys->lock, NULL);
	pthread_cond_init(&toys->changed, NULL);
}

static inline void toys_add_key(
	struct toys *toys, const char *name, const char *key, bool ad_hoc, bool admin)
{
	size_t i = toys->config.auth.key_count++;

	digest_sha256(key, strlen(key), toys->hashes[i]);
	toys->keys[i] = (struct config_key){.name = (char *)(uintptr_t)name,
		.sha256 = &toys->hashes[i],
		.sha256_count = 1,
		.ad_hoc = ad_hoc,
		.admin = admin};
	toys->config.auth.keys = toys->keys;
}

static inline uint16_t toys_start(struct toys *toys)
{
	const struct http_server_options options = {.config = &toys->config,
		.routes = toys->routes ? toys->routes : toy_routes,
		.service = toys,
		.budget = &toys->budget,
		.retry_after_s = toys->retry_after_s ? toy_retry_after_s : NULL,
		.answered = toy_answered};
	struct err err;

	toys->config.server.host = (char *)(uintptr_t) "127.0.0.1";
	ck_assert_int_eq(http_server_new(&options, &toys->server, &err), ERR_OK);
	ck_assert_int_eq(http_server_start(toys->server, &err), ERR_OK);
	ck_assert_int_eq(pthread_create(&toys->worker, NULL, toy_work, toys), 0);
	return http_server_port(toys->server);
}

/* Everything that was made has been unmade. */
static inline void toys_stop(struct toys *toys)
{
	pthread_mutex_lock(&toys->lock);
	toys->closing = true;
	pthread_cond_broadcast(&toys->changed);
	pthread_mutex_unlock(&toys->lock);
	pthread_join(toys->worker, NULL);
	http_server_stop(toys->server, 5000);
	http_server_destroy(toys->server);
	ck_assert_uint_eq(mem_used(&toys->budget), 0);
	ck_assert_uint_eq(atomic_load(&toys->config.refs), 1);
	pthread_mutex_destroy(&toys->lock);
	pthread_cond_destroy(&toys->changed);
}

/* Waits until /hold has been entered. */
static inline struct exchange *toys_held(struct toys *toys)
{
	struct exchange *ex;

	pthread_mutex_lock(&toys->lock);
	while (!toys->held)
		pthread_cond_wait(&toys->changed, &toys->lock);
	ex = toys->held;
	toys->held = NULL;
	pthread_mutex_unlock(&toys->lock);
	return ex;
}

static inline void toys_wait_blocked(struct toys *toys)
{
	pthread_mutex_lock(&toys->lock);
	while (!toys->blocked)
		pthread_cond_wait(&toys->changed, &toys->lock);
	pthread_mutex_unlock(&toys->lock);
}

static inline void toys_unblock(struct toys *toys)
{
	pthread_mutex_lock(&toys->lock);
	toys->unblock = true;
	pthread_cond_broadcast(&toys->changed);
	pthread_mutex_unlock(&toys->lock);
}

/* Waits until so many exchanges have been let go of. */
static inline void toys_wait_destroyed(struct toys *toys, unsigned count)
{
	pthread_mutex_lock(&toys->lock);
	while (toys->destroyed < count)
		pthread_cond_wait(&toys->changed, &toys->lock);
	ck_assert_uint_eq(toys->destroyed, count);
	pthread_mutex_unlock(&toys->lock);
}

static inline void toys_wait_sources(struct toys *toys, unsigned count)
{
	pthread_mutex_lock(&toys->lock);
	while (toys->sources < count)
		pthread_cond_wait(&toys->changed, &toys->lock);
	ck_assert_uint_eq(toys->sources, count);
	pthread_mutex_unlock(&toys->lock);
}

static inline void toys_expect(struct wire *wire, int status)
{
	struct answer answer = wire_answer(wire);

	ck_assert_int_eq(answer.status, status);
	answer_free(&answer);
}

static inline void toys_expect_ask(uint16_t port, const char *request, int status)
{
	struct answer answer = wire_ask(port, request);

	ck_assert_msg(answer.status == status, "%.70s: %d", request, answer.status);
	if (status == 401)
		ck_assert_str_eq(answer_field(&answer, "WWW-Authenticate"), "Bearer");
	answer_free(&answer);
}
#endif
