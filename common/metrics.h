/* metrics.h - counters and histograms of the process, rendered for Prometheus (text format 0.0.4).
 *
 * Any thread; relaxed atomics. Gauges that belong to somebody else (in flight, queued, memory) are
 * handed to metrics_render by the asker. Adding a metric is one line in metrics.def. */
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

struct metrics_gauge {
	const char *name, *help;
	const char *label,
		*label_value; /* NULL: none. Gauges of one name stand next to each other */
	double value;
};

void metrics_add(enum metric_counter counter, uint64_t n);
void metrics_item(enum item_code code); /* batchgate_items_total{code} */
void metrics_batch(
	const char *endpoint, unsigned status); /* batchgate_batches_total{endpoint,status};
						   endpoint "" for ad hoc; bounded table */
void metrics_observe_us(enum metric_histogram histogram, uint64_t us);
void metrics_render(struct buf *out, const struct metrics_gauge *gauges, size_t gauge_count);
#endif
