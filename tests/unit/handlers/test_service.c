/* test_service.c - what runs is counted, the end of it is told, a reload spares what runs. */
#include <check.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

static bool told(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof count) == (ssize_t)sizeof count;
}

START_TEST(draining_is_told_at_once_where_nothing_runs)
{
	struct service service;
	int fd = eventfd(0, EFD_NONBLOCK);

	service_init(&service, 0);
	ck_assert(!told(fd));
	service_drain(&service, fd);
	ck_assert(told(fd));
	service_free(&service);
	close(fd);
}
END_TEST

START_TEST(draining_is_told_when_the_last_one_leaves)
{
	struct service service;
	int fd = eventfd(0, EFD_NONBLOCK);

	service_init(&service, 0);
	ck_assert(service_enter(&service));
	ck_assert(service_enter(&service));
	service_drain(&service, fd);
	service_leave(&service);
	ck_assert(!told(fd));
	ck_assert(service_enter(&service));
	service_close(&service);
	ck_assert(!service_enter(&service));
	service_leave(&service);
	ck_assert(!told(fd));
	service_leave(&service);
	ck_assert(told(fd));
	service_free(&service);
	close(fd);
}
END_TEST

START_TEST(a_request_keeps_the_snapshot_it_began_with)
{
	struct fake_house house;
	struct config next = {.targets = {.ad_hoc = true}};
	struct snapshot *before, *after;

	fake_house_init(&house);
	before = service_snapshot(&house.service);
	service_set(&house.service, snapshot_new(&next, NULL, NULL));
	after = service_snapshot(&house.service);
	ck_assert_ptr_eq(before->config, &house.config);
	ck_assert_ptr_eq(after->config, &next);
	ck_assert_int_eq(house.guards_alive, 2);
	snapshot_unref(before);
	ck_assert_int_eq(house.guards_alive, 1);
	snapshot_unref(after);
	fake_house_run(&house, &healthz_route);
	fake_house_end(&house);
}
END_TEST

static void get(struct fake_house *house, const struct route *route, unsigned status)
{
	fake_house_init(house);
	house->state = status == 503 ? HTTP_UNREADY : HTTP_READY;
	fake_house_run(house, route);
	ck_assert_uint_eq(house->ex.status, status);
}

START_TEST(health_and_readiness_say_so)
{
	struct fake_house house;

	get(&house, &healthz_route, 200);
	ck_assert_str_eq(house.ex.reply.ptr, "{\"status\": \"ok\"}\n");
	fake_house_end(&house);
	get(&house, &readyz_route, 200);
	ck_assert_str_eq(house.ex.reply.ptr, "{\"status\": \"ready\"}\n");
	fake_house_end(&house);
	get(&house, &readyz_route, 503);
	ck_assert_int_eq(house.ex.problem, PROBLEM_DRAINING);
	fake_house_end(&house);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("service");
	TCase *tests = tcase_create("service");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, draining_is_told_at_once_where_nothing_runs);
	tcase_add_test(tests, draining_is_told_when_the_last_one_leaves);
	tcase_add_test(tests, a_request_keeps_the_snapshot_it_began_with);
	tcase_add_test(tests, health_and_readiness_say_so);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
