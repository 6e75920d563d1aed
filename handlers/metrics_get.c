/* metrics_get.c - GET /metrics: what the process has counted, and what others tell of themselves.
 */
#include <string.h>

#include "common/metrics.h"
#include "handlers/answer.h"
#include "handlers/routes.h"
#include "handlers/service.h"

enum { PLAIN_SAMPLES = 10 };

/* Of the upstreams, by the rule that matched: kind, the place in struct upstream_rule_stats, name,
 * help. */
#define BY_RULE(X)                                                                            \
	X(GAUGE, in_flight, "in_flight", "Calls on the wire now")                             \
	X(GAUGE, queued, "queued", "Calls that wait for their turn")                          \
	X(GAUGE, waiting, "waiting", "Calls that wait for the time of their next attempt")    \
	X(GAUGE, open, "open", "Upstreams whose breaker is open and not yet due for a probe") \
	X(GAUGE, paused, "paused", "Callers that an upstream asked to wait")                  \
	X(COUNTER, counts.attempts, "attempts_total", "Attempts begun")                       \
	X(COUNTER, counts.failures, "failures_total",                                         \
		"Attempts that failed as a breaker counts it (no connection, 502, 503, 504)") \
	X(COUNTER, counts.retries, "retries_total", "Attempts that were not a call's first")  \
	X(COUNTER, counts.throttled, "throttled_total", "Attempts answered with 429")         \
	X(COUNTER, counts.refused, "circuit_open_total",                                      \
		"Calls refused because a breaker was open")                                   \
	X(COUNTER, counts.opened, "opened_total", "How often a breaker opened")

#define ONE(kind, place, name, help) +1
enum { BY_RULE_NAMES = BY_RULE(ONE) };
#undef ONE

struct samples {
	struct metrics_sample *items;
	size_t count;
};

struct row { /* a label and what stands under it */
	const char *label;
	struct upstream_rule_stats stats;
};

static void add(struct samples *samples, const char *name, const char *help, double value)
{
	samples->items[samples->count++] =
		(struct metrics_sample){.name = name, .help = help, .value = value};
}

static void add_pool(struct samples *samples, struct pool *pool)
{
	struct pool_stats stats;

	pool_stats(pool, &stats);
	add(samples, "batchgate_in_flight", "Calls on the wire now.", (double)stats.in_flight);
	add(samples, "batchgate_queued", "Calls that wait for their turn.", (double)stats.queued);
	add(samples, "batchgate_callers", "Callers that have work in the pool.",
		(double)stats.callers);
	add(samples, "batchgate_lanes", "Lanes (of at most 64 transfers) the workers keep.",
		(double)stats.lanes);
}

static void add_service(struct samples *samples, struct service *service)
{
	add(samples, "batchgate_batches_running", "Batches that are not complete yet.",
		(double)service_running(service));
	add(samples, "batchgate_connections", "Client connections open now.",
		(double)http_server_connections(service->server));
	add(samples, "batchgate_memory_bytes", "Bytes of limits.memory that requests hold now.",
		(double)mem_used(&service->budget));
	add(samples, "batchgate_memory_limit_bytes",
		"What requests may hold of limits.memory, in bytes.",
		(double)service->budget.limit);
	samples->items[samples->count++] = (struct metrics_sample){
		.name = "batchgate_build_info",
		.help = "Always 1; the label says which version runs.",
		.label = "version",
		.label_value = BATCHGATE_VERSION,
		.value = 1,
	};
}

/* The rule that stands last matches all that no rule of the operator's names. */
static const char *label_of(const struct config *config, size_t rule)
{
	return rule + 1 == config->upstream_count ? "other" : config->upstreams[rule].match;
}

static void sum(struct upstream_rule_stats *into, const struct upstream_rule_stats *from)
{
#define ADD(kind, place, name, help) into->place += from->place;
	BY_RULE(ADD)
#undef ADD
}

/* A label must not come twice, and there may be a host that is called other. */
static size_t make_rows(
	const struct config *config, const struct upstream_rule_stats *stats, struct row *ret_rows)
{
	size_t count = 0;

	for (size_t rule = 0; rule < config->upstream_count; rule++) {
		const char *label = label_of(config, rule);
		struct row *row = ret_rows;

		while (row < ret_rows + count && strcmp(row->label, label) != 0)
			row++;
		if (row == ret_rows + count)
			ret_rows[count++] = (struct row){.label = label};
		sum(&row->stats, &stats[rule]);
	}
	return count;
}

static void add_rows(struct samples *samples, const struct row *rows, size_t count)
{
#define ADD(type, place, text, words)                                               \
	for (const struct row *row = rows; row < rows + count; row++)               \
		samples->items[samples->count++] = (struct metrics_sample){         \
			.name = "batchgate_upstream_" text,                         \
			.help = words ", by the rule of `upstreams` that matched.", \
			.kind = METRICS_##type,                                     \
			.label = "upstream",                                        \
			.label_value = row->label,                                  \
			.value = (double)row->stats.place,                          \
		};
	BY_RULE(ADD)
#undef ADD
}

static void render(struct service *service, const struct config *config, struct buf *out)
{
	size_t rules = config->upstream_count;
	struct samples samples = {
		.items = mem_try((PLAIN_SAMPLES + rules * BY_RULE_NAMES) * sizeof *samples.items)};
	struct upstream_rule_stats *stats = mem_try((rules + 1) * sizeof *stats);
	struct row *rows = mem_try((rules + 1) * sizeof *rows);

	if (samples.items && stats && rows) {
		pool_rule_stats(service->pool, stats, rules);
		add_pool(&samples, service->pool);
		add_service(&samples, service);
		add_rows(&samples, rows, make_rows(config, stats, rows));
		metrics_render(out, samples.items, samples.count);
	}
	mem_free(rows);
	mem_free(stats);
	mem_free(samples.items);
}

static void run(void *arg, struct exchange *ex)
{
	struct service *service = arg;
	struct snapshot *snapshot = service_snapshot(service);
	struct buf out;

	answer_init(&out);
	render(service, snapshot->config, &out);
	snapshot_unref(snapshot);
	answer_send(ex, "text/plain; version=0.0.4; charset=utf-8", &out);
}

const struct route metrics_get_route = {
	.method = "GET",
	.path = "/metrics",
	.operation = "getMetrics",
	.access = ROUTE_ADMIN,
	.run = run,
};
