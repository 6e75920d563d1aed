/* test_batch_refused.c - what is no batch, or one that nobody takes now, and what is blamed. */
#include "tests/unit/batch/batch_kit.h"

static bool blames(const char *pointer)
{
	for (size_t i = 0; i < kit.problem.error_count; i++) {
		if (strcmp(kit.problem.errors[i].pointer, pointer) == 0)
			return true;
	}
	return false;
}

static void assert_refused(const char *text, enum problem_code code, const char *pointer)
{
	ck_assert_msg(kit_parse(&kit, text) == ERR_INVALID, "%s was taken", text);
	ck_assert_msg(
		kit.problem.code == code, "%s: %s", text, problem_code_text(kit.problem.code));
	ck_assert_msg(!pointer || blames(pointer), "%s: %s is not blamed", text, pointer);
	ck_assert_str_ne(kit.problem.detail, "");
}

START_TEST(requests_that_are_no_batch_are_refused_with_pointers)
{
	static const struct {
		const char *text, *pointer;
	} rows[] = {{"[]", ""}, {"1", ""}, {"{}", "/items"}, {"{\"items\":{}}", "/items"},
		{"{\"items\":null}", "/items"}, {"{\"items\":[],\"items\":[]}", "/items"},
		{"{\"items\":[],\"x\":1}", "/x"}, {"{\"items\":[],\"a/b~c\":1}", "/a~1b~0c"},
		{"{\"items\":[],\"concurrency\":1}", "/concurrency"},
		{"{\"items\":[],\"options\":[]}", "/options"},
		{"{\"items\":[],\"options\":null}", "/options"},
		{"{\"items\":[],\"defaults\":5}", "/defaults"},
		{"{\"items\":[],\"options\":{\"concurrency\":0}}", "/options/concurrency"},
		{"{\"items\":[],\"options\":{\"concurrency\":1.5}}", "/options/concurrency"},
		{"{\"items\":[],\"options\":{\"concurrency\":-1}}", "/options/concurrency"},
		{"{\"items\":[],\"options\":{\"concurrency\":\"1\"}}", "/options/concurrency"},
		{"{\"items\":[],\"options\":{\"concurrency\":1,\"concurrency\":2}}",
			"/options/concurrency"},
		{"{\"items\":[],\"options\":{\"concurrency\":1,\"concurr\\u0065ncy\":2}}",
			"/options/concurrency"},
		{"{\"items\":[],\"options\":{\"timeout_ms\":1}}", "/options/timeout_ms"},
		{"{\"items\":[],\"options\":{\"batch_timeout_ms\":0}}",
			"/options/batch_timeout_ms"},
		{"{\"items\":[],\"options\":{\"stop_on_error\":1}}", "/options/stop_on_error"},
		{"{\"items\":[],\"options\":{\"strict\":\"true\"}}", "/options/strict"},
		{"{\"items\":[],\"options\":{\"include_headers\":null}}",
			"/options/include_headers"},
		{"{\"items\":[],\"options\":{\"include_timing\":0}}", "/options/include_timing"},
		{"{\"items\":[],\"options\":{\"include_body\":\"some\"}}", "/options/include_body"},
		{"{\"items\":[],\"options\":{\"include_body\":true}}", "/options/include_body"},
		{"{\"items\":[],\"options\":{\"order\":\"random\"}}", "/options/order"},
		{"{\"items\":[],\"options\":{\"label\":5}}", "/options/label"},
		{"{\"items\":[],\"options\":{\"rate_limit\":\"5\"}}", "/options/rate_limit"},
		{"{\"items\":[],\"options\":{\"rate_limit\":\"0/s\"}}", "/options/rate_limit"},
		{"{\"items\":[],\"options\":{\"rate_limit\":\"-1/s\"}}", "/options/rate_limit"},
		{"{\"items\":[],\"options\":{\"rate_limit\":\"5/m\"}}", "/options/rate_limit"},
		{"{\"items\":[],\"options\":{\"rate_limit\":5}}", "/options/rate_limit"},
		{"{\"items\":[],\"options\":{\"retry\":{\"max_attempts\":11}}}",
			"/options/retry/max_attempts"},
		{"{\"items\":[],\"options\":{\"retry\":{\"retry_on\":[200,1]}}}",
			"/options/retry/retry_on/1"},
		{"{\"items\":[],\"options\":{\"retry\":{\"max_attempts\":1,\"max_attempts\":1}}}",
			"/options/retry/max_attempts"},
		{"{\"items\":[],\"defaults\":{\"id\":1}}", "/defaults/id"},
		{"{\"items\":[],\"defaults\":{\"url\":1}}", "/defaults/url"},
		{"{\"items\":[],\"defaults\":{\"method\":\"get\"}}", "/defaults/method"},
		{"{\"items\":[],\"defaults\":{\"body\":1,\"body_text\":\"\"}}",
			"/defaults/body_text"},
		{"{\"items\":[],\"defaults\":{\"body_base64\":\"?\"}}", "/defaults/body_base64"},
		{"{\"items\":[],\"defaults\":{\"headers\":{\"A\":null}}}", "/defaults/headers/A"},
		{"{\"items\":[],\"defaults\":{\"headers\":{\"Host\":\"x\"}}}",
			"/defaults/headers/Host"},
		{"{\"items\":[],\"defaults\":{\"query\":{\"a\":null}}}", "/defaults/query/a"},
		{"{\"items\":[],\"defaults\":{\"timeout_ms\":0}}", "/defaults/timeout_ms"},
		{"{\"items\":[],\"defaults\":{\"max_redirects\":11}}", "/defaults/max_redirects"},
		{"{\"items\":[],\"defaults\":{\"stop_on_error\":true}}",
			"/defaults/stop_on_error"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_refused(rows[i].text, PROBLEM_INVALID_REQUEST, rows[i].pointer);
}
END_TEST

START_TEST(all_faults_of_the_envelope_come_at_once)
{
	assert_refused("{\"x\":1,\"options\":{\"y\":1,\"strict\":0},\"defaults\":{\"id\":1}}",
		PROBLEM_INVALID_REQUEST, "/x");
	ck_assert(blames("/items") && blames("/options/y") && blames("/options/strict") &&
		  blames("/defaults/id"));
	assert_refused(
		"{\"items\":[],\"options\":{\"timeout_ms\":1}}", PROBLEM_INVALID_REQUEST, NULL);
	ck_assert(strstr(kit.problem.errors[0].detail,
			  "did you mean `defaults.timeout_ms` or `options.batch_timeout_ms`?") !=
		  NULL);
}
END_TEST

START_TEST(endless_faults_are_counted_not_kept)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"items\":[],\"options\":{\"x\":0");
	for (unsigned i = 0; i < 100000; i++)
		buf_addf(&text, ",\"timeou%u\":1", i);
	buf_adds(&text, "}}");
	assert_refused(text.ptr, PROBLEM_INVALID_REQUEST, "/options/x");
	ck_assert_uint_eq(kit.problem.error_count, PROBLEM_ERRORS_MAX);
	ck_assert_uint_eq(kit.problem.more, 100001 - PROBLEM_ERRORS_MAX);
	buf_free(&text);
}
END_TEST

