/* watcher.h - one thread that sees clients leave while they wait for an answer, and cuts
 * connections whose time is up.
 *
 * libmicrohttpd looks at neither: a suspended connection has no time-out and no ears, and the
 * time-outs of the others are of inactivity. Every connection has a *watch* from accept to close,
 * with one absolute deadline, and, while an answer is being worked on, a *departure*: what to do
 * when the client leaves. Where the client has left in the middle of a request or between two, its
 * deadline is soon.
 *
 * A connection is cut with shutdown(2), under the watcher's lock and only while its watch lives:
 * the descriptor is closed by its owner after watcher_remove, so that no reused one is hit. */
#ifndef SERVER_WATCHER_H
#define SERVER_WATCHER_H
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "server/departure.h"

struct watcher;
struct watch;

/* Room for `capacity` connections at a time; starts the thread. */
enum err_code watcher_new(
	size_t capacity, struct watcher **ret_watcher, struct err *err) MUST_CHECK;
/* NULL is fine; joins the thread; every watch must have been removed. */
void watcher_destroy(struct watcher *watcher);

/* All of these: any thread. NULL where there is no room. `fd` is borrowed until watcher_remove. */
struct watch *watcher_add(struct watcher *watcher, int fd, uint64_t deadline_us);
void watcher_remove(struct watcher *watcher, struct watch *watch);
/* CLOCK_NEVER: none. */
void watcher_set_deadline(struct watcher *watcher, struct watch *watch, uint64_t deadline_us);
/* A request is about to be worked on: no deadline, and a departure may be armed until
 * watcher_disarm. */
void watcher_begin(struct watcher *watcher, struct watch *watch);
/* The answer has been sent; the next request has until then to come. */
void watcher_end(struct watcher *watcher, struct watch *watch, uint64_t deadline_us);
/* From now on, or at once where the client has already left, `departure` is told on the watcher's
 * thread. Takes a reference of its own. Does nothing after watcher_disarm. On the thread that owns
 * the connection. */
void watcher_arm(struct watcher *watcher, struct watch *watch, struct departure *departure);
/* A call of `gone` that has begun may still run. */
void watcher_disarm(struct watcher *watcher, struct watch *watch);
#endif
