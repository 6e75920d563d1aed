/* test_batch.c - a batch as a whole: what is refused, how results are kept, what cancelling and
 * full memory do. */
#include <malloc.h>
#include <pthread.h>

#include "batch/names.h"
#include "batch/scan.h"
#include "tests/unit/batch/check_main.h"
#include "tests/unit/batch/kit.h"

#define E "\"url\":\"http://e.com/\""

static struct kit kit;

static void start(const char *text)
{
	fakepool_reset();
	kit.completed = kit.reported = kit.reported_failed = 0;
	memset(kit.codes, 0, sizeof kit.codes);
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s: %s", text, kit.problem.detail);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
}

static void assert_document_has(const char *text)
{
	char *document = kit_document(&kit, 13);

	ck_assert_msg(strstr(document, text) != NULL, "%s not in %s", text, document);
	ck_assert(scan_check(span_of(document), 70, NULL));
	mem_free(document);
}

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

START_TEST(results_keep_the_input_order_when_answers_arrive_reversed)
{
	char *document;

	start("{\"items\":[{" E ",\"id\":\"a\"},{\"id\":9},{" E "},{" E "}]}");
	ck_assert_uint_eq(fakepool.count, 3);
	ck_assert_uint_eq(kit.reported, 1);
	for (size_t i = 3; i-- > 0;) {
		ck_assert_uint_eq(kit.completed, 0);
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){i == 1 ? 404 : 200, "text/plain", "x", 0, NULL});
	}
	ck_assert_uint_eq(kit.completed, 1);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	document = kit_document(&kit, 1u << 20);
	ck_assert(strstr(document,
			  "{\"results\":[{\"index\":0,\"id\":\"a\",\"success\":true,\"status\":200,"
			  "\"body\":\"x\",\"body_encoding\":\"text\",\"error\":null,\"attempts\":1,"
			  "\"duration_ms\":12.4},{\"index\":1,\"id\":9,\"success\":false,") ==
		  document);
	ck_assert(strstr(document, "},{\"index\":2,") < strstr(document, "},{\"index\":3,"));
	ck_assert(strstr(document, "}],\"summary\":{\"total\":4,\"succeeded\":2,\"failed\":2,\"by_"
				   "code\":{\"invalid_item\":1,\"upstream_status\":1},"
				   "\"concurrency\":32,\"duration_ms\":") != NULL);
	ck_assert(strstr(document, ",\"request_id\":\"req-1\"}}\n") != NULL);
	for (size_t step = 1; step < 70; step++) {
		char *again = kit_document(&kit, step);

		ck_assert_str_eq(document, again);
		mem_free(again);
	}
	mem_free(document);
}
END_TEST

START_TEST(a_batch_without_items_completes_at_once)
{
	start("{\"items\":[]}");
	ck_assert_uint_eq(kit.completed, 1);
	assert_document_has("{\"results\":[],\"summary\":{\"total\":0,\"succeeded\":0,\"failed\":0,"
			    "\"by_code\":{},\"concurrency\":32,");
	start("{\"items\":[{}]}");
	ck_assert_uint_eq(kit.completed, 1);
	ck_assert_uint_eq(kit.reported, 1);
}
END_TEST

