/* breaker.c - an upstream's circuit breaker: does it look alive? */
#include "pool/breaker.h"

#include "common/clock.h"

bool breaker_tick(struct breaker *breaker, uint64_t now_us)
{
	if (breaker->state != BREAKER_OPEN || now_us < breaker->until_us)
		return false;
	breaker->state = BREAKER_HALF_OPEN;
	return true;
}

/* As long again for each time in a row, so that a host that stays dead is asked less and less. */
static void trip(struct breaker *breaker, const struct breaker_rule *rule, uint64_t now_us)
{
	uint64_t most = rule->max_open_us / rule->open_us;

	breaker->opens++;
	breaker->state = BREAKER_OPEN;
	breaker->failures = 0;
	breaker->until_us = clock_add(now_us,
		breaker->opens <= most ? rule->open_us * breaker->opens : rule->max_open_us);
}

static bool note_closed(struct breaker *breaker, const struct breaker_rule *rule,
	enum verdict verdict, uint64_t now_us)
{
	if (verdict == VERDICT_GOOD)
		breaker->failures = 0;
	if (verdict != VERDICT_BAD || ++breaker->failures < rule->failures)
		return false;
	trip(breaker, rule, now_us);
	return true;
}

bool breaker_note(struct breaker *breaker, const struct breaker_rule *rule, enum verdict verdict,
	bool probe, uint64_t now_us)
{
	if (rule->failures == 0)
		return false;
	if (breaker->state == BREAKER_CLOSED)
		return note_closed(breaker, rule, verdict, now_us);
	if (breaker->state != BREAKER_HALF_OPEN || !probe || verdict == VERDICT_NONE)
		return false;
	if (verdict == VERDICT_GOOD)
		*breaker = (struct breaker){.state = BREAKER_CLOSED};
	else
		trip(breaker, rule, now_us);
	return true;
}

const char *breaker_state_text(enum breaker_state state)
{
	static const char *const texts[] = {"closed", "open", "half_open"};

	return texts[state];
}
