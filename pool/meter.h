/* meter.h - how many a second, lately: an exponentially weighted average over METER_SPAN_US.
 *
 * Pure: its owner says what time it is. One owner, one lock or thread. */
#ifndef POOL_METER_H
#define POOL_METER_H
#include <stdint.h>

#define METER_SPAN_US UINT64_C(10000000)

struct meter { /* zeroed: none so far */
	double per_s;
	uint64_t at_us; /* when per_s was true */
};

void meter_add(struct meter *meter, uint64_t now_us); /* one more */
double meter_read(const struct meter *meter, uint64_t now_us);
#endif
