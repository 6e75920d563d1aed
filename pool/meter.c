/* meter.c - how many a second, lately. */
#include "pool/meter.h"

#include <math.h>

static const double NOTHING = 1e-3; /* a second; less is shown as none */

static double faded(const struct meter *meter, uint64_t now_us)
{
	if (meter->per_s <= 0 || now_us <= meter->at_us)
		return meter->per_s;
	return meter->per_s * exp(-(double)(now_us - meter->at_us) / (double)METER_SPAN_US);
}

void meter_add(struct meter *meter, uint64_t now_us)
{
	meter->per_s = faded(meter, now_us) + 1e6 / (double)METER_SPAN_US;
	if (now_us > meter->at_us)
		meter->at_us = now_us;
}

double meter_read(const struct meter *meter, uint64_t now_us)
{
	double per_s = faded(meter, now_us);

	return per_s < NOTHING ? 0 : per_s;
}
