/* test_metrics_get.c - GET /metrics: gauges of the others, with labels that are bounded and come
 * once. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

static char any[] = "*", host[] = "a.example", own[] = "*.svc:8080";

static void render(struct fake_house *house)
{
	fake_house_init(house);
	house->upstreams[0].match = host;
	house->upstreams[1].match = own;
	house->upstreams[2].match = host;
	house->upstreams[3].match = any;
	house->config.upstream_count = 4;
	memcpy(house->upstream_counts, (size_t[]){1, 2, 4, 8}, sizeof house->upstream_counts);
	fake_house_run(house, &metrics_get_route);
	ck_assert_uint_eq(house->ex.status, 200);
	ck_assert_str_eq(house->ex.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

static size_t count_of(const char *text, const char *line)
{
	size_t count = 0;

	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
		count++;
	return count;
}

START_TEST(upstreams_are_labelled_by_their_rule_and_the_last_is_other)
{
	struct fake_house house;

	render(&house);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_upstream_in_flight{upstream=\"a.example\"} 5\n"),
		1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_upstream_in_flight{upstream=\"*.svc:8080\"} 2\n"),
		1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_upstream_in_flight{upstream=\"other\"} 8\n"),
		1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_upstream_in_flight{"), 3);
	fake_house_end(&house);
}
END_TEST

START_TEST(gauges_of_pool_server_and_budget_are_there_once)
{
	struct fake_house house;

	render(&house);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_in_flight 4\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_queued 5\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_connections 3\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_memory_bytes 100\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_memory_limit_bytes 1000\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_batches_running 0\n"), 1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_build_info{version=\"" BATCHGATE_VERSION "\"} 1\n"),
		1);
	fake_house_end(&house);
}
END_TEST

START_TEST(without_memory_there_is_a_503)
{
	struct fake_house house;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		fake_house_init(&house);
		mem_fail_at(n);
		fake_house_run(&house, &metrics_get_route);
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert_uint_eq(house.ex.status, failed ? 503 : 200);
		fake_house_end(&house);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics_get");
	TCase *tests = tcase_create("metrics_get");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, upstreams_are_labelled_by_their_rule_and_the_last_is_other);
	tcase_add_test(tests, gauges_of_pool_server_and_budget_are_there_once);
	tcase_add_test(tests, without_memory_there_is_a_503);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
