/* test_upstreams_get.c - GET /v1/upstreams: all that the pool tells of its upstreams, as JSON and
 * as a table that fits a terminal. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

enum { TERMINAL_COLUMNS = 100 };

static char any[] = "*", suffix[] = "*.example";

static const struct upstream_info healthy = {
	.origin = "https://api.example:443",
	.rule = 0,
	.state = BREAKER_CLOSED,
	.failures = 2,
	.in_flight = 16,
	.queued = 120,
	.waiting = 3,
	.retries_in_flight = 4,
	.paused = 1,
	.paused_us = 7500000,
	.concurrency = 64,
	.rate_per_s = 3500.0 / 60,
	.retry_percent = 20,
	.has_breaker = true,
	.attempts_per_s = 57.84,
	.failures_per_s = 0.5,
	.counts = {.attempts = 1000,
		.failures = 70,
		.retries = 50,
		.throttled = 6,
		.refused = 0,
		.opened = 1},
};
static const struct upstream_info dead = {
	.origin = "http://dead:80",
	.rule = 1,
	.state = BREAKER_OPEN,
	.open_us = 26000001,
	.concurrency = 128,
	.has_breaker = true,
	.idle_us = 4250000,
	.counts = {.attempts = 5, .failures = 5, .refused = 9995, .opened = 1},
};

static void begin(struct fake_house *house, struct upstream_info *infos, size_t count)
{
	fake_house_init(house);
	house->upstreams[0].match = suffix;
	house->upstreams[1].match = any;
	house->config.upstream_count = 2;
	house->infos = infos;
	house->info_count = count;
}

static const char *answer(struct fake_house *house, const char *type)
{
	house->ex.request.content_type_out = type;
	fake_house_run(house, &upstreams_get_route);
	ck_assert_uint_eq(house->ex.status, 200);
	ck_assert_str_eq(house->ex.fields, "Cache-Control: no-store;");
	return house->ex.reply.ptr;
}

static json_t *document(struct fake_house *house)
{
	json_t *root = json_loads(answer(house, "application/json"), JSON_REJECT_DUPLICATES, NULL);

	ck_assert_str_eq(house->ex.content_type, "application/json");
	ck_assert_ptr_nonnull(root);
	return root;
}

static void assert_json(const json_t *found, const char *wanted)
{
	json_t *want = json_loads(wanted, JSON_DECODE_ANY, NULL);
	char *text = json_dumps(found, JSON_ENCODE_ANY);

	ck_assert_ptr_nonnull(want);
	ck_assert_msg(json_equal(found, want), "%s", text);
	free(text);
	json_decref(want);
}

START_TEST(all_that_is_known_of_an_upstream_is_told)
{
	struct upstream_info infos[] = {dead, healthy};
	struct fake_house house;
	json_t *root, *data;

	begin(&house, infos, 2);
	root = document(&house);
	data = json_object_get(root, "data");
	ck_assert_uint_eq(json_array_size(data), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(root, "total")), 2);
	assert_json(json_array_get(data, 0),
		"{\"origin\": \"http://dead:80\", \"match\": \"*\", \"state\": \"open\","
		" \"open_ms\": 26000.001, \"failures\": 0, \"in_flight\": 0, \"queued\": 0,"
		" \"waiting\": 0, \"retries_in_flight\": 0, \"paused\": 0, \"paused_ms\": null,"
		" \"idle_ms\": 4250.0,"
		" \"limits\": {\"concurrency\": 128, \"rate_limit\": null, \"retry_budget\": null,"
		" \"breaker\": true}, \"rates\": {\"attempts_per_second\": 0.0,"
		" \"failures_per_second\": 0.0}, \"totals\": {\"attempts\": 5, \"failures\": 5,"
		" \"retries\": 0, \"throttled\": 0, \"circuit_open\": 9995, \"opened\": 1}}");
	assert_json(json_array_get(data, 1),
		"{\"origin\": \"https://api.example:443\", \"match\": \"*.example\", \"state\":"
		" \"closed\", \"open_ms\": null, \"failures\": 2, \"in_flight\": 16, \"queued\":"
		" 120, \"waiting\": 3, \"retries_in_flight\": 4, \"paused\": 1, \"paused_ms\": "
		"7500.0,"
		" \"idle_ms\": 0.0,"
		" \"limits\": {\"concurrency\": 64, \"rate_limit\": \"3500/min\","
		" \"retry_budget\": \"20%\", \"breaker\": true}, \"rates\":"
		" {\"attempts_per_second\": 57.8, \"failures_per_second\": 0.5}, \"totals\":"
		" {\"attempts\": 1000, \"failures\": 70, \"retries\": 50, \"throttled\": 6,"
		" \"circuit_open\": 0, \"opened\": 1}}");
	json_decref(root);
	fake_house_end(&house);
}
END_TEST

START_TEST(half_open_it_has_no_time_left)
{
	struct upstream_info info = dead;
	struct fake_house house;
	json_t *root, *first;

	info.state = BREAKER_HALF_OPEN;
	info.open_us = 0;
	begin(&house, &info, 1);
	root = document(&house);
	first = json_array_get(json_object_get(root, "data"), 0);
	assert_json(json_object_get(first, "state"), "\"half_open\"");
	assert_json(json_object_get(first, "open_ms"), "null");
	json_decref(root);
	fake_house_end(&house);
}
END_TEST

START_TEST(rates_have_three_digits_and_no_exponent)
{
	static const struct {
		double per_s;
		const char *wanted;
	} table[] = {
		{0, ":0.00,"},
		{0.0049, ":0.00,"},
		{0.126, ":0.13,"},
		{9.994, ":9.99,"},
		{9.996, ":10.0,"},
		{99.94, ":99.9,"},
		{99.96, ":100,"},
		{1234567.8, ":1234568,"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct upstream_info info = healthy;
		struct fake_house house;
		char member[64];

		info.attempts_per_s = table[i].per_s;
		begin(&house, &info, 1);
		snprintf(member, sizeof member, "\"attempts_per_second\"%s", table[i].wanted);
		ck_assert_msg(strstr(answer(&house, "application/json"), member), "%s", member);
		fake_house_end(&house);
	}
}
END_TEST

START_TEST(without_upstreams_the_list_is_empty)
{
	struct fake_house house;

	begin(&house, NULL, 0);
	ck_assert_str_eq(answer(&house, "application/json"), "{\"data\":[],\"total\":0}\n");
	fake_house_end(&house);
	begin(&house, NULL, 0);
	ck_assert_str_eq(answer(&house, "text/plain"), "No upstream has been called so far.\n");
	fake_house_end(&house);
}
END_TEST

START_TEST(of_many_a_thousand_are_shown_and_all_are_counted)
{
	struct upstream_info *infos = calloc(1500, sizeof *infos);
	struct fake_house house;
	json_t *root;

	for (size_t i = 0; i < 1500; i++)
		infos[i] = healthy;
	begin(&house, infos, 1500);
	root = document(&house);
	ck_assert_uint_eq(json_array_size(json_object_get(root, "data")), 1000);
	assert_json(json_object_get(root, "total"), "1500");
	json_decref(root);
	fake_house_end(&house);
	begin(&house, infos, 1500);
	ck_assert_ptr_nonnull(strstr(answer(&house, "text/plain"), "\nand 500 more\n"));
	fake_house_end(&house);
	free(infos);
}
END_TEST

START_TEST(the_table_has_its_columns_one_below_the_other)
{
	struct upstream_info infos[] = {dead, healthy};
	struct fake_house house;

	begin(&house, infos, 2);
	ck_assert_str_eq(answer(&house, "text/plain"),
		"STATE     IN FLIGHT  QUEUED  WAITING  PAUSED  TRY/s  FAIL/s  UPSTREAM\n"
		"open 27s      0/128       0        0       0   0.00    0.00  http://dead:80\n"
		"closed        16/64     120        3       1   57.8    0.50  "
		"https://api.example:443\n");
	ck_assert_str_eq(house.ex.content_type, "text/plain; charset=utf-8");
	fake_house_end(&house);
}
END_TEST

/* In columns: what continues a character of UTF-8 has none. */
static size_t columns_of(const char *line, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)line[i] & 0xc0) != 0x80;
	return columns;
}

