/* kit.h - a house around a batch, for tests: configuration, guard, budget, observer. */
#ifndef TESTS_UNIT_BATCH_KIT_H
#define TESTS_UNIT_BATCH_KIT_H
#include <stdio.h>
#include <string.h>

#include "batch/batch.h"
#include "common/clock.h"
#include "tests/unit/batch/fakepool.h"

struct kit {
	bool streamed, outline; /* what is parsed next */
	size_t room;
	struct config *config;
	struct guard *guard;
	struct mem_budget budget;
	struct caller *caller;
	struct batch *batch;
	struct problem problem;
	enum err_code code;
	size_t completed, reported, reported_failed;
	char last_message[512], last_host[256], last_id[64];
	enum item_code codes[64]; /* reported, by index */
};

static inline void kit_init(struct kit *kit)
{
	static uint16_t ports[] = {80, 443};
	struct config *config = mem_new(sizeof *config);
	struct err err;

	memset(kit, 0, sizeof *kit);
	fakepool_reset();
	atomic_init(&config->refs, 1);
	config->limits.max_body = 8u << 20;
	config->limits.max_items = 10000;
	config->pool.queue_limit = 100000;
	config->limits.max_response = 10u << 20;
	config->limits.max_batch_response = 256u << 20;
	config->limits.max_concurrency = 256;
	config->limits.max_item_timeout_ms = 600000;
	config->limits.max_batch_timeout_ms = 600000;
	config->limits.max_depth = 60;
	config->targets.public_addresses = true;
	config->targets.ad_hoc = true;
	config->targets.ports = ports;
	config->targets.port_count = 2;
	kit->config = config;
	kit->caller = caller_new("anonymous", true, false);
	REQUIRE(guard_new(config, 0, &kit->guard, &err) == ERR_OK);
	problem_init(&kit->problem);
}

static inline void kit_drop_batch(struct kit *kit)
{
	batch_unref(kit->batch);
	kit->batch = NULL;
	problem_free(&kit->problem);
}

static inline void kit_free(struct kit *kit)
{
	kit_drop_batch(kit);
	guard_unref(kit->guard);
	caller_unref(kit->caller);
	REQUIRE(mem_used(&kit->budget) == 0);
	REQUIRE(atomic_load(&kit->config->refs) == 1);
	kit->config->targets.ports = NULL;
	mem_free(kit->config);
}

static inline enum err_code kit_parse_bytes(
	struct kit *kit, const char *text, size_t len, const char *traceparent)
{
	struct batch_env env = {kit->config, kit->guard, NULL, &kit->budget};
	struct batch_input input = {.body = mem_copy(text, len),
		.body_len = len,
		.request_id = "req-1",
		.traceparent = traceparent,
		.tracestate = traceparent ? "k=v" : NULL,
		.caller = kit->caller,
		.streamed = kit->streamed,
		.outline = kit->outline,
		.room = kit->room};

	kit_drop_batch(kit);
	if (!input.body)
		return kit->code = ERR_NOMEM;
	if (mem_take(&kit->budget, len))
		input.charged = len;
	kit->code = batch_parse(&env, &input, &kit->batch, &kit->problem);
	if (kit->code != ERR_OK) {
		kit->batch = NULL;
		mem_free(input.body);
		mem_give(&kit->budget, input.charged);
	}
	return kit->code;
}

static inline enum err_code kit_parse(struct kit *kit, const char *text)
{
	return kit_parse_bytes(kit, text, strlen(text), NULL);
}

static inline void kit_item(void *self, const struct batch_item_report *report)
{
	struct kit *kit = self;

	kit->reported++;
	kit->reported_failed += report->code != ITEM_OK;
	REQUIRE((report->message == NULL) == (report->code == ITEM_OK));
	snprintf(kit->last_message, sizeof kit->last_message, "%s",
		report->message ? report->message : "");
	snprintf(kit->last_host, sizeof kit->last_host, "%s", report->host ? report->host : "");
	snprintf(kit->last_id, sizeof kit->last_id, "%.*s", (int)report->id.len, report->id.ptr);
	if (report->index < sizeof kit->codes / sizeof *kit->codes)
		kit->codes[report->index] = report->code;
}

static inline void kit_complete(void *self, struct batch *batch)
{
	struct kit *kit = self;

	REQUIRE(batch == kit->batch);
	kit->completed++;
}

static inline enum err_code kit_start(struct kit *kit)
{
	struct batch_observer observer = {kit, kit_item, kit_complete};

	return kit->code = batch_start(kit->batch, &observer, &kit->problem);
}

/* The whole document, read in pieces of `step`; release with mem_free. */
static inline char *kit_document(struct kit *kit, size_t step)
{
	size_t size = (size_t)batch_document_size(kit->batch), at = 0, got;
	char *text = mem_new(size + 1);

	while ((got = batch_document_read(kit->batch, at, text + at, step)) > 0)
		at += got;
	REQUIRE(at == size);
	return text;
}
#endif
