/* test_batch_memory.c - what a batch may take: the limit of its answer, and memory that ends. */
#include <malloc.h>

#include "batch/names.h"
#include "tests/unit/batch/batch_kit.h"

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

int main(void)
{
	const TTest *const tests[] = {past_the_limit_of_the_answer_results_are_too_large,
		past_the_limit_of_the_answer_a_result_that_shows_no_body_has_its_place,
		a_result_the_budget_has_no_room_for_is_overloaded,
		a_batch_the_budget_has_no_room_for_is_refused,
		a_batch_is_charged_for_all_the_heap_it_takes,
		comparing_ids_is_charged_while_it_lasts, every_allocation_may_fail};

	return kit_main(&kit, "batch_memory", tests, sizeof tests / sizeof *tests);
}