START_TEST(a_long_origin_loses_its_middle)
{
	struct upstream_info infos[] = {dead, healthy};
	struct fake_house house;
	const char *line;
	size_t len;

	memset(infos[0].origin, 'm', sizeof infos[0].origin - 1);
	memcpy(infos[0].origin, "https://begins", 14);
	memcpy(infos[0].origin + sizeof infos[0].origin - 10, "ends:8443", 10);
	infos[0].in_flight = 1234567; /* wide cells leave less room */
	begin(&house, infos, 2);
	line = strchr(answer(&house, "text/plain"), '\n') + 1;
	len = strcspn(line, "\n");
	ck_assert_uint_eq(columns_of(line, len), TERMINAL_COLUMNS);
	ck_assert_ptr_nonnull(strstr(line, "  https://beginsm"));
	ck_assert_ptr_nonnull(strstr(line, "…m"));
	ck_assert_int_eq(strncmp(line + len - 11, "mmends:8443", 11), 0);
	fake_house_end(&house);
}
END_TEST

START_TEST(cells_that_take_all_the_room_leave_some_of_the_origin)
{
	struct upstream_info info = healthy;
	struct fake_house house;

	info.queued = info.waiting = info.paused = info.in_flight = SIZE_MAX;
	memset(info.origin, 'm', sizeof info.origin - 1);
	begin(&house, &info, 1);
	ck_assert_ptr_nonnull(strstr(answer(&house, "text/plain"), "  mmmmmmmmmmmm…mmmmmmmmmmm\n"));
	fake_house_end(&house);
}
END_TEST

