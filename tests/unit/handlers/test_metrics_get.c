/* test_metrics_get.c - GET /metrics: gauges of the others, with labels that are bounded and come
 * once. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

static char any[] = "*", host[] = "a.example", own[] = "*.svc:8080", other[] = "other";

static void render(struct fake_house *house)
{
	fake_house_init(house);
	house->upstreams[0].match = host;
	house->upstreams[1].match = own;
	house->upstreams[2].match = host;
	house->upstreams[3].match = any;
	house->config.upstream_count = 4;
	for (size_t i = 0; i < 4; i++)
		house->rule_stats[i].in_flight = (size_t)1 << i;
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

/* Each of the names, with a value no other has. */
START_TEST(what_an_upstream_did_stands_under_its_rule)
{
	static const struct upstream_rule_stats stats = {.in_flight = 11,
		.queued = 12,
		.waiting = 13,
		.open = 14,
		.paused = 15,
		.counts = {.attempts = 16,
			.failures = 17,
			.retries = 18,
			.throttled = 19,
			.refused = 20,
			.opened = UINT64_C(1) << 40}};
	static const char *const lines[] = {"in_flight 11", "queued 12", "waiting 13", "open 14",
		"paused 15", "attempts_total 16", "failures_total 17", "retries_total 18",
		"throttled_total 19", "circuit_open_total 20", "opened_total 1099511627776"};
	struct fake_house house;
	char line[128];

	fake_house_init(&house);
	house.upstreams[0].match = host;
	house.upstreams[1].match = any;
	house.config.upstream_count = 2;
	house.rule_stats[0] = stats;
	house.rule_stats[1].counts.attempts = 3;
	fake_house_run(&house, &metrics_get_route);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		int name = (int)strcspn(lines[i], " {");

		snprintf(line, sizeof line, "\nbatchgate_upstream_%.*s{upstream=\"a.example\"}%s\n",
			name, lines[i], strrchr(lines[i], ' '));
		ck_assert_msg(count_of(house.ex.reply.ptr, line) == 1, "%s", line);
		snprintf(line, sizeof line, "\n# TYPE batchgate_upstream_%.*s %s\n", name, lines[i],
			strstr(lines[i], "_total") ? "counter" : "gauge");
		ck_assert_msg(count_of(house.ex.reply.ptr, line) == 1, "%s", line);
	}
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_upstream_attempts_total{upstream=\"other\"} 3\n"),
		1);
	fake_house_end(&house);
}
END_TEST

START_TEST(a_rule_that_is_called_other_is_added_to_the_others)
{
	struct fake_house house;

	fake_house_init(&house);
	house.upstreams[0].match = other;
	house.upstreams[1].match = any;
	house.config.upstream_count = 2;
	house.rule_stats[0].counts.attempts = 40;
	house.rule_stats[1].counts.attempts = 2;
	fake_house_run(&house, &metrics_get_route);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr,
				  "\nbatchgate_upstream_attempts_total{upstream=\"other\"} 42\n"),
		1);
	ck_assert_uint_eq(count_of(house.ex.reply.ptr, "\nbatchgate_upstream_attempts_total{"), 1);
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
	tcase_add_test(tests, what_an_upstream_did_stands_under_its_rule);
	tcase_add_test(tests, a_rule_that_is_called_other_is_added_to_the_others);
	tcase_add_test(tests, gauges_of_pool_server_and_budget_are_there_once);
	tcase_add_test(tests, without_memory_there_is_a_503);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
