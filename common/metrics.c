/* metrics.c - counters and histograms of the process, rendered for Prometheus (text format 0.0.4).
 *
 * Counters and histograms are relaxed atomics: a render may see one event in one of them and not
 * yet in another, but each histogram's count is the sum of the buckets it shows. The table of
 * batches is under a lock: one look-up a batch. */
#include "common/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/thread.h"

enum {
	BUCKET_COUNT = 18,
	ROWS_NAMED = 512,
	ROWS_OTHER = 64,
	ROWS_MAX = ROWS_NAMED + ROWS_OTHER,
	ENDPOINT_MAX = 64
};

static const struct {
	uint64_t up_to_us;
	const char *text;
} buckets[BUCKET_COUNT] = {
	{1000, "0.001"},
	{2500, "0.0025"},
	{5000, "0.005"},
	{10000, "0.01"},
	{25000, "0.025"},
	{50000, "0.05"},
	{100000, "0.1"},
	{250000, "0.25"},
	{500000, "0.5"},
	{1000000, "1"},
	{2500000, "2.5"},
	{5000000, "5"},
	{10000000, "10"},
	{30000000, "30"},
	{60000000, "60"},
	{120000000, "120"},
	{300000000, "300"},
	{UINT64_MAX, "+Inf"},
};

struct histogram {
	atomic_uint_fast64_t counts[BUCKET_COUNT], sum_us;
};

struct batch_row { /* {endpoint,status} */
	char endpoint[ENDPOINT_MAX];
	unsigned status;
	uint64_t count;
};

static atomic_uint_fast64_t counters[METRIC_COUNTER_COUNT];
static atomic_uint_fast64_t items[ITEM_CODE_COUNT];
static struct histogram histograms[METRIC_HISTOGRAM_COUNT];
static struct {
	struct mutex lock;
	struct {
		struct batch_row rows[ROWS_MAX];
		size_t count;
	} shared;
} batches = {.lock = {PTHREAD_MUTEX_INITIALIZER}};

