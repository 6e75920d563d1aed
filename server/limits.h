/* limits.h - does the configuration fit into what the machine grants this process? */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H
#include "common/config.h"
#include "common/err.h"

/* Raises the soft limit of open files to the hard one, and sets pool.idle_files by what is left.
 * ERR_LIMIT where the configuration cannot fit even so; `err` has the figures. Main thread. */
enum err_code limits_open_files(struct config *config, struct err *err) MUST_CHECK;
#endif
