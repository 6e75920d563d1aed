/* test_transport_watchdog.c - what the watchdog takes for a flood, tick by tick. */
#include <check.h>
#include <stdlib.h>

#include "pool/transport_internal.h"

enum {
	LIMIT = 1000, /* ticks: never */
	FLOOD = 200 << 10,
	FRAMES = 2 << 10
};

static const struct {
	const char *what;
	uint64_t bytes;       /* a tick */
	unsigned told_each;   /* a word to us at every so manieth tick; 0: none */
	unsigned begins_each; /* a new call of libcurl at every so manieth; 0: none but the first */
	unsigned rests_each;  /* nothing was read at every so manieth; 0: at none */
	unsigned least, most; /* at which tick it is cut */
} table[] = {
	{"frames as fast as they are read", FLOOD, 0, 0, 0, 5, 5},
	{"a few frames that take long", 100, 0, 0, 0, 60, LIMIT},
	{"frames of a slow machine", FRAMES, 0, 0, 0, 9, 10},
	{"a body that is taken all the time", FLOOD, 1, 0, 0, 60, 62},
	{"a body that is taken now and then", FLOOD, 3, 0, 0, 60, 62},
	{"a body between whose parts is silence", FLOOD, 6, 0, 0, 5, 10},
	{"calls that come back", FLOOD, 0, 4, 0, LIMIT, LIMIT},
	{"one that stops for breath", FLOOD, 0, 0, 4, LIMIT, LIMIT},
	{"calls that take long each", FLOOD, 0, 8, 0, 5, 8},
};

static bool at_each(unsigned tick, unsigned each)
{
	return each > 0 && tick % each == 0;
}

START_TEST(a_flood_is_many_bytes_and_no_word_or_no_end)
{
	struct socket_state state = {0};
	uint64_t taken = 5000; /* before */
	unsigned tick = 0;
	bool cut = false;

	while (!cut && tick < LIMIT) {
		if (!at_each(tick, table[_i].rests_each))
			taken += table[_i].bytes;
		cut = transport_watchdog_tick(&state, taken,
			tick == 0 || at_each(tick, table[_i].begins_each),
			at_each(tick, table[_i].told_each));
		tick++;
	}
	ck_assert_msg(
		tick >= table[_i].least && tick <= table[_i].most, "%s: %u", table[_i].what, tick);
}
END_TEST

START_TEST(what_was_cut_is_counted_anew)
{
	struct socket_state state = {0};
	unsigned cuts = 0;

	for (unsigned tick = 0; tick < 9; tick++)
		cuts += transport_watchdog_tick(&state, (tick + 1) * FLOOD, tick == 0, false);
	ck_assert_uint_eq(cuts, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transport_watchdog");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, a_flood_is_many_bytes_and_no_word_or_no_end, 0,
		sizeof table / sizeof *table);
	tcase_add_test(tcase, what_was_cut_is_counted_anew);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
