/* likeness.c - how far two names are from each other, for hints. */
#include "common/likeness.h"

#include <string.h>

size_t likeness_distance(const char *a, const char *b)
{
	size_t rows[3][LIKENESS_LONGEST + 1], a_len = strlen(a), b_len = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (a_len > LIKENESS_LONGEST || b_len > LIKENESS_LONGEST)
		return LIKENESS_LONGEST;
	memset(rows, 0, sizeof rows);
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}
