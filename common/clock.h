/* clock.h - what time it is: monotonic for deadlines, wall for people. Any thread. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H
#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX
#define CLOCK_TEXT_SIZE 32

uint64_t clock_us(void);      /* monotonic microseconds since some start, never 0 */
uint64_t clock_wall_ms(void); /* since 1970, UTC */
/* RFC 3339, UTC, milliseconds. */
const char *clock_text(uint64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE]);
uint64_t clock_add(uint64_t at_us, uint64_t span_us); /* saturates at CLOCK_NEVER */
#endif
