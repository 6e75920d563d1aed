/* metrics.h - counters and histograms of the process, rendered for Prometheus (text format 0.0.4).
 *
 * Any thread; relaxed atomics. What belongs to somebody else (in flight, queued, an upstream's
 * counts) is handed to metrics_render by the asker. Adding a metric is one line in metrics.def. */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/code.h"

/* metrics.def: COUNTER(NAME, "batchgate_…_total", "help") and HISTOGRAM(NAME,
 * "batchgate_…_seconds", "help") */
enum metric_counter {
#define COUNTER(name, text, help) METRIC_##name,
#define HISTOGRAM(name, text, help)
#include "common/metrics.def"
#undef COUNTER
#undef HISTOGRAM
	METRIC_COUNTER_COUNT
};
enum metric_histogram {
#define COUNTER(name, text, help)
#define HISTOGRAM(name, text, help) METRIC_##name,
#include "common/metrics.def"
#undef COUNTER
#undef HISTOGRAM
	METRIC_HISTOGRAM_COUNT
};

enum metrics_kind { METRICS_GAUGE, METRICS_COUNTER };

struct metrics_sample { /* those of one name stand next to each other */
	const char *name, *help;
	enum metrics_kind kind;
	const char *label, *label_value; /* NULL: none */
	double value;
};

void metrics_add(enum metric_counter counter, uint64_t n);
void metrics_item(enum item_code code); /* batchgate_items_total{code} */
/* batchgate_batches_total{endpoint,status}; endpoint "" for ad hoc; bounded table. */
void metrics_batch(const char *endpoint, unsigned status);
void metrics_observe_us(enum metric_histogram histogram, uint64_t us);
void metrics_render(struct buf *out, const struct metrics_sample *samples, size_t sample_count);
#endif
