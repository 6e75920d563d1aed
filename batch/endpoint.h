/* endpoint.h - named calls of the operator (`endpoints` of the configuration), ready to be used:
 * gate, defaults, templates.
 *
 * A set is made from a configuration once, never changes, and is shared by count: a reload makes
 * another one, and batches keep the one they began with. */
#ifndef BATCH_ENDPOINT_H
#define BATCH_ENDPOINT_H
#include "batch/template.h"
#include "common/config.h"
#include "pool/guard.h"

struct endpoint { /* constant; lives as long as its set */
	const struct config_endpoint *config;
	struct guard *guard;  /* opens its origin, and nothing else */
	struct span defaults; /* JSON: what a batch of it has as `defaults`; holds secrets */
	struct url url;       /* the configuration's: what every call's begins with */
	struct template *request, *response, *fallback, *item_check; /* NULL: none */
	bool text_body; /* the configured Content-Type is not JSON: a string is sent as it is */
};

struct endpoint_set;
struct forker;

/* Every fault is a line in `faults`, as the loading of the configuration tells its own; ERR_INVALID
 * then. own_port: as guard_new's. */
enum err_code endpoint_set_new(struct config *config, uint16_t own_port,
	struct endpoint_set **ret_set, struct buf *faults) MUST_CHECK;
/* Compiles every template, in a process of `forker`; takes 40 ms each and waits. A set goes into
 * use only after this. ERR_INVALID: faults were added. ERR_IO where nobody could be asked. */
enum err_code endpoint_set_compile(
	const struct endpoint_set *set, struct forker *forker, struct buf *faults) MUST_CHECK;
struct endpoint_set *endpoint_set_ref(struct endpoint_set *set); /* NULL is fine */
void endpoint_set_unref(struct endpoint_set *set); /* NULL is fine; wipes what is secret */
size_t endpoint_count(const struct endpoint_set *set);
const struct endpoint *endpoint_at(const struct endpoint_set *set, size_t index);
/* NULL: there is none of this name. */
const struct endpoint *endpoint_find(const struct endpoint_set *set, const char *name);
#endif
