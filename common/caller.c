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

bool caller_restrict(struct caller *caller, char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], "*") == 0)
			return true;
	caller->restricted = true;
	caller->endpoints = mem_try(count * sizeof *caller->endpoints);
	if (!caller->endpoints)
		return false;
	while (caller->endpoint_count < count) {
		const char *name = names[caller->endpoint_count];
		char *copy = mem_copy(name, strlen(name));

		if (!copy)
			return false;
		caller->endpoints[caller->endpoint_count++] = copy;
	}
	return true;
}

bool caller_may_use(const struct caller *caller, const char *endpoint)
{
	for (size_t i = 0; i < caller->endpoint_count; i++)
		if (strcmp(caller->endpoints[i], endpoint) == 0)
			return true;
	return !caller->restricted;
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
	for (size_t i = 0; i < caller->endpoint_count; i++)
		mem_free(caller->endpoints[i]);
	mem_free(caller->endpoints);
	mem_free(caller->name);
	mem_free(caller);
}
