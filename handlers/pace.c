/* pace.c - how fast items have been ending lately, and so when a refused request may come again. */
#include "handlers/pace.h"

enum { SECOND_US = 1000000 };

/* The golden ratio's multiples modulo 1 lie as evenly as can be, however many are drawn. */
#define GOLDEN UINT32_C(2654435769)

void pace_init(struct pace *pace)
{
	atomic_init(&pace->items, 0);
	atomic_init(&pace->busy_since_us, 0);
	atomic_init(&pace->last_us, 0);
	atomic_init(&pace->asked, 0);
	for (size_t i = 0; i < PACE_SECONDS; i++)
		atomic_init(&pace->ended[i], 0);
}

void pace_begin(struct pace *pace, size_t items, uint64_t now_us)
{
	if (items == 0 || atomic_fetch_add(&pace->items, items) > 0)
		return;
	atomic_store(&pace->busy_since_us, now_us);
	for (size_t i = 0; i < PACE_SECONDS; i++) /* the work before it was another's */
		atomic_store(&pace->ended[i], 0);
}

void pace_forget(struct pace *pace, size_t items)
{
	atomic_fetch_sub(&pace->items, items);
}

size_t pace_items(struct pace *pace)
{
	return atomic_load(&pace->items);
}

static void count(atomic_uint_fast64_t *slot, uint64_t second)
{
	uint64_t old = atomic_load_explicit(slot, memory_order_relaxed), now;

	do
		now = old >> 32 == (uint32_t)second ? old + 1 : second << 32 | 1;
	while (!atomic_compare_exchange_weak_explicit(
		slot, &old, now, memory_order_relaxed, memory_order_relaxed));
}

void pace_end(struct pace *pace, bool turn, uint64_t now_us)
{
	uint64_t second = now_us / SECOND_US;

	atomic_fetch_sub(&pace->items, 1);
	if (!turn)
		return;
	count(&pace->ended[second % PACE_SECONDS], second);
	atomic_store_explicit(&pace->last_us, now_us, memory_order_relaxed);
}

static uint64_t ended_since(struct pace *pace, uint64_t second)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < PACE_SECONDS; i++) {
		uint64_t slot = atomic_load_explicit(&pace->ended[i], memory_order_relaxed);

		if (slot >> 32 >= second)
			sum += (uint32_t)slot;
	}
	return sum;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t since(uint64_t then_us, uint64_t now_us)
{
	return now_us > then_us ? now_us - then_us : 0;
}

static uint64_t estimate_us(struct pace *pace, uint64_t now_us)
{
	uint64_t items = atomic_load(&pace->items), busy_us = atomic_load(&pace->busy_since_us);
	uint64_t second = now_us / SECOND_US, first_us = 0, ended;

	if (items == 0)
		return 0;
	if (second >= PACE_SECONDS)
		first_us = (second - PACE_SECONDS + 1) * SECOND_US;
	first_us = later(first_us, busy_us);
	ended = ended_since(pace, first_us / SECOND_US);
	if (ended > 0)
		return items * (since(first_us, now_us) + 1) / ended;
	return since(later(busy_us, atomic_load(&pace->last_us)), now_us);
}

unsigned pace_spread_s(struct pace *pace, uint64_t wait_us)
{
	const uint64_t most_us = (uint64_t)PACE_LONGEST_S * SECOND_US * 2 / 3;
	uint32_t place = (uint32_t)atomic_fetch_add(&pace->asked, 1) * GOLDEN;

	if (wait_us > most_us)
		wait_us = most_us;
	wait_us += (wait_us / 2 * place) >> 32;
	return wait_us > SECOND_US ? (unsigned)((wait_us + SECOND_US - 1) / SECOND_US) : 1;
}

unsigned pace_retry_after_s(struct pace *pace, uint64_t now_us)
{
	return pace_spread_s(pace, estimate_us(pace, now_us));
}
