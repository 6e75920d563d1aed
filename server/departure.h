/* departure.h - what is to be done when a client leaves before its answer.
 *
 * Shared by count, any thread. `gone` is called at most once, by who finds out; `destroy` with the
 * last reference: nothing can call `gone` then. */
#ifndef SERVER_DEPARTURE_H
#define SERVER_DEPARTURE_H

struct departure;

struct departure *departure_new(void); /* with nothing to do; NULL without memory */
void departure_set(struct departure *departure, void *context, void (*gone)(void *context),
	void (*destroy)(void *context));
void departure_tell(struct departure *departure); /* calls `gone` */
struct departure *departure_ref(struct departure *departure);
void departure_unref(struct departure *departure); /* NULL is fine */
#endif