START_TEST(syntax_faults_have_line_and_column)
{
	assert_refused("{\"items\":[\n {\"url\":}]}", PROBLEM_INVALID_JSON, "");
	ck_assert_uint_eq(kit.problem.errors[0].line, 2);
	ck_assert_uint_eq(kit.problem.errors[0].column, 9);
	assert_refused("", PROBLEM_INVALID_JSON, "");
	ck_assert_uint_eq(kit.problem.errors[0].line, 1);
	assert_refused("\n ", PROBLEM_INVALID_JSON, "");
	assert_refused("\xEF\xBB\xBF{\"items\":[]}", PROBLEM_INVALID_JSON, "");
	assert_refused("{\"items\":[]} x", PROBLEM_INVALID_JSON, "");
}
END_TEST

START_TEST(depth_counts_from_the_root)
{
	char text[512], opened[64], closed[64];

	for (size_t depth = 57; depth <= 58; depth++) { /* three brackets are open around it */
		memset(opened, '[', sizeof opened);
		memset(closed, ']', sizeof closed);
		snprintf(text, sizeof text, "{\"items\":[{" E ",\"body\":%.*s%.*s}]}", (int)depth,
			opened, (int)depth, closed);
		if (depth == 58) {
			assert_refused(text, PROBLEM_INVALID_JSON, "");
			continue;
		}
		start(text);
		fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	}
}
END_TEST

START_TEST(too_many_items_are_413)
{
	struct buf text;

	kit.config->limits.max_items = 3;
	assert_refused("{\"items\":[{},{},{},{}]}", PROBLEM_TOO_MANY_ITEMS, NULL);
	ck_assert_uint_eq(kit.problem.error_count, 0);
	start("{\"items\":[{},{},{}]}");
	kit.config->limits.max_items = 10000;
	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"items\":[{}");
	while (text.len < (8u << 20) - 8)
		buf_adds(&text, ",{}");
	buf_adds(&text, "]}");
	assert_refused(text.ptr, PROBLEM_TOO_MANY_ITEMS, NULL);
	buf_free(&text);
}
END_TEST