START_TEST(options_reach_the_pool_clamped)
{
	start("{\"items\":[{" E
	      "}],\"options\":{\"concurrency\":100000000000000000000000,\"batch_timeout_ms\":1000,"
	      "\"rate_limit\":\"120/min\",\"stop_on_error\":true}}");
	ck_assert_uint_eq(fakepool.options.concurrency, 256);
	ck_assert(fakepool.options.rate_per_s > 1.99 && fakepool.options.rate_per_s < 2.01);
	ck_assert(fakepool.options.stop_on_error);
	ck_assert_uint_lt(fakepool.options.deadline_us, clock_us() + 1000001);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	assert_document_has("\"concurrency\":256,");
	kit.config->limits.max_concurrency = 8;
	kit.config->limits.max_batch_timeout_ms = 5;
	start("{\"items\":[{" E "}]}");
	ck_assert_uint_eq(fakepool.options.concurrency, 8);
	ck_assert_uint_lt(fakepool.options.deadline_us, clock_us() + 5001);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	kit.config->limits.max_concurrency = 256;
	kit.config->limits.max_batch_timeout_ms = 600000;
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

START_TEST(a_refused_item_stops_the_others_where_that_is_asked)
{
	start("{\"options\":{\"stop_on_error\":true},\"items\":[{" E "},{}]}");
	ck_assert_int_eq(fakepool.cancelled, POOL_STOP_ON_ERROR);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	assert_document_has("\"by_code\":{\"invalid_item\":1,\"cancelled\":1}");
	start("{\"items\":[{" E "},{}]}");
	ck_assert_int_eq(fakepool.cancelled, POOL_RUNNING);
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(cancelling_reaches_the_pool_once_and_never_after_the_end)
{
	fakepool_reset();
	ck_assert_int_eq(kit_parse(&kit, "{\"items\":[{" E "}]}"), ERR_OK);
	batch_cancel(kit.batch, POOL_CLIENT_GONE); /* before the start: seen by it */
	ck_assert_uint_eq(fakepool.cancels, 0);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_int_eq(fakepool.cancelled, POOL_CLIENT_GONE);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_CLIENT_GONE);
	start("{\"items\":[{" E "}]}");
	batch_cancel(kit.batch, POOL_DRAIN);
	batch_cancel(kit.batch, POOL_CLIENT_GONE);
	ck_assert_uint_eq(fakepool.cancels, 1);
	ck_assert_int_eq(fakepool.cancelled, POOL_DRAIN);
	fakepool_fail(fakepool.calls[0], ITEM_CANCELLED, REASON_DRAIN);
	start("{\"items\":[{" E "}]}");
	fakepool_answer(fakepool.calls[0], (struct fakepool_answer){.status = 200});
	batch_cancel(kit.batch, POOL_DRAIN);
	ck_assert_uint_eq(fakepool.cancels, 0);
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
		ck_assert_uint_ge(kit.problem.retry_after_s, 1);
		ck_assert_uint_eq(kit.completed + kit.reported + fakepool.groups_open, 0);
	}
}
END_TEST

START_TEST(past_the_limit_of_the_answer_results_are_too_large)
{
	char body[3000];

	memset(body, 'x', sizeof body);
	kit.config->limits.max_batch_response = 8000;
	start("{\"options\":{\"stop_on_error\":true},\"items\":[{" E "},{" E
	      ",\"id\":\"second\"},{" E "},{" E "}]}");
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(fakepool.cancels, 0);
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){200, "text/plain", body, sizeof body, NULL});
	}
	ck_assert_int_eq(fakepool.cancelled, POOL_STOP_ON_ERROR);
	ck_assert_int_eq(kit.codes[2], ITEM_RESPONSE_TOO_LARGE);
	fakepool_fail(fakepool.calls[3], ITEM_CANCELLED, REASON_STOP_ON_ERROR);
	assert_document_has("{\"index\":2,\"id\":null,\"success\":false,\"status\":200,\"body\":"
			    "null,\"body_encoding\":null,"
			    "\"error\":{\"code\":\"response_too_large\",\"message\":\"the batch's "
			    "answer has reached limits.max_batch_response\","
			    "\"retryable\":false,\"sent\":true},\"attempts\":1,\"duration_ms\":12."
			    "4},{\"index\":3,");
	assert_document_has("\"by_code\":{\"response_too_large\":1,\"cancelled\":1}");
	ck_assert_uint_le(batch_document_size(kit.batch), 8000 + 512);
	kit.config->limits.max_batch_response = 256u << 20;
}
END_TEST

START_TEST(past_the_limit_of_the_answer_a_result_that_shows_no_body_has_its_place)
{
	char body[3000];

	memset(body, 'x', sizeof body);
	kit.config->limits.max_batch_response = 200;
	start("{\"options\":{\"include_body\":\"none\"},\"items\":[{" E "},{" E "},{" E "}]}");
	for (size_t i = 0; i < 3; i++)
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){200, "text/plain", body, sizeof body, "a: b\n"});
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(kit.codes[i], ITEM_OK);
	assert_document_has("\"summary\":{\"total\":3,\"succeeded\":3,");
	kit.config->limits.max_batch_response = 256u << 20;
}
END_TEST

