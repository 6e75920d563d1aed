/* test_watcher.c - clients that leave and connections whose time is up, over socket pairs. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/watcher.h"
#include "tests/harness/check_main.h"

enum { CAPACITY = 8, PATIENCE_MS = 20000 };

static struct watcher *watcher;
static int near[CAPACITY], far[CAPACITY]; /* the server's ends, the clients' */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned gone, destroyed;

static void set_up(void)
{
	gone = destroyed = 0;
	ck_assert_int_eq(watcher_new(CAPACITY, &watcher, NULL), ERR_OK);
	for (size_t i = 0; i < CAPACITY; i++) {
		int pair[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		near[i] = pair[0];
		far[i] = pair[1];
	}
}

static void tear_down(void)
{
	watcher_destroy(watcher);
	for (size_t i = 0; i < CAPACITY; i++) {
		close(near[i]);
		if (far[i] >= 0)
			close(far[i]);
	}
}

static void count(void *counter)
{
	pthread_mutex_lock(&lock);
	++*(unsigned *)counter;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void count_gone(void *context)
{
	(void)context;
	count(&gone);
}

static void count_destroyed(void *context)
{
	(void)context;
	count(&destroyed);
}

static void wait_for(const unsigned *counter, unsigned value)
{
	pthread_mutex_lock(&lock);
	while (*counter < value)
		pthread_cond_wait(&changed, &lock);
	ck_assert_uint_eq(*counter, value);
	pthread_mutex_unlock(&lock);
}

static struct departure *make_departure(void)
{
	struct departure *departure = departure_new();

	departure_set(departure, NULL, count_gone, count_destroyed);
	return departure;
}

/* The client's view: when the connection ends. */
static uint64_t wait_for_end(int fd)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};
	char byte;

	ck_assert_int_eq(poll(&in, 1, PATIENCE_MS), 1);
	ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
	return clock_us();
}

static bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

START_TEST(connections_are_cut_in_the_order_of_their_deadlines)
{
	uint64_t now = clock_us();
	struct watch *watches[4] = {watcher_add(watcher, near[0], now + 150000),
		watcher_add(watcher, near[1], now + 50000),
		watcher_add(watcher, near[2], now + 100000),
		watcher_add(watcher, near[3], CLOCK_NEVER)};

	ck_assert_uint_ge(wait_for_end(far[1]), now + 50000);
	ck_assert_uint_ge(wait_for_end(far[2]), now + 100000);
	ck_assert_uint_ge(wait_for_end(far[0]), now + 150000);
	ck_assert(is_open(far[3]));
	for (size_t i = 0; i < 4; i++)
		watcher_remove(watcher, watches[i]);
}
END_TEST

START_TEST(a_deadline_may_move_both_ways_or_away)
{
	uint64_t now = clock_us();
	struct watch *later = watcher_add(watcher, near[0], now + 30000),
		     *sooner = watcher_add(watcher, near[1], now + 9000000),
		     *never = watcher_add(watcher, near[2], now + 30000);

	watcher_set_deadline(watcher, later, now + 120000);
	watcher_set_deadline(watcher, sooner, now + 60000);
	watcher_set_deadline(watcher, never, CLOCK_NEVER);
	ck_assert_uint_ge(wait_for_end(far[1]), now + 60000);
	ck_assert(is_open(far[0]));
	ck_assert_uint_ge(wait_for_end(far[0]), now + 120000);
	ck_assert(is_open(far[2]));
	watcher_set_deadline(watcher, never, clock_us());
	wait_for_end(far[2]);
	watcher_remove(watcher, later);
	watcher_remove(watcher, sooner);
	watcher_remove(watcher, never);
}
END_TEST