START_TEST(duplicate_ids_refuse_the_batch_and_name_the_later_ones)
{
	assert_refused("{\"items\":[{" E
		       ",\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"\\u0061\"},{\"id\":\"a\"}]}",
		PROBLEM_DUPLICATE_ID, "/items/2/id");
	ck_assert(blames("/items/3/id"));
	ck_assert_uint_eq(kit.problem.error_count, 2);
	assert_refused("{\"items\":[{" E ",\"id\":1},{" E ",\"id\":1}]}", PROBLEM_DUPLICATE_ID,
		"/items/1/id");
	assert_refused("{\"items\":[{" E ",\"id\":0},{" E ",\"id\":-0}]}", PROBLEM_DUPLICATE_ID,
		"/items/1/id");
	start("{\"items\":[{" E ",\"id\":1},{" E ",\"id\":\"1\"},{" E "},{" E "},{" E
	      ",\"id\":{}},{" E ",\"id\":{}},{" E ",\"id\":\"\\u0031\\u0000\"}]}");
	ck_assert_uint_eq(fakepool.count, 5);
	for (size_t i = 0; i < fakepool.count; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(strict_refuses_invalid_items_with_all_pointers)
{
	assert_refused("{\"options\":{\"strict\":true},\"items\":[{" E
		       "},{},{\"url\":\"http://127.0.0.1/\"},{" E
		       ",\"headers\":{\"Host\":\"x\"}},7]}",
		PROBLEM_INVALID_REQUEST, "/items/1/url");
	ck_assert(blames("/items/3/headers/Host") && blames("/items/4"));
	ck_assert_uint_eq(kit.problem.error_count, 3);
	start("{\"options\":{\"strict\":true},\"items\":[{\"url\":\"http://127.0.0.1/\"}]}");
	ck_assert_int_eq(kit.codes[0], ITEM_BLOCKED_TARGET);
}
END_TEST

START_TEST(a_pool_that_takes_nothing_refuses_the_batch)
{
	static const struct {
		enum err_code pool;
		enum problem_code problem;
	} rows[] = {{ERR_BUSY, PROBLEM_QUEUE_FULL}, {ERR_CLOSING, PROBLEM_DRAINING},
		{ERR_NOMEM, PROBLEM_MEMORY_FULL}};

	for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
		fakepool_reset();
		kit.completed = kit.reported = 0;
		ck_assert_int_eq(kit_parse(&kit, "{\"items\":[{" E "},{}]}"), ERR_OK);
		*(i % 2 ? &fakepool.group_code : &fakepool.submit_code) = rows[i / 2].pool;
		ck_assert_int_eq(kit_start(&kit), rows[i / 2].pool);
		ck_assert_int_eq(kit.problem.code, rows[i / 2].problem);
		ck_assert_uint_eq(kit.problem.retry_after_s, 0); /* the server knows better */
		ck_assert_uint_eq(kit.completed + kit.reported + fakepool.groups_open, 0);
	}
}
END_TEST

START_TEST(more_items_than_there_is_room_for_are_refused_unread)
{
	const char *three = "{\"items\":[{" E "},{" E "},7]}", *bad = "{\"items\":[7,8,9]";

	kit.config->pool.queue_limit = 4;
	kit.room = 3;
	ck_assert_int_eq(kit_parse(&kit, three), ERR_OK);
	kit.room = 2;
	ck_assert_int_eq(kit_parse(&kit, three), ERR_BUSY);
	ck_assert_int_eq(kit.problem.code, PROBLEM_QUEUE_FULL);
	ck_assert_uint_eq(kit.problem.retry_after_s, 0);
	ck_assert_int_eq(kit_parse(&kit, bad), ERR_INVALID);
	kit.config->pool.queue_limit = 2;
	ck_assert_int_eq(kit_parse(&kit, three), ERR_OK); /* two calls fit, and one is none */
	kit.room = 0;
	ck_assert_int_eq(kit_parse(&kit, three), ERR_OK);
}
END_TEST

START_TEST(what_never_fits_is_told_not_to_come_back)
{
	fakepool_reset();
	kit.config->pool.queue_limit = 1;
	ck_assert_int_eq(kit_parse(&kit, "{\"items\":[{" E "},{" E "}]}"), ERR_OK);
	fakepool.submit_code = ERR_BUSY;
	ck_assert_int_eq(kit_start(&kit), ERR_BUSY);
	ck_assert_int_eq(kit.problem.code, PROBLEM_TOO_MANY_ITEMS);
	ck_assert_uint_eq(kit.problem.retry_after_s, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {requests_that_are_no_batch_are_refused_with_pointers,
		all_faults_of_the_envelope_come_at_once, endless_faults_are_counted_not_kept,
		syntax_faults_have_line_and_column, depth_counts_from_the_root,
		too_many_items_are_413, duplicate_ids_refuse_the_batch_and_name_the_later_ones,
		strict_refuses_invalid_items_with_all_pointers,
		a_pool_that_takes_nothing_refuses_the_batch,
		more_items_than_there_is_room_for_are_refused_unread,
		what_never_fits_is_told_not_to_come_back};

	return kit_main(&kit, "batch_refused", tests, sizeof tests / sizeof *tests);
}
