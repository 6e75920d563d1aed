/* flows.h - toy routes whose answers grow as a test says, for the tests of streams.
 *
 * GET /flow makes a *flow*: text that is said from any thread, and its end. /flow?early says
 * something before the reply, /flow?late in a read that found nothing, /flow?alarm when its alarm
 * rings, /flow?endless for ever; /flow?later is replied to by the test. */
#ifndef TESTS_UNIT_SERVER_FLOWS_H
#define TESTS_UNIT_SERVER_FLOWS_H
#include "toys.h"

enum { FLOWS_MAX = 512, FLOW_ALARM_US = 1200 * 1000 };

struct flow {
	struct exchange *ex; /* until the reply */
	struct http_stream *stream;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock: */
	char *text;
	size_t len, at; /* read up to here */
	unsigned reads;
	unsigned empty;    /* reads that found nothing */
	const char *alarm; /* said by the read that comes at `alarm_us` */
	uint64_t alarm_us;
	const char *late; /* said, and woken, within a read that found nothing */
	bool endless, ended, cut;
	unsigned gone, left, dropped; /* calls of gone, and of the two destroys */
};

static struct flows {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct flow *all[FLOWS_MAX]; /* under the lock */
	size_t count;
} flows = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0};

static inline void flow_count(struct flow *flow, unsigned *what)
{
	pthread_mutex_lock(&flow->lock);
	++*what;
	pthread_cond_broadcast(&flow->changed);
	pthread_mutex_unlock(&flow->lock);
}

static inline void flow_gone(void *context)
{
	struct flow *flow = context;

	flow_count(flow, &flow->gone);
}

static inline void flow_left(void *context)
{
	struct flow *flow = context;

	flow_count(flow, &flow->left);
}

static inline void flow_dropped(void *self)
{
	struct flow *flow = self;

	flow_count(flow, &flow->dropped);
}

static inline void flow_append(struct flow *flow, const char *text)
{
	size_t len = strlen(text);

	flow->text = realloc(flow->text, flow->len + len + 1);
	memcpy(flow->text + flow->len, text, len + 1);
	flow->len += len;
}

static inline size_t flow_copy(struct flow *flow, char *out, size_t max)
{
	size_t len = flow->len - flow->at;

	if (flow->endless) {
		memset(out, 'e', max);
		return max;
	}
	if (len > max)
		len = max;
	if (len)
		memcpy(out, flow->text + flow->at, len);
	flow->at += len;
	return len;
}

static inline size_t flow_read(void *self, char *out, size_t max, uint64_t *ret_again_us)
{
	struct flow *flow = self;
	const char *late;
	size_t len;

	REQUIRE(max >= 128 && *ret_again_us == CLOCK_NEVER);
	pthread_mutex_lock(&flow->lock);
	if (flow->alarm && clock_us() >= flow->alarm_us) {
		flow_append(flow, flow->alarm);
		flow->alarm = NULL;
	}
	len = flow_copy(flow, out, max);
	late = len ? NULL : flow->late;
	if (late) {
		flow_append(flow, late);
		flow->late = NULL;
	} else if (len == 0 && flow->cut) {
		len = HTTP_STREAM_CUT;
	} else if (len == 0 && flow->ended) {
		len = HTTP_STREAM_END;
	}
	flow->reads++;
	flow->empty += len == 0;
	if (flow->alarm)
		*ret_again_us = flow->alarm_us;
	pthread_cond_broadcast(&flow->changed);
	pthread_mutex_unlock(&flow->lock);
	if (late)
		http_stream_wake(flow->stream);
	return len;
}

static inline void flow_reply(struct flow *flow)
{
	const struct http_stream_source source = {flow, flow_read, flow_dropped};

	exchange_reply_stream(flow->ex, 200, "text/plain", flow->stream, &source);
}

static inline void flow_say(struct flow *flow, const char *text)
{
	pthread_mutex_lock(&flow->lock);
	flow_append(flow, text);
	pthread_mutex_unlock(&flow->lock);
	http_stream_wake(flow->stream);
}

static inline void flow_set(struct flow *flow, bool *what)
{
	pthread_mutex_lock(&flow->lock);
	*what = true;
	pthread_mutex_unlock(&flow->lock);
	http_stream_wake(flow->stream);
}

static inline void flow_end(struct flow *flow)
{
	flow_set(flow, &flow->ended);
}

/* Until `*what`, a count of the flow's, is `count` or more. */
static inline void flow_wait(struct flow *flow, const unsigned *what, unsigned count)
{
	pthread_mutex_lock(&flow->lock);
	while (*what < count)
		pthread_cond_wait(&flow->changed, &flow->lock);
	pthread_mutex_unlock(&flow->lock);
}

static inline unsigned flow_now(struct flow *flow, const unsigned *what)
{
	unsigned count;

	pthread_mutex_lock(&flow->lock);
	count = *what;
	pthread_mutex_unlock(&flow->lock);
	return count;
}

static inline void flow_add(struct flow *flow)
{
	pthread_mutex_lock(&flows.lock);
	REQUIRE(flows.count < FLOWS_MAX);
	flows.all[flows.count++] = flow;
	pthread_cond_broadcast(&flows.changed);
	pthread_mutex_unlock(&flows.lock);
}

static inline void run_flow(void *service, struct exchange *ex)
{
	struct flow *flow = calloc(1, sizeof *flow);
	const char *how = exchange_request(ex)->query;

	(void)service;
	pthread_mutex_init(&flow->lock, NULL);
	pthread_cond_init(&flow->changed, NULL);
	flow->ex = ex;
	flow->stream = http_stream_new(ex);
	REQUIRE(flow->stream);
	exchange_attach(ex, flow, flow_gone, flow_left);
	if (strcmp(how, "early") == 0)
		flow_say(flow, "early");
	if (strcmp(how, "late") == 0)
		flow->late = "late";
	if (strcmp(how, "endless") == 0)
		flow->endless = true;
	if (strcmp(how, "alarm") == 0) {
		flow->alarm = "alarm";
		flow->alarm_us = clock_us() + FLOW_ALARM_US;
	}
	if (strcmp(how, "later") != 0)
		flow_reply(flow);
	flow_add(flow);
}

static const struct route toy_flow = {.method = "GET", .path = "/flow", .run = run_flow};
static const struct route *const flow_routes[] = {&toy_ok, &toy_flow, NULL};

/* The n-th flow that was asked for; waits for it. */
static inline struct flow *flow_at(size_t n)
{
	struct flow *flow;

	pthread_mutex_lock(&flows.lock);
	while (flows.count <= n)
		pthread_cond_wait(&flows.changed, &flows.lock);
	flow = flows.all[n];
	pthread_mutex_unlock(&flows.lock);
	return flow;
}

/* After the server has stopped: each was let go of, once. */
static inline void flows_free(void)
{
	for (size_t i = 0; i < flows.count; i++) {
		struct flow *flow = flows.all[i];

		ck_assert_uint_eq(flow->left, 1);
		ck_assert_uint_eq(flow->dropped, 1);
		ck_assert_uint_le(flow->gone, 1);
		http_stream_unref(flow->stream);
		pthread_mutex_destroy(&flow->lock);
		pthread_cond_destroy(&flow->changed);
		free(flow->text);
		free(flow);
	}
	flows.count = 0;
}
#endif
