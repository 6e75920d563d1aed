/* metrics_get.c - GET /metrics: what the process has counted, and gauges from those who own them.
 */
#include <string.h>

#include "common/metrics.h"
#include "handlers/routes.h"
#include "handlers/service.h"

enum { PAGE_MAX_BYTES = 4 << 20, PLAIN_GAUGES = 10 };

struct gauges {
	struct metrics_gauge *items;
	size_t count;
};

static void add(struct gauges *gauges, const char *name, const char *help, double value)
{
	gauges->items[gauges->count++] =
		(struct metrics_gauge){.name = name, .help = help, .value = value};
}

static void add_pool(struct gauges *gauges, struct pool *pool)
{
	struct pool_stats stats;

	pool_stats(pool, &stats);
	add(gauges, "batchgate_in_flight", "Calls on the wire now.", (double)stats.in_flight);
	add(gauges, "batchgate_queued", "Calls that wait for their turn.", (double)stats.queued);
	add(gauges, "batchgate_callers", "Callers that have work in the pool.",
		(double)stats.callers);
	add(gauges, "batchgate_lanes", "Lanes (of at most 64 transfers) the workers keep.",
		(double)stats.lanes);
}

static void add_service(struct gauges *gauges, struct service *service)
{
	add(gauges, "batchgate_batches_running", "Batches that are not complete yet.",
		(double)service_running(service));
	add(gauges, "batchgate_connections", "Client connections open now.",
		(double)http_server_connections(service->server));
	add(gauges, "batchgate_memory_bytes", "Bytes of limits.memory that requests hold now.",
		(double)mem_used(&service->budget));
	add(gauges, "batchgate_memory_limit_bytes",
		"What requests may hold of limits.memory, in bytes.",
		(double)service->budget.limit);
	gauges->items[gauges->count++] = (struct metrics_gauge){
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

static struct metrics_gauge *find_label(struct gauges *gauges, size_t from, const char *label)
{
	for (size_t i = from; i < gauges->count; i++)
		if (strcmp(gauges->items[i].label_value, label) == 0)
			return &gauges->items[i];
	return NULL;
}

/* Two rules may carry one pattern; a label must not come twice. */
static void add_upstreams(struct gauges *gauges, const struct config *config, const size_t *counts)
{
	size_t from = gauges->count;

	for (size_t rule = 0; rule < config->upstream_count; rule++) {
		const char *label = label_of(config, rule);
		struct metrics_gauge *same = find_label(gauges, from, label);

		if (same) {
			same->value += (double)counts[rule];
			continue;
		}
		gauges->items[gauges->count++] = (struct metrics_gauge){
			.name = "batchgate_upstream_in_flight",
			.help = "Calls on the wire now, by the rule of `upstreams` that matched.",
			.label = "upstream",
			.label_value = label,
			.value = (double)counts[rule],
		};
	}
}

static void render(struct service *service, const struct config *config, struct buf *out)
{
	struct gauges gauges = {
		.items = mem_try((PLAIN_GAUGES + config->upstream_count) * sizeof *gauges.items)};
	size_t *counts = mem_try((config->upstream_count + 1) * sizeof *counts);

	if (gauges.items && counts) {
		pool_upstream_counts(service->pool, config, counts);
		add_pool(&gauges, service->pool);
		add_service(&gauges, service);
		add_upstreams(&gauges, config, counts);
		metrics_render(out, gauges.items, gauges.count);
	}
	mem_free(counts);
	mem_free(gauges.items);
}

static void run(void *arg, struct exchange *ex)
{
	struct service *service = arg;
	struct snapshot *snapshot = service_snapshot(service);
	struct problem problem;
	struct buf out;

	buf_init(&out, PAGE_MAX_BYTES);
	render(service, snapshot->config, &out);
	snapshot_unref(snapshot);
	if (out.len > 0 && !out.failed) {
		exchange_set_header(ex, "Cache-Control", "no-store");
		exchange_reply_buf(ex, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
		return;
	}
	buf_free(&out);
	problem_init(&problem);
	problem_set(&problem, PROBLEM_MEMORY_FULL, "no memory for the answer; try again shortly");
	exchange_reply_problem(ex, &problem);
}

const struct route metrics_get_route = {
	.method = "GET",
	.path = "/metrics",
	.operation = "getMetrics",
	.access = ROUTE_ADMIN,
	.run = run,
};
