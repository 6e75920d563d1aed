/* caller.h - who asks: an API key's name, or anonymous. The unit of fair turns and of what is
 * allowed.
 *
 * Constant after birth, so any thread may read it; shared by an atomic reference count, because a
 * reload replaces the table while batches run. */
#ifndef COMMON_CALLER_H
#define COMMON_CALLER_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct caller {
	atomic_uint refs;
	char *name;       /* "anonymous" where there is no key; two callers of one name are the same
			     caller */
	bool ad_hoc;      /* may POST /v1/batch */
	bool admin;       /* may read /metrics and /v1/upstreams */
	bool restricted;  /* to `endpoints`, else it may use all of them */
	char **endpoints; /* names */
	size_t endpoint_count;
};

/* NULL without memory; the reference is the asker's. It may use every endpoint. */
struct caller *caller_new(const char *name, bool ad_hoc, bool admin);
/* Only the named endpoints, unless "*" is among the names, which are copied. Once, before anybody
 * else knows the caller. False without memory: throw it away. */
bool caller_restrict(struct caller *caller, char *const *names, size_t count);
bool caller_may_use(const struct caller *caller, const char *endpoint);
struct caller *caller_ref(struct caller *caller);
void caller_unref(struct caller *caller); /* NULL is fine */
#endif
