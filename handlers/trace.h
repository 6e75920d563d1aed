/* trace.h - W3C Trace Context: is a `traceparent` fit to be passed on?
 *
 * Pure functions; any thread. */
#ifndef HANDLERS_TRACE_H
#define HANDLERS_TRACE_H
#include <stdbool.h>

/* NULL is not. A version above 00 may carry more behind the flags; ids of zeroes and version ff are
 * not valid. */
bool trace_parent_valid(const char *value);
/* At most 512 printable bytes. Only of use beside a valid traceparent. */
bool trace_state_valid(const char *value);
#endif
