/* upstreams_get.c - GET /v1/upstreams: the upstreams in use and those used lately, how they do and
 * what bounds them; JSON, or a table for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "handlers/answer.h"
#include "handlers/routes.h"
#include "handlers/service.h"

enum {
	TABLE_COLUMNS = 100, /* of a terminal */
	ORIGIN_LEAST = 24,
	CELL_SIZE = 32
};

struct upstreams {
	const struct config *config;
	struct upstream_info *infos;
	size_t count, total;
};

/* A reload may have changed the rules since the pool was asked. */
static const char *match_of(const struct config *config, size_t rule)
{
	return rule < config->upstream_count ? config->upstreams[rule].match : "*";
}

/* Three digits, and never an exponent. */
static void write_rate(char cell[CELL_SIZE], double per_s)
{
	snprintf(cell, CELL_SIZE, "%.*f", per_s < 9.995 ? 2 : per_s < 99.95 ? 1 : 0, per_s);
}

/* ---- JSON ---- */

static void add_limits(struct buf *out, const struct upstream_info *info)
{
	buf_addf(out, ",\"limits\":{\"concurrency\":%u,", info->concurrency);
	answer_add_rate(out, "rate_limit", info->rate_per_s);
	if (info->retry_percent > 0)
		buf_addf(out, ",\"retry_budget\":\"%u%%\"", info->retry_percent);
	else
		buf_adds(out, ",\"retry_budget\":null");
	buf_addf(out, ",\"breaker\":%s}", info->has_breaker ? "true" : "false");
}

static void add_rates_and_totals(struct buf *out, const struct upstream_info *info)
{
	const struct upstream_counts *counts = &info->counts;
	char attempts[CELL_SIZE], failures[CELL_SIZE];

	write_rate(attempts, info->attempts_per_s);
	write_rate(failures, info->failures_per_s);
	buf_addf(out, ",\"rates\":{\"attempts_per_second\":%s,\"failures_per_second\":%s}",
		attempts, failures);
	buf_addf(out,
		",\"totals\":{\"attempts\":%" PRIu64 ",\"failures\":%" PRIu64
		",\"retries\":%" PRIu64 ",\"throttled\":%" PRIu64 ",\"circuit_open\":%" PRIu64
		",\"opened\":%" PRIu64 "}",
		counts->attempts, counts->failures, counts->retries, counts->throttled,
		counts->refused, counts->opened);
}

static void add_upstream(
	struct buf *out, const struct config *config, const struct upstream_info *info)
{
	buf_add_char(out, '{');
	answer_add_text(out, "origin", info->origin);
	buf_add_char(out, ',');
	answer_add_text(out, "match", match_of(config, info->rule));
	buf_addf(out, ",\"state\":\"%s\",\"open_ms\":", breaker_state_text(info->state));
	if (info->state == BREAKER_OPEN)
		buf_add_ms(out, info->open_us);
	else
		buf_adds(out, "null");
	buf_addf(out,
		",\"failures\":%u,\"in_flight\":%zu,\"queued\":%zu,\"waiting\":%zu,"
		"\"retries_in_flight\":%zu,\"paused\":%zu,\"paused_ms\":",
		info->failures, info->in_flight, info->queued, info->waiting,
		info->retries_in_flight, info->paused);
	if (info->paused > 0)
		buf_add_ms(out, info->paused_us);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"idle_ms\":");
	buf_add_ms(out, info->idle_us);
	add_limits(out, info);
	add_rates_and_totals(out, info);
	buf_add_char(out, '}');
}

static void add_document(struct buf *out, const struct upstreams *upstreams)
{
	buf_adds(out, "{\"data\":[");
	for (size_t i = 0; i < upstreams->count; i++) {
		if (i > 0)
			buf_adds(out, ",\n");
		add_upstream(out, upstreams->config, &upstreams->infos[i]);
	}
	buf_addf(out, "],\"total\":%zu}\n", upstreams->total);
}

/* ---- the table ---- */

static void write_state(char cell[CELL_SIZE], const struct upstream_info *info)
{
	uint64_t open_s = (info->open_us + 999999) / 1000000;

	if (info->state == BREAKER_OPEN)
		snprintf(cell, CELL_SIZE, "open %" PRIu64 "s", open_s);
	else
		snprintf(cell, CELL_SIZE, "%s", breaker_state_text(info->state));
}

static void write_flight(char cell[CELL_SIZE], const struct upstream_info *info)
{
	snprintf(cell, CELL_SIZE, "%zu/%u", info->in_flight, info->concurrency);
}

static void write_queued(char cell[CELL_SIZE], const struct upstream_info *info)
{
	snprintf(cell, CELL_SIZE, "%zu", info->queued);
}

static void write_waiting(char cell[CELL_SIZE], const struct upstream_info *info)
{
	snprintf(cell, CELL_SIZE, "%zu", info->waiting);
}

static void write_paused(char cell[CELL_SIZE], const struct upstream_info *info)
{
	snprintf(cell, CELL_SIZE, "%zu", info->paused);
}

