/* forker.h - a process that forks others: helpers are made and replaced by it, so that a program
 * with threads never forks.
 *
 * forker_start belongs at the very start of the program: before the first thread, and before any
 * secret is read, since all helpers begin as a copy of what the program is then. The forker wipes
 * the environment, keeps one descriptor, and ignores the signals that stop or reload the program;
 * it ends when the program ends, however that ends, and its children with it.
 *
 * Any thread may ask it; no call waits. A new process is reached by a stream socket whose one end
 * the caller has at once: bytes sent before the process exists wait for it, and a process that
 * could not be made shows as the end of the stream. */
#ifndef POOL_FORKER_H
#define POOL_FORKER_H
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum { FORKER_CHILDREN_MAX = 512 };

struct forker;

typedef void forker_serve_fn(int fd); /* in the child, with its end of the socket and no other
					 descriptor but 0 to 2 */

enum err_code forker_start(
	forker_serve_fn *serve, struct forker **ret_forker, struct err *err) MUST_CHECK;
void forker_stop(struct forker *forker); /* its children are killed; NULL is fine */
pid_t forker_pid(const struct forker *forker);
/* ERR_BUSY where the forker has too much to do: try again later; ERR_IO where there is none any
 * more, or no descriptor. Gives the socket, non-blocking. */
enum err_code forker_spawn(struct forker *forker, int *ret_fd, uint64_t *ret_child) MUST_CHECK;
/* SIGKILL; one that has ended already is none. ERR_BUSY: try again later. Never another process:
 * the forker looks at the children that it has not reaped. */
enum err_code forker_kill(struct forker *forker, uint64_t child) MUST_CHECK;
#endif
