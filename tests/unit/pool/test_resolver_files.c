/* test_resolver_files.c - look-ups that this process has no descriptor, memory or place for: that
 * is told apart from what a name server does.
 *
 * The name server is a socket on loopback that this program answers on itself. */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "pool/resolver.h"

enum { FILES = 128, WATCHED_MAX = 256, TURNS_MAX = 100, QUERY_MAX = 512, SECOND = 1000000 };
enum { TYPE_A = 1, NO_ERROR = 0, SERVFAIL = 2, NXDOMAIN = 3 };

static struct {
	struct resolver *resolver;
	int server;
	int watched[WATCHED_MAX];
	size_t watched_count;
	int fillers[FILES];
	size_t filler_count;
	uint64_t now_us;
	int code;       /* what the server answers … */
	bool cuts_v4;   /* … and that of addresses of IPv4 there are more than fit */
	size_t queries; /* that reached it */
} world;

static struct resolver_answer told;
static size_t times_told;

static void on_watch(void *arg, int fd, uint32_t events)
{
	size_t i = 0;

	(void)arg;
	while (i < world.watched_count && world.watched[i] != fd)
		i++;
	if (events == 0 && i < world.watched_count) {
		world.watched[i] = world.watched[--world.watched_count];
	} else if (events && i == world.watched_count) {
		ck_assert_uint_lt(i, WATCHED_MAX);
		world.watched[world.watched_count++] = fd;
	}
}

static void begin(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	char csv[64];

	memset(&world, 0, sizeof world);
	memset(&told, 0, sizeof told);
	times_told = 0;
	world.now_us = 1000 * (uint64_t)SECOND;
	world.server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(world.server, (const struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(getsockname(world.server, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(resolver_new(on_watch, NULL, &world.resolver, NULL), ERR_OK);
	snprintf(csv, sizeof csv, "127.0.0.1:%u", ntohs(address.sin_port));
	ck_assert_int_eq(resolver_set_servers(world.resolver, csv, NULL), ERR_OK);
}

static void end(void)
{
	resolver_destroy(world.resolver);
	close(world.server);
}

/* From now on this process can open so many more files. */
static void leave_free(size_t count)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = FILES;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (int fd; (fd = dup(world.server)) >= 0;)
		world.fillers[world.filler_count++] = fd;
	ck_assert_uint_gt(world.filler_count, count);
	while (count-- > 0)
		close(world.fillers[--world.filler_count]);
}

static void leave_all_free(void)
{
	while (world.filler_count > 0)
		close(world.fillers[--world.filler_count]);
}

static void on_done(struct resolver_waiter *waiter, const struct resolver_answer *answer)
{
	(void)waiter;
	told = *answer;
	times_told++;
}

/* True: the answer was there at once. */
static bool ask(struct resolver_waiter *waiter, const char *host)
{
	struct resolver_answer answer;

	waiter->done = on_done;
	if (!resolver_ask(world.resolver, host, world.now_us, waiter, &answer))
		return false;
	on_done(waiter, &answer);
	return true;
}

/* Answers what was asked, with no address. */
static void serve(void)
{
	unsigned char query[QUERY_MAX];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t len;

	while ((len = recvfrom(world.server, query, sizeof query, 0, (struct sockaddr *)&from,
			&size)) > 12) {
		size_t at = 12;

		world.queries++;
		while (query[at])
			at += query[at] + 1u;
		query[2] = 0x81;
		query[3] = (unsigned char)(0x80 | world.code);
		if (world.cuts_v4 && query[at + 2] == TYPE_A)
			query[2] |= 2;
		ck_assert_int_eq(sendto(world.server, query, (size_t)len, 0,
					 (const struct sockaddr *)&from, size),
			len);
	}
}

static void turn(void)
{
	struct pollfd fds[WATCHED_MAX];
	size_t count = world.watched_count;

	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = world.watched[i], .events = POLLIN};
	serve();
	poll(fds, count, 0);
	for (size_t i = 0; i < count; i++)
		if (fds[i].revents)
			resolver_process(world.resolver, fds[i].fd, EPOLLIN, world.now_us);
	resolver_process(world.resolver, -1, 0, world.now_us);
}

/* What `host` is answered with in the end. */
static const struct resolver_answer *look_up(const char *host)
{
	struct resolver_waiter waiter = {.entry = NULL};

	times_told = 0;
	if (!ask(&waiter, host))
		for (unsigned i = 0; times_told == 0; i++) {
			ck_assert_uint_lt(i, TURNS_MAX);
			turn();
		}
	ck_assert_uint_eq(times_told, 1);
	turn(); /* what was answered at once is bookkept */
	return &told;
}

START_TEST(without_a_descriptor_it_is_files_that_are_lacking_and_later_the_server_is_asked)
{
	struct resolver_waiter waiter = {.entry = NULL};

	begin();
	leave_free(0);
	look_up("a.test");
	ck_assert_int_eq(told.status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_FILES);
	ck_assert_str_eq(told.text, "no file descriptor is free");
	ck_assert_uint_eq(world.queries, 0);
	leave_all_free();
	ck_assert(!ask(&waiter, "a.test")); /* at the same time: it was not kept */
	serve();
	ck_assert_uint_gt(world.queries, 0);
	resolver_forget(world.resolver, &waiter);
	end();
}
END_TEST

START_TEST(a_name_of_the_hosts_file_is_no_unknown_name_where_the_file_cannot_be_read)
{
	struct resolver_waiter other = {.entry = NULL};

	begin();
	world.code = NXDOMAIN;
	ck_assert(!ask(&other, "a.test"));
	resolver_forget(world.resolver, &other); /* the socket stays open until it is answered */
	leave_free(0);
	look_up("localhost");
	ck_assert_int_eq(told.status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_FILES);
	leave_all_free();
	ck_assert_int_eq(look_up("localhost")->status, RESOLVER_OK);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_NOTHING);
	end();
}
END_TEST

START_TEST(half_an_answer_for_want_of_a_second_socket_is_not_the_name_s_fault)
{
	begin();
	world.cuts_v4 = true;
	leave_free(1);
	look_up("cut.test");
	ck_assert_uint_ge(world.queries, 2); /* over the first */
	ck_assert_int_eq(told.status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_FILES);
	leave_all_free();
	end();
}
END_TEST

START_TEST(what_a_name_server_does_is_no_lack_of_ours)
{
	static const struct {
		const char *host;
		int code;
		enum resolver_status status;
	} rows[] = {
		{"empty.test", NO_ERROR, RESOLVER_NO_NAME},
		{"none.test", NXDOMAIN, RESOLVER_NO_NAME},
		{"broken.test", SERVFAIL, RESOLVER_FAILED},
	};

	begin();
	leave_free(0);
	look_up("a.test"); /* what was lacking before is forgotten */
	leave_all_free();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		world.code = rows[i].code;
		ck_assert_int_eq(look_up(rows[i].host)->status, rows[i].status);
		ck_assert_int_eq(told.lack, RESOLVER_LACKS_NOTHING);
	}
	close(world.server); /* the port is refused now */
	world.server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(look_up("refused.test")->status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_NOTHING);
	end();
}
END_TEST

