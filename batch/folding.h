/* folding.h - header lines of an answer, folded into a JSON object: a name that came more than once
 * gets a list. Pure. */
#ifndef BATCH_FOLDING_H
#define BATCH_FOLDING_H
#include "common/buf.h"

/* `lines` are "name: value\n", names in lower case. Names keep the order of their first line.
 * ERR_NOMEM, ERR_LIMIT. */
enum err_code folding_add(struct buf *out, struct span lines) MUST_CHECK;
#endif
