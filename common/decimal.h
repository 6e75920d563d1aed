/* decimal.h - JSON numbers as text: their form, and whether two of them are the same number.
 *
 * Exact: no double is made of them, so that ids of 20 digits stay apart. Pure; any thread. */
#ifndef COMMON_DECIMAL_H
#define COMMON_DECIMAL_H
#include <stdbool.h>

#include "common/buf.h"

bool decimal_is(struct span text);         /* a number as RFC 8259 has it */
bool decimal_is_integer(struct span text); /* digits only: 1.0 and 1e0 are none */
/* 1, 1.0 and 10e-1 are the same, so are 0 and -0. Both must be numbers. An exponent past 10^17
 * counts as 10^17. */
bool decimal_equals(struct span a, struct span b);
#endif
