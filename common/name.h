/* name.h - names that people choose: of keys, endpoints, params and requests. Pure; any thread. */
#ifndef COMMON_NAME_H
#define COMMON_NAME_H
#include <stdbool.h>
#include <stddef.h>

enum { NAME_LENGTH_MAX = 64 };                   /* bytes, of which each is a character */
#define NAME_FORM "1 to 64 of A-Z a-z 0-9 . _ -" /* the rule, for messages */

bool name_valid(const char *text);
/* How many bytes `text` begins with that may stand in a name. */
size_t name_span(const char *text);
#endif
