/* departure.c - what is to be done when a client leaves before its answer. */
#include "server/departure.h"

#include <stdatomic.h>

#include "common/err.h"
#include "common/mem.h"

struct departure {
	atomic_uint refs;
	void *context;
	void (*gone)(void *context);
	void (*destroy)(void *context);
};

struct departure *departure_new(void)
{
	struct departure *departure = mem_try(sizeof *departure);

	if (departure)
		atomic_init(&departure->refs, 1);
	return departure;
}

void departure_set(struct departure *departure, void *context, void (*gone)(void *context),
	void (*destroy)(void *context))
{
	REQUIRE(!departure->gone && !departure->destroy);
	departure->context = context;
	departure->gone = gone;
	departure->destroy = destroy;
}

void departure_tell(struct departure *departure)
{
	if (departure->gone)
		departure->gone(departure->context);
}

struct departure *departure_ref(struct departure *departure)
{
	atomic_fetch_add(&departure->refs, 1);
	return departure;
}

void departure_unref(struct departure *departure)
{
	if (!departure || atomic_fetch_sub(&departure->refs, 1) != 1)
		return;
	if (departure->destroy)
		departure->destroy(departure->context);
	mem_free(departure);
}