static void write_attempts(char cell[CELL_SIZE], const struct upstream_info *info)
{
	write_rate(cell, info->attempts_per_s);
}

static void write_failures(char cell[CELL_SIZE], const struct upstream_info *info)
{
	write_rate(cell, info->failures_per_s);
}

static const struct column {
	const char *head;
	void (*write)(char cell[CELL_SIZE], const struct upstream_info *info);
} columns[] = {
	{"STATE", write_state}, /* the one that is words: to the left */
	{"IN FLIGHT", write_flight},
	{"QUEUED", write_queued},
	{"WAITING", write_waiting},
	{"PAUSED", write_paused},
	{"TRY/s", write_attempts},
	{"FAIL/s", write_failures},
};

enum { COLUMNS = sizeof columns / sizeof *columns };

static void measure(const struct upstreams *upstreams, int widths[COLUMNS])
{
	char cell[CELL_SIZE];

	for (size_t c = 0; c < COLUMNS; c++) {
		widths[c] = (int)strlen(columns[c].head);
		for (size_t i = 0; i < upstreams->count; i++) {
			columns[c].write(cell, &upstreams->infos[i]);
			if ((int)strlen(cell) > widths[c])
				widths[c] = (int)strlen(cell);
		}
	}
}

/* Both ends of an origin tell more than its middle. Its bytes are ASCII: pool/url. */
static void add_origin(struct buf *out, const char *origin, size_t room)
{
	size_t len = strlen(origin), tail = (room - 1) / 2, front = room - 1 - tail;

	if (len <= room)
		buf_adds(out, origin);
	else
		buf_addf(out, "%.*s…%s", (int)front, origin, origin + len - tail);
	buf_add_char(out, '\n');
}

static void add_cell(struct buf *out, const char *cell, size_t column, int width)
{
	buf_addf(out, column == 0 ? "%-*s  " : "%*s  ", width, cell);
}

static void add_table(struct buf *out, const struct upstreams *upstreams)
{
	int widths[COLUMNS], taken = 0;
	char cell[CELL_SIZE];
	size_t room;

	measure(upstreams, widths);
	for (size_t c = 0; c < COLUMNS; c++) {
		add_cell(out, columns[c].head, c, widths[c]);
		taken += widths[c] + 2;
	}
	buf_adds(out, "UPSTREAM\n");
	room = taken + ORIGIN_LEAST < TABLE_COLUMNS ? (size_t)(TABLE_COLUMNS - taken)
						    : ORIGIN_LEAST;
	for (size_t i = 0; i < upstreams->count; i++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			columns[c].write(cell, &upstreams->infos[i]);
			add_cell(out, cell, c, widths[c]);
		}
		add_origin(out, upstreams->infos[i].origin, room);
	}
	if (upstreams->count < upstreams->total)
		buf_addf(out, "and %zu more\n", upstreams->total - upstreams->count);
}

static void add_page(struct buf *out, const struct upstreams *upstreams)
{
	if (upstreams->total > 0)
		add_table(out, upstreams);
	else
		buf_adds(out, "No upstream has been called so far.\n");
}

/* ---- the route ---- */

static const struct shape {
	const char *produces, *content_type;
	void (*add)(struct buf *out, const struct upstreams *upstreams);
} shapes[] = {
	{"application/json", "application/json", add_document},
	{"text/plain", "text/plain; charset=utf-8", add_page},
};

static const struct shape *shape_of(const struct http_request *request)
{
	const char *chosen = request->content_type_out;

	return &shapes[chosen && strcmp(chosen, shapes[1].produces) == 0];
}

/* Without memory nothing is added. */
static void render(struct service *service, const struct shape *shape, struct buf *out)
{
	struct snapshot *snapshot = service_snapshot(service);
	struct upstreams upstreams = {.config = snapshot->config,
		.infos = mem_try(UPSTREAMS_TOLD_MAX * sizeof *upstreams.infos)};

	if (upstreams.infos) {
		upstreams.total =
			pool_upstreams(service->pool, upstreams.infos, UPSTREAMS_TOLD_MAX);
		upstreams.count =
			upstreams.total < UPSTREAMS_TOLD_MAX ? upstreams.total : UPSTREAMS_TOLD_MAX;
		shape->add(out, &upstreams);
	}
	mem_free(upstreams.infos);
	snapshot_unref(snapshot);
}

static void run(void *service, struct exchange *ex)
{
	const struct shape *shape = shape_of(exchange_request(ex));
	struct buf out;

	answer_init(&out);
	render(service, shape, &out);
	answer_send(ex, shape->content_type, &out);
}

static const char *const produces[] = {"application/json", "text/plain", NULL};

const struct route upstreams_get_route = {
	.method = "GET",
	.path = "/v1/upstreams",
	.operation = "listUpstreams",
	.access = ROUTE_ADMIN,
	.produces = produces,
	.run = run,
};
