/* test_signals.c - what the main thread is told. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/signals.h"
#include "tests/harness/check_main.h"

static struct signals *make(void)
{
	struct signals *signals = NULL;
	struct err err;

	ck_assert_int_eq(signals_new(&signals, &err), ERR_OK);
	return signals;
}

static void add_to(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof one), (int)sizeof one);
}

START_TEST(each_signal_is_told_once_and_stops_nothing_by_itself)
{
	struct signals *signals = make();

	ck_assert_int_eq(signals_last(signals), 0);
	kill(getpid(), SIGHUP);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_RELOAD);
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_STOP);
	ck_assert_int_eq(signals_last(signals), SIGTERM);
	kill(getpid(), SIGINT);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_STOP);
	ck_assert_int_eq(signals_last(signals), SIGINT);
	kill(getpid(), SIGPIPE);
	signals_destroy(signals);
}
END_TEST

START_TEST(a_stop_comes_before_the_timer_and_the_timer_before_idle)
{
	struct signals *signals = make();

	signals_set_timer(signals, 1);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_TIMER);
	add_to(signals_idle_fd(signals));
	add_to(signals_idle_fd(signals));
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_STOP);
	ck_assert_int_eq(signals_wait(signals), SIGNALS_IDLE);
	signals_destroy(signals);
}
END_TEST

START_TEST(a_timer_that_was_switched_off_stays_silent)
{
	struct signals *signals = make();

	signals_set_timer(signals, 3600 * 1000);
	signals_set_timer(signals, 0);
	add_to(signals_idle_fd(signals));
	ck_assert_int_eq(signals_wait(signals), SIGNALS_IDLE);
	signals_destroy(signals);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, each_signal_is_told_once_and_stops_nothing_by_itself);
	tcase_add_test(tests, a_stop_comes_before_the_timer_and_the_timer_before_idle);
	tcase_add_test(tests, a_timer_that_was_switched_off_stays_silent);
	return check_run("signals", tests);
}