static void bump(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t now(atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_add(enum metric_counter counter, uint64_t n)
{
	REQUIRE((unsigned)counter < METRIC_COUNTER_COUNT);
	bump(&counters[counter], n);
}

void metrics_item(enum item_code code)
{
	REQUIRE((unsigned)code < ITEM_CODE_COUNT);
	bump(&items[code], 1);
}

void metrics_observe_us(enum metric_histogram histogram, uint64_t us)
{
	size_t bucket = 0;

	REQUIRE((unsigned)histogram < METRIC_HISTOGRAM_COUNT);
	while (us > buckets[bucket].up_to_us)
		bucket++;
	bump(&histograms[histogram].counts[bucket], 1);
	bump(&histograms[histogram].sum_us, us);
}

/* NULL where the table has no row of it and none of `limit` rows is free. */
static struct batch_row *row_locked(const char *endpoint, unsigned status, size_t limit)
{
	struct batch_row *row = batches.shared.rows;

	for (size_t i = 0; i < batches.shared.count; i++, row++)
		if (row->status == status && strcmp(row->endpoint, endpoint) == 0)
			return row;
	if (batches.shared.count >= limit)
		return NULL;
	batches.shared.count++;
	snprintf(row->endpoint, sizeof row->endpoint, "%s", endpoint);
	row->status = status;
	return row;
}

void metrics_batch(const char *endpoint, unsigned status)
{
	struct batch_row *row = NULL;

	mutex_lock(&batches.lock);
	if (strlen(endpoint) < ENDPOINT_MAX)
		row = row_locked(endpoint, status, ROWS_NAMED);
	if (!row) /* past the bound: the sum stays right, the label does not */
		row = row_locked("other", status, ROWS_MAX - 1);
	if (!row)
		row = row_locked("other", 0, ROWS_MAX);
	row->count++;
	mutex_unlock(&batches.lock);
}

static void add_header(struct buf *out, const char *name, const char *help, const char *type)
{
	buf_addf(out, "# HELP %s ", name);
	for (const char *c = help; *c; c++)
		if (*c == '\\')
			buf_adds(out, "\\\\");
		else if (*c == '\n')
			buf_adds(out, "\\n");
		else
			buf_add_char(out, *c);
	buf_addf(out, "\n# TYPE %s %s\n", name, type);
}

static void add_label_value(struct buf *out, const char *value)
{
	for (const char *c = value; *c; c++)
		if (*c == '\\' || *c == '"')
			buf_addf(out, "\\%c", *c);
		else if (*c == '\n')
			buf_adds(out, "\\n");
		else
			buf_add_char(out, *c);
}

static void add_counter(
	struct buf *out, enum metric_counter counter, const char *name, const char *help)
{
	add_header(out, name, help, "counter");
	buf_addf(out, "%s ", name);
	buf_add_u64(out, now(&counters[counter]));
	buf_add_char(out, '\n');
}

static void add_histogram(
	struct buf *out, enum metric_histogram which, const char *name, const char *help)
{
	struct histogram *histogram = &histograms[which];
	uint64_t sum_us = now(&histogram->sum_us), count = 0;

	add_header(out, name, help, "histogram");
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		count += now(&histogram->counts[i]);
		buf_addf(out, "%s_bucket{le=\"%s\"} ", name, buckets[i].text);
		buf_add_u64(out, count);
		buf_add_char(out, '\n');
	}
	buf_addf(out, "%s_sum %llu.%06llu\n%s_count ", name, (unsigned long long)(sum_us / 1000000),
		(unsigned long long)(sum_us % 1000000), name);
	buf_add_u64(out, count);
	buf_add_char(out, '\n');
}

static void add_items(struct buf *out)
{
	static const char name[] = "batchgate_items_total";

	add_header(out, name, "Items that have their result, by error code; ok for a success.",
		"counter");
	for (int code = 0; code < ITEM_CODE_COUNT; code++) {
		buf_addf(out, "%s{code=\"%s\"} ", name, code_text((enum item_code)code));
		buf_add_u64(out, now(&items[code]));
		buf_add_char(out, '\n');
	}
}

static int compare_rows(const void *left, const void *right)
{
	const struct batch_row *a = left, *b = right;
	int order = strcmp(a->endpoint, b->endpoint);

	return order ? order : (a->status > b->status) - (a->status < b->status);
}

static size_t copy_rows_locked(struct batch_row *ret_rows)
{
	memcpy(ret_rows, batches.shared.rows, batches.shared.count * sizeof *ret_rows);
	return batches.shared.count;
}

static void add_batches(struct buf *out)
{
	static const char name[] = "batchgate_batches_total";
	struct batch_row rows[ROWS_MAX];
	size_t count;

	mutex_lock(&batches.lock);
	count = copy_rows_locked(rows);
	mutex_unlock(&batches.lock);
	qsort(rows, count, sizeof *rows, compare_rows);
	add_header(out, name, "Batches answered, by endpoint (empty: ad hoc) and HTTP status.",
		"counter");
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "%s{endpoint=\"", name);
		add_label_value(out, rows[i].endpoint);
		buf_addf(out, "\",status=\"%u\"} ", rows[i].status);
		buf_add_u64(out, rows[i].count);
		buf_add_char(out, '\n');
	}
}

static void add_number(struct buf *out, double value)
{
	if (isnan(value))
		buf_adds(out, "NaN");
	else if (isinf(value))
		buf_adds(out, value > 0 ? "+Inf" : "-Inf");
	else
		buf_addf(out, "%.15g", value);
}

static void add_samples(struct buf *out, const struct metrics_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct metrics_sample *sample = &samples[i];

		if (i == 0 || strcmp(sample->name, samples[i - 1].name) != 0)
			add_header(out, sample->name, sample->help,
				sample->kind == METRICS_COUNTER ? "counter" : "gauge");
		buf_adds(out, sample->name);
		if (sample->label) {
			buf_addf(out, "{%s=\"", sample->label);
			add_label_value(out, sample->label_value);
			buf_adds(out, "\"}");
		}
		buf_add_char(out, ' ');
		add_number(out, sample->value);
		buf_add_char(out, '\n');
	}
}

void metrics_render(struct buf *out, const struct metrics_sample *samples, size_t sample_count)
{
	add_batches(out);
	add_items(out);
#define COUNTER(name, text, help) add_counter(out, METRIC_##name, text, help);
#define HISTOGRAM(name, text, help)
#include "common/metrics.def"
#undef COUNTER
#undef HISTOGRAM
#define COUNTER(name, text, help)
#define HISTOGRAM(name, text, help) add_histogram(out, METRIC_##name, text, help);
#include "common/metrics.def"
#undef COUNTER
#undef HISTOGRAM
	add_samples(out, samples, sample_count);
}