START_TEST(a_result_the_budget_has_no_room_for_is_overloaded)
{
	char body[3000];

	memset(body, 'x', sizeof body);
	start("{\"items\":[{" E "},{" E "}]}");
	kit.budget.limit = mem_used(&kit.budget) + 100;
	for (size_t i = 0; i < 2; i++)
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){200, "text/plain", body, sizeof body, NULL});
	kit.budget.limit = 0;
	ck_assert_uint_eq(kit.completed, 1);
	assert_document_has("\"error\":{\"code\":\"overloaded\",\"message\":\"the server had no "
			    "memory left for this result\",\"retryable\":true,\"sent\":true}");
}
END_TEST

START_TEST(a_batch_the_budget_has_no_room_for_is_refused)
{
	static const char text[] = "{\"items\":[{" E "},{}]}";
	size_t refused = 0;

	for (size_t room = 1; room < 20000; room += 97) {
		kit_drop_batch(&kit);
		kit.budget.limit = sizeof text + room;
		if (kit_parse(&kit, text) == ERR_OK)
			continue;
		ck_assert_int_eq(kit.problem.code, PROBLEM_MEMORY_FULL);
		ck_assert_uint_eq(mem_used(&kit.budget), 0);
		refused++;
	}
	kit.budget.limit = 0;
	ck_assert_uint_ge(refused, 2);
	ck_assert_int_eq(kit.code, ERR_OK);
}
END_TEST

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* {"items":[item 0,item 1,...]}; a # in `item` is its number. */
static char *many_items(const char *item, size_t count)
{
	struct buf text;
	size_t len;

	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"options\":{\"include_timing\":true},\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_adds(&text, i ? "," : "");
		for (const char *at = item; *at; at++) {
			if (*at == '#')
				buf_add_u64(&text, i);
			else
				buf_add_char(&text, *at);
		}
	}
	buf_adds(&text, "]}");
	ck_assert(!text.failed);
	return buf_steal(&text, &len);
}

START_TEST(a_batch_is_charged_for_all_the_heap_it_takes)
{
	static const char *const items[] = {"{}", "0", "{\"a\":#}", "{\"id\":#}", "{" E "}",
		"{\"id\":\"\\u0041#\"," E "}", "{\"url\":\"http://host-#.example/\"}",
		"{" E ",\"headers\":{\"X\":\"#\"},\"retry\":{\"max_attempts\":2}}",
		"{" E ",\"query\":{\"q\":#}}", "{\"url\":\"http://10.0.0.1/#\"}"};

	for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
		char *text = many_items(items[i], 5000);
		size_t before, charged;

		kit_drop_batch(&kit);
		before = heap_bytes();
		ck_assert_int_eq(kit_parse(&kit, text), ERR_OK);
		charged = mem_used(&kit.budget);
		ck_assert_msg(heap_bytes() <= before + charged, "%s: %zu charged, %zu taken",
			items[i], charged, heap_bytes() - before);
		mem_free(text);
	}
}
END_TEST

START_TEST(comparing_ids_is_charged_while_it_lasts)
{
	char *text = many_items("{\"id\":#}", 5000);
	size_t held;

	kit_drop_batch(&kit);
	atomic_store(&kit.budget.high, 0);
	ck_assert_int_eq(kit_parse(&kit, text), ERR_OK);
	held = mem_used(&kit.budget);
	ck_assert_uint_ge(atomic_load(&kit.budget.high), held + names_bytes(5000));
	kit_drop_batch(&kit);
	kit.budget.limit = held + names_bytes(5000) / 2;
	ck_assert_int_eq(kit_parse(&kit, text), ERR_LIMIT);
	ck_assert_int_eq(kit.problem.code, PROBLEM_MEMORY_FULL);
	ck_assert_uint_eq(mem_used(&kit.budget), 0);
	kit.budget.limit = 0;
	mem_free(text);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	static const char text[] =
		"{\"defaults\":{\"headers\":{\"A\":\"b\"},\"query\":{\"q\":1}},\"options\":{"
		"\"include_headers\":true},\"items\":["
		"{" E ",\"id\":\"\\u0061\",\"headers\":{\"X\":\"y\"},\"query\":{\"z\":\"w\"},"
		"\"retry\":{\"max_attempts\":2}},{},{" E ",\"body\":{}}]}";
	size_t tries = 0, refused = 0;

	do {
		fakepool_reset();
		kit.completed = kit.reported = 0;
		kit_drop_batch(&kit);
		mem_fail_at(++tries);
		if (kit_parse_bytes(&kit, text, sizeof text - 1, "00-t") != ERR_OK ||
			kit_start(&kit) != ERR_OK) {
			refused++;
			ck_assert(kit.code == ERR_NOMEM);
			ck_assert_uint_eq(kit.completed, 0);
			kit_drop_batch(&kit);
			ck_assert_uint_eq(mem_used(&kit.budget), 0);
			continue;
		}
		ck_assert_uint_eq(fakepool.count, 2);
		for (size_t i = 0; i < 2; i++)
			fakepool_answer(fakepool.calls[i],
				(struct fakepool_answer){200, "text/plain", "x", 0, "a: b\n"});
		ck_assert_uint_eq(kit.completed, 1);
		ck_assert_uint_eq(kit.reported, 3);
	} while (mem_failed());
	mem_fail_at(0);
	ck_assert_uint_ge(refused, 20);
	assert_document_has("\"total\":3,\"succeeded\":2,\"failed\":1");
}
END_TEST

