/* item_url.h - what is wrong with an item's url, in words. Pure; any thread. */
#ifndef BATCH_ITEM_URL_H
#define BATCH_ITEM_URL_H
#include "batch/fault.h"
#include "pool/url.h"

/* `reason` is the gate's or the guard's; `text` what was given; of `url`, made of it, only host and
 * port are looked at. */
void item_url_blame(
	enum item_reason reason, struct span text, const struct url *url, struct fault *fault);
#endif
