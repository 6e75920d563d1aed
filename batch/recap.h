/* recap.h - what people are told of a batch: a line an item, and the figures at the end. Pure; any
 * thread. Failures stay in `out`. */
#ifndef BATCH_RECAP_H
#define BATCH_RECAP_H
#include "common/buf.h"
#include "common/code.h"

/* Text for a terminal: control characters, which could steer it, and those that turn the text
 * behind them become `?`. Gives its columns (code points). */
size_t recap_add_text(struct buf *out, struct span text);
/* `[OK] id (0.26 s)` or `[FAILED] id: message`, `#3` where there is no id, without a line break;
 * what is long is cut. Gives its columns; 0: it is no result. */
size_t recap_add_item(struct buf *out, struct span result);
/* `3 items: 1 succeeded, 2 failed (1 timeout, 1 upstream_status) in 12.40 s` */
void recap_add_figures(
	struct buf *out, const size_t by_code[ITEM_CODE_COUNT], uint64_t duration_us);
#endif
