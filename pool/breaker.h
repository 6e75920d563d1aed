/* breaker.h - an upstream's circuit breaker: does it look alive?
 *
 *   closed    ── `failures` in a row ──► open
 *   open      ── its time passes ──────► half open
 *   half open ── the probe succeeds ───► closed
 *   half open ── the probe fails ──────► open, for longer
 *
 * M. Nygard, "Release It!" (2007). Pure: it has no clock; its owner says what time it is and which
 * call is the probe. One owner, one lock or thread. */
#ifndef POOL_BREAKER_H
#define POOL_BREAKER_H
#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* What an attempt says of its upstream. */
enum verdict {
	VERDICT_NONE, /* nothing: cancelled, the item's own clock, a fault of ours */
	VERDICT_GOOD, /* it answered */
	VERDICT_BAD   /* no name, no connection, no TLS; 502, 503, 504 */
};

struct breaker_rule {
	unsigned failures;             /* 0: there is no breaker */
	uint64_t open_us, max_open_us; /* open_us <= max_open_us */
};

struct breaker {
	enum breaker_state state;
	unsigned failures; /* in a row, while closed */
	unsigned opens;    /* in a row */
	uint64_t until_us; /* while open */
};

/* Looks at the clock: open becomes half open. True where the state has changed. */
bool breaker_tick(struct breaker *breaker, uint64_t now_us);
/* An attempt is over. While it is not closed only the probe counts. True where the state has
 * changed. */
bool breaker_note(struct breaker *breaker, const struct breaker_rule *rule, enum verdict verdict,
	bool probe, uint64_t now_us);
const char *breaker_state_text(enum breaker_state state); /* "closed", "open", "half_open" */
#endif
