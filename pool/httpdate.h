/* httpdate.h - the three forms of a date in HTTP (RFC 9110 section 5.6.7), in no locale.
 *
 * Pure; any thread. */
#ifndef POOL_HTTPDATE_H
#define POOL_HTTPDATE_H
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* Milliseconds since 1970; a date before is 0. `wall_now_ms` settles the century of a two-digit
 * year. False where `text` is not exactly one of the forms, or no such date exists. */
bool httpdate_parse(struct span text, uint64_t wall_now_ms, uint64_t *ret_wall_ms);
#endif
