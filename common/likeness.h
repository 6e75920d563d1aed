/* likeness.h - how far two names are from each other, for hints. Pure; any thread. */
#ifndef COMMON_LIKENESS_H
#define COMMON_LIKENESS_H
#include <stddef.h>

enum { LIKENESS_LONGEST = 40 };

/* Edits that make one of the other, where exchanging neighbours is one; LIKENESS_LONGEST where one
 * is longer than that. */
size_t likeness_distance(const char *a, const char *b);
#endif
