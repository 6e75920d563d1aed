/* fakeclock.h - time that stands until the test moves it. It stands in for common/clock.c by
 * defining all of its functions. */
#ifndef TESTS_UNIT_BATCH_FAKECLOCK_H
#define TESTS_UNIT_BATCH_FAKECLOCK_H
#include "common/clock.h"

static uint64_t fakeclock_us = 1000000;

uint64_t clock_us(void)
{
	return fakeclock_us;
}

uint64_t clock_wall_ms(void)
{
	return fakeclock_us / 1000;
}

const char *clock_text(uint64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE])
{
	(void)wall_ms;
	ret_text[0] = '\0';
	return ret_text;
}

uint64_t clock_add(uint64_t at_us, uint64_t span_us)
{
	return at_us > CLOCK_NEVER - span_us ? CLOCK_NEVER : at_us + span_us;
}
#endif
