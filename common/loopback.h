/* loopback.h - can a host be reached from this machine alone?
 *
 * Pure, any thread. */
#ifndef COMMON_LOOPBACK_H
#define COMMON_LOOPBACK_H
#include <stdbool.h>

/* An address of 127.0.0.0/8, ::1, one of the former mapped into IPv6, or `localhost` in any
 * case. */
bool loopback_is(const char *host);
#endif