enum { THREADS = 4, THREAD_ITEMS = 2000 };

static atomic_size_t thread_reports, thread_completes;

static void count_report(void *self, const struct batch_item_report *report)
{
	(void)self;
	(void)report;
	atomic_fetch_add(&thread_reports, 1);
}

static void count_complete(void *self, struct batch *batch)
{
	(void)self;
	(void)batch;
	atomic_fetch_add(&thread_completes, 1);
}

static void *end_share(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = first; i < THREAD_ITEMS; i += THREADS)
		fakepool_answer(fakepool.calls[i],
			(struct fakepool_answer){200, "application/json", "{\"a\":1}", 0, NULL});
	return NULL;
}

START_TEST(workers_may_end_items_at_the_same_time)
{
	const struct batch_observer observer = {NULL, count_report, count_complete};
	pthread_t threads[THREADS];
	struct buf text;

	fakepool_reset();
	buf_init(&text, SIZE_MAX / 2);
	buf_adds(&text, "{\"items\":[{" E "}");
	for (size_t i = 1; i < THREAD_ITEMS; i++)
		buf_adds(&text, ",{" E "}");
	buf_adds(&text, "]}");
	ck_assert_int_eq(kit_parse(&kit, text.ptr), ERR_OK);
	ck_assert_int_eq(batch_start(kit.batch, &observer, &kit.problem), ERR_OK);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, end_share, (void *)(uintptr_t)i), 0);
	batch_cancel(kit.batch, POOL_CLIENT_GONE);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&thread_reports), THREAD_ITEMS);
	ck_assert_uint_eq(atomic_load(&thread_completes), 1);
	ck_assert_uint_eq(fakepool.groups_open, 0);
	assert_document_has("\"succeeded\":2000,");
	buf_free(&text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {requests_that_are_no_batch_are_refused_with_pointers,
		all_faults_of_the_envelope_come_at_once, endless_faults_are_counted_not_kept,
		syntax_faults_have_line_and_column, depth_counts_from_the_root,
		too_many_items_are_413, duplicate_ids_refuse_the_batch_and_name_the_later_ones,
		results_keep_the_input_order_when_answers_arrive_reversed,
		a_batch_without_items_completes_at_once, options_reach_the_pool_clamped,
		strict_refuses_invalid_items_with_all_pointers,
		a_refused_item_stops_the_others_where_that_is_asked,
		cancelling_reaches_the_pool_once_and_never_after_the_end,
		a_pool_that_takes_nothing_refuses_the_batch,
		past_the_limit_of_the_answer_results_are_too_large,
		past_the_limit_of_the_answer_a_result_that_shows_no_body_has_its_place,
		a_result_the_budget_has_no_room_for_is_overloaded,
		a_batch_the_budget_has_no_room_for_is_refused,
		a_batch_is_charged_for_all_the_heap_it_takes,
		comparing_ids_is_charged_while_it_lasts, every_allocation_may_fail,
		workers_may_end_items_at_the_same_time};
	int failed;

	kit_init(&kit);
	failed = check_main("batch", tests, sizeof tests / sizeof *tests);
	kit_free(&kit);
	return failed;
}
