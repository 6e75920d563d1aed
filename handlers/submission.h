/* submission.h - a posted batch, ad hoc or of a named endpoint: from its request to its answer. */
#ifndef HANDLERS_SUBMISSION_H
#define HANDLERS_SUBMISSION_H
#include "handlers/service.h"

extern const char *const submission_produces[]; /* route.produces */
/* For route.admit: the pool's queue has room, or *problem says that it has none. */
bool submission_has_room(
	struct service *service, const struct config *config, struct problem *problem);
/* For route.run. `named`: the path's last segment is an endpoint's name. */
void submission_run(struct service *service, struct exchange *ex, bool named);
#endif
