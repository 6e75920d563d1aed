/* template_render.h - what a program puts out, as JSON text.
 *
 * In helper processes only. jq's own way with strings takes 40 us for a kilobyte. */
#ifndef BATCH_TEMPLATE_RENDER_H
#define BATCH_TEMPLATE_RENDER_H
#include <jv.h>
#include <stdbool.h>

#include "common/buf.h"

/* Takes value. False: more than `depth` brackets. What does not fit shows in out->failed. */
bool template_render(struct buf *out, jv value, unsigned depth) MUST_CHECK;
#endif
