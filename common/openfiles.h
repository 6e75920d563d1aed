/* openfiles.h - how many open files the calls may take, and the limit raised to what may be had. */
#ifndef COMMON_OPENFILES_H
#define COMMON_OPENFILES_H
#include "common/config.h"
#include "common/err.h"

/* Beside connections and calls: stdio, listener, epoll sets, mailboxes, look-ups of names; what a
 * worker keeps alive in its last lane; and what a lane of calls has of its own. */
size_t openfiles_own(const struct config *config);
/* For connections that no call needs, of each worker; `left`: files that nothing else needs. */
size_t openfiles_idle(const struct config *config, size_t left);
/* Raises the soft limit to the hard one, which *ret_most is (SIZE_MAX: none). ERR_LIMIT where that
 * is less than `needed`; nothing has changed then. Main thread. */
enum err_code openfiles_raise(size_t needed, size_t *ret_most, struct err *err) MUST_CHECK;
#endif