START_TEST(a_removed_connection_is_not_cut_although_its_deadline_passes)
{
	uint64_t now = clock_us();
	struct watch *removed = watcher_add(watcher, near[0], now + 30000),
		     *kept = watcher_add(watcher, near[1], now + 60000);

	watcher_remove(watcher, removed);
	wait_for_end(far[1]);
	ck_assert(is_open(far[0]));
	watcher_remove(watcher, kept);
}
END_TEST

START_TEST(a_departure_is_told_once_when_the_client_leaves)
{
	struct watch *watch = watcher_add(watcher, near[0], CLOCK_NEVER);
	struct departure *departure = make_departure();

	watcher_begin(watcher, watch);
	watcher_arm(watcher, watch, departure);
	departure_unref(departure);
	shutdown(far[0], SHUT_WR);
	wait_for(&gone, 1);
	wait_for(&destroyed, 1);
	close(far[0]);
	far[0] = -1;
	watcher_remove(watcher, watch);
	ck_assert_uint_eq(gone, 1);
}
END_TEST

START_TEST(a_client_that_left_before_is_told_of_when_armed)
{
	struct watch *watch = watcher_add(watcher, near[0], CLOCK_NEVER);

	close(far[0]);
	far[0] = -1;
	for (unsigned i = 1; i <= 3; i++) { /* each request that was piped in before */
		struct departure *departure = make_departure();

		watcher_begin(watcher, watch);
		watcher_arm(watcher, watch, departure);
		wait_for(&gone, i);
		watcher_disarm(watcher, watch);
		departure_unref(departure);
		wait_for(&destroyed, i);
	}
	watcher_remove(watcher, watch);
}
END_TEST

START_TEST(an_answered_request_has_no_departure)
{
	struct watch *watch = watcher_add(watcher, near[0], CLOCK_NEVER),
		     *other = watcher_add(watcher, near[1], CLOCK_NEVER);
	struct departure *departure = make_departure(), *probe = make_departure();

	watcher_begin(watcher, watch);
	watcher_disarm(watcher, watch); /* answered before it was armed */
	watcher_arm(watcher, watch, departure);
	close(far[0]);
	far[0] = -1;
	watcher_begin(watcher, other);
	watcher_arm(watcher, other, probe);
	close(far[1]);
	far[1] = -1;
	wait_for(&gone, 1); /* the probe's: whatever the first had caused came before */
	departure_unref(departure);
	departure_unref(probe);
	watcher_remove(watcher, watch);
	watcher_remove(watcher, other);
	wait_for(&destroyed, 2);
	ck_assert_uint_eq(gone, 1);
}
END_TEST

START_TEST(there_is_room_for_so_many_and_room_is_used_again)
{
	struct watch *watches[CAPACITY];

	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < CAPACITY; i++) {
			watches[i] = watcher_add(watcher, near[i], clock_us() + 60000000 - i);
			ck_assert_ptr_nonnull(watches[i]);
		}
		ck_assert_ptr_null(watcher_add(watcher, near[0], CLOCK_NEVER));
		for (size_t i = 0; i < CAPACITY; i++)
			watcher_remove(watcher, watches[(i * 3 + (size_t)round) % CAPACITY]);
	}
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_watched_takes_no_room)
{
	for (size_t i = 0; i < 3 * CAPACITY; i++)
		ck_assert_ptr_null(watcher_add(watcher, -1, CLOCK_NEVER));
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, connections_are_cut_in_the_order_of_their_deadlines);
	tcase_add_test(tests, a_deadline_may_move_both_ways_or_away);
	tcase_add_test(tests, a_removed_connection_is_not_cut_although_its_deadline_passes);
	tcase_add_test(tests, a_departure_is_told_once_when_the_client_leaves);
	tcase_add_test(tests, a_client_that_left_before_is_told_of_when_armed);
	tcase_add_test(tests, an_answered_request_has_no_departure);
	tcase_add_test(tests, there_is_room_for_so_many_and_room_is_used_again);
	tcase_add_test(tests, a_descriptor_that_cannot_be_watched_takes_no_room);
	return check_run("watcher", tests);
}
