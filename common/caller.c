/* caller.c - who asks: an API key's name, or anonymous. */
#include "common/caller.h"

#include <string.h>

#include "common/mem.h"

struct caller *caller_new(const char *name, bool ad_hoc, bool admin)
{
	struct caller *caller = mem_try(sizeof *caller);

	if (!caller)
		return NULL;
	atomic_init(&caller->refs, 1);
	caller->name = mem_copy(name, strlen(name));
	caller->ad_hoc = ad_hoc;
	caller->admin = admin;
	if (!caller->name) {
		mem_free(caller);
		return NULL;
	}
	return caller;
}

struct caller *caller_ref(struct caller *caller)
{
	atomic_fetch_add(&caller->refs, 1);
	return caller;
}

void caller_unref(struct caller *caller)
{
	if (!caller || atomic_fetch_sub(&caller->refs, 1) != 1)
		return;
	mem_free(caller->name);
	mem_free(caller);
}
