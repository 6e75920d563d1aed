/* resolver_channel.h - a resolver's c-ares channel: what it is told, and the sockets it asks over.
 *
 * The sockets are what c-ares would open itself; but it tells nobody that there was none to be had.
 * Here that is counted, so that a shortage of ours is not taken for a name server that cannot be
 * reached. One thread. */
#ifndef POOL_RESOLVER_CHANNEL_H
#define POOL_RESOLVER_CHANNEL_H
#include <ares.h>

#include "pool/resolver.h"

struct resolver_channel {
	ares_channel ares;
	resolver_watch_fn *watch;
	void *watch_arg;
	uint64_t shortages; /* counts sockets that this process, or its system, had no descriptor or
			       no memory for */
};

/* `watch` and `watch_arg` are set, and the channel stays where it is. A status of c-ares;
 * ares_destroy(channel->ares) in the end. */
int resolver_channel_open(struct resolver_channel *channel) MUST_CHECK;
/* Whether a look-up would find a descriptor free now: /etc/hosts is read with one, too. */
bool resolver_channel_has_files(void);
#endif