START_TEST(a_rule_that_a_reload_has_just_taken_away_is_not_looked_up)
{
	struct upstream_info info = healthy;
	struct fake_house house;

	info.rule = 7;
	begin(&house, &info, 1);
	ck_assert_ptr_nonnull(strstr(answer(&house, "application/json"), "\"match\":\"*\""));
	fake_house_end(&house);
}
END_TEST

START_TEST(without_memory_there_is_a_503)
{
	static const char *const types[] = {"application/json", "text/plain"};

	for (size_t type = 0; type < 2; type++) {
		bool failed = true;

		for (unsigned long n = 1; failed; n++) {
			struct upstream_info infos[] = {dead, healthy};
			struct fake_house house;

			begin(&house, infos, 2);
			house.ex.request.content_type_out = types[type];
			mem_fail_at(n);
			fake_house_run(&house, &upstreams_get_route);
			failed = mem_failed();
			mem_fail_at(0);
			ck_assert_uint_eq(house.ex.status, failed ? 503 : 200);
			fake_house_end(&house);
			ck_assert_uint_lt(n, 20);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("upstreams_get");
	TCase *tests = tcase_create("upstreams_get");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, all_that_is_known_of_an_upstream_is_told);
	tcase_add_test(tests, half_open_it_has_no_time_left);
	tcase_add_test(tests, rates_have_three_digits_and_no_exponent);
	tcase_add_test(tests, without_upstreams_the_list_is_empty);
	tcase_add_test(tests, of_many_a_thousand_are_shown_and_all_are_counted);
	tcase_add_test(tests, the_table_has_its_columns_one_below_the_other);
	tcase_add_test(tests, a_long_origin_loses_its_middle);
	tcase_add_test(tests, cells_that_take_all_the_room_leave_some_of_the_origin);
	tcase_add_test(tests, a_rule_that_a_reload_has_just_taken_away_is_not_looked_up);
	tcase_add_test(tests, without_memory_there_is_a_503);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
