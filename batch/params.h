/* params.h - a request's `params`, against what its endpoint says of them. Pure; any thread.
 *
 * An integer is a number of digits only: 1.0 and 1e0 are none, as everywhere in a request. Where an
 * endpoint lists the values, numbers are compared by value (1 is 1.0) and strings decoded ("a" is
 * "\u0061"); what was sent is passed on byte for byte. */
#ifndef BATCH_PARAMS_H
#define BATCH_PARAMS_H
#include "batch/fault.h"
#include "common/buf.h"
#include "common/config.h"

enum { PARAMS_NUMBER_MAX = 1024, PARAMS_MEMBERS_MAX = 1024 };

/* `value` is a proved text (scan.h), or empty where the request has none. Adds one JSON object to
 * ret_text: every parameter in the endpoint's order, with the default where it was not sent. All
 * faults are added to `fault`, whose base is "/params": ERR_INVALID, also where ret_text's limit is
 * passed; else ERR_NOMEM. ret_text is cleared on an error. */
enum err_code params_read(struct span value, const struct config_endpoint *endpoint,
	struct buf *ret_text, struct fault *fault) MUST_CHECK;
#endif