START_TEST(memory_and_places_are_ours_too)
{
	static struct resolver_waiter waiters[RESOLVER_TABLE_MAX];
	struct resolver_waiter late = {.entry = NULL};
	char host[32];

	begin();
	mem_fail_at(1);
	ck_assert(ask(&late, "a.test"));
	ck_assert(mem_failed());
	mem_fail_at(0);
	ck_assert_int_eq(told.status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_ROOM);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		snprintf(host, sizeof host, "n%u.test", i);
		ck_assert(!ask(&waiters[i], host));
		while (recv(world.server, host, 1, 0) > 0)
			; /* unanswered */
	}
	told.lack = RESOLVER_LACKS_NOTHING;
	ck_assert(ask(&late, "late.test"));
	ck_assert_int_eq(told.status, RESOLVER_FAILED);
	ck_assert_int_eq(told.lack, RESOLVER_LACKS_ROOM);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++)
		resolver_forget(world.resolver, &waiters[i]);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/resolver, without files");
	TCase *tcase = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase,
		without_a_descriptor_it_is_files_that_are_lacking_and_later_the_server_is_asked);
	tcase_add_test(
		tcase, a_name_of_the_hosts_file_is_no_unknown_name_where_the_file_cannot_be_read);
	tcase_add_test(tcase, half_an_answer_for_want_of_a_second_socket_is_not_the_name_s_fault);
	tcase_add_test(tcase, what_a_name_server_does_is_no_lack_of_ours);
	tcase_add_test(tcase, memory_and_places_are_ours_too);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
