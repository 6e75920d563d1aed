/* test_result.c - result objects: every shape of body, error, headers and timing. */
#include <stdio.h>
#include <string.h>

#include "batch/result.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

static struct outcome outcome_of(unsigned status, const char *type, const char *body, size_t len)
{
	struct outcome outcome = {
		.status = status, .attempts = 1, .sent = true, .duration_us = 12400};

	buf_init(&outcome.body, SIZE_MAX / 2);
	if (len)
		ck_assert_int_eq(buf_add(&outcome.body, body, len), ERR_OK);
	if (type)
		outcome.content_type = mem_copy(type, strlen(type));
	return outcome;
}

/* Renders, frees the outcome, and gives the text (mem_free). */
static char *render(struct result_view view, struct outcome outcome)
{
	struct result_measure measure;
	char *bytes, *text;
	size_t len;

	result_measure(&view, &outcome, &measure);
	ck_assert_int_eq(result_render(&view, &outcome, &measure, &bytes, &len), ERR_OK);
	ck_assert_uint_le(len, measure.bytes);
	text = mem_copy(bytes, len);
	mem_free(bytes);
	buf_free(&outcome.body);
	buf_free(&outcome.headers);
	mem_free(outcome.content_type);
	return text;
}

static const struct result_view plain = {.index = 3, .id = {"\"i\"", 3}};

static void assert_body(const char *type, const char *body, size_t len, const char *expected)
{
	char *text = render(plain, outcome_of(200, type, body, len)), whole[1024];

	snprintf(whole, sizeof whole,
		"{\"index\":3,\"id\":\"i\",\"success\":true,\"status\":200,\"body\":%s,\"error\":"
		"null,\"attempts\":1,\"duration_ms\":12.4}",
		expected);
	ck_assert_str_eq(text, whole);
	mem_free(text);
}

START_TEST(bodies_are_json_text_or_base64)
{
	static const struct {
		const char *type, *body;
		size_t len;
		const char *expected;
	} rows[] = {{"application/json", "\r\n{\"a\":\n1.0}\n", 13,
			    "{\"a\": 1.0},\"body_encoding\":\"json\""},
		{"Application/JSON ; charset=utf-8", "[1e400]", 7,
			"[1e400],\"body_encoding\":\"json\""},
		{"application/problem+json", "null", 4, "null,\"body_encoding\":\"json\""},
		{"application/vnd.x+JSON;v=1", "\"\\u0000\"", 8,
			"\"\\u0000\",\"body_encoding\":\"json\""},
		{"text/plain", "{}", 2, "\"{}\",\"body_encoding\":\"text\""},
		{NULL, "{}", 2, "\"{}\",\"body_encoding\":\"text\""},
		{"application/jsonx", "1", 1, "\"1\",\"body_encoding\":\"text\""},
		{"+json", "1", 1, "\"1\",\"body_encoding\":\"text\""},
		{"application/json", "{a:1}", 5, "\"{a:1}\",\"body_encoding\":\"text\""},
		{"application/json", "\"\\ud800\"", 8,
			"\"\\\"\\\\ud800\\\"\",\"body_encoding\":\"text\""},
		{"application/json", "\xEF\xBB\xBF{}", 5,
			"\"\xEF\xBB\xBF{}\",\"body_encoding\":\"text\""},
		{"application/json", " \n", 2, "\" \\n\",\"body_encoding\":\"text\""},
		{"text/plain", "a\"\\\b\f\n\r\t\x01\x7F", 10,
			"\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7F\",\"body_encoding\":\"text\""},
		{"text/plain", "a\0b", 3, "\"a\\u0000b\",\"body_encoding\":\"text\""},
		{"text/plain", "\xC3\xA9", 2, "\"\xC3\xA9\",\"body_encoding\":\"text\""},
		{"text/plain", "\xC3", 1, "\"ww==\",\"body_encoding\":\"base64\""},
		{"application/json", "\"\xFF\"", 3, "\"Iv8i\",\"body_encoding\":\"base64\""},
		{"image/png", "\x89PNG", 4, "\"iVBORw==\",\"body_encoding\":\"base64\""},
		{"application/json", "", 0, "null,\"body_encoding\":null"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_body(rows[i].type, rows[i].body, rows[i].len, rows[i].expected);
}
END_TEST

START_TEST(json_deeper_than_sixty_is_text)
{
	char body[130], *text;

	for (size_t depth = 60; depth <= 61; depth++) {
		memset(body, '[', depth);
		memset(body + depth, ']', depth);
		text = render(plain, outcome_of(200, "application/json", body, 2 * depth));
		ck_assert((strstr(text, "\"body_encoding\":\"json\"") != NULL) == (depth == 60));
		ck_assert((strstr(text, "\"body_encoding\":\"text\"") != NULL) == (depth == 61));
		mem_free(text);
	}
}
END_TEST

START_TEST(include_body_decides_whose_body_is_shown)
{
	static const struct {
		enum include_body include;
		enum item_code code;
		bool shown;
	} rows[] = {{INCLUDE_ALL, ITEM_OK, true}, {INCLUDE_ALL, ITEM_UPSTREAM_STATUS, true},
		{INCLUDE_FAILED, ITEM_OK, false}, {INCLUDE_FAILED, ITEM_UPSTREAM_STATUS, true},
		{INCLUDE_NONE, ITEM_OK, false}, {INCLUDE_NONE, ITEM_UPSTREAM_STATUS, false}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct result_view view = plain;
		struct outcome outcome = outcome_of(503, "text/plain", "busy", 4);
		char *text;

		outcome.code = rows[i].code;
		view.include_body = rows[i].include;
		text = render(view, outcome);
		ck_assert((strstr(text, "\"body\":\"busy\",\"body_encoding\":\"text\"") != NULL) ==
			  rows[i].shown);
		ck_assert((strstr(text, "\"body\":null,\"body_encoding\":null") != NULL) ==
			  !rows[i].shown);
		mem_free(text);
	}
}
END_TEST

START_TEST(errors_have_their_members_in_order)
{
	struct outcome outcome = outcome_of(503, "text/plain", "busy", 4);
	char message[] = "e.com answered \"503\"";
	char *text;

	outcome.code = ITEM_UPSTREAM_STATUS;
	outcome.retryable = true;
	outcome.message = message;
	text = render(plain, outcome);
	ck_assert_str_eq(text, "{\"index\":3,\"id\":\"i\",\"success\":false,\"status\":503,"
			       "\"body\":\"busy\",\"body_encoding\":\"text\","
			       "\"error\":{\"code\":\"upstream_status\",\"message\":\"e.com "
			       "answered \\\"503\\\"\",\"retryable\":true,\"sent\":true},"
			       "\"attempts\":1,\"duration_ms\":12.4}");
	mem_free(text);
	outcome = (struct outcome){.code = ITEM_TIMEOUT, .reason = REASON_QUEUE, .retryable = true};
	text = render((struct result_view){.id = {"null", 4}, .include_headers = true}, outcome);
	ck_assert_str_eq(text, "{\"index\":0,\"id\":null,\"success\":false,\"status\":null,"
			       "\"body\":null,\"body_encoding\":null,\"headers\":{},"
			       "\"error\":{\"code\":\"timeout\",\"message\":\"there was no memory "
			       "to say more\",\"reason\":\"queue\",\"retryable\":true,"
			       "\"sent\":false},\"attempts\":0,\"duration_ms\":0.0}");
	mem_free(text);
}
END_TEST

static void assert_headers(const char *lines, const char *expected)
{
	struct outcome outcome = outcome_of(200, NULL, "", 0);
	struct result_view view = plain;
	char *text, whole[512];

	view.include_headers = true;
	buf_init(&outcome.headers, SIZE_MAX / 2);
	ck_assert_int_eq(buf_adds(&outcome.headers, lines), ERR_OK);
	text = render(view, outcome);
	snprintf(whole, sizeof whole, "\"body_encoding\":null,\"headers\":%s,\"error\":null",
		expected);
	ck_assert_msg(strstr(text, whole) != NULL, "%s not in %s", whole, text);
	mem_free(text);
}

START_TEST(headers_fold_into_strings_and_lists)
{
	assert_headers("", "{}");
	assert_headers("server: x\n", "{\"server\":\"x\"}");
	assert_headers("b: 1\na: 2\nb: 3\nc:\na: 4\nb: 5\n",
		"{\"b\":[\"1\",\"3\",\"5\"],\"a\":[\"2\",\"4\"],\"c\":\"\"}");
	assert_headers("x: a:b\ny:  \"q\"\nbad: \xFF\n",
		"{\"x\":\"a:b\",\"y\":\" \\\"q\\\"\",\"bad\":\"\xEF\xBF\xBD\"}");
}
END_TEST

START_TEST(very_many_headers_do_not_take_long)
{
	struct outcome outcome = outcome_of(200, NULL, "", 0);
	struct result_view view = plain;

	view.include_headers = true;
	buf_init(&outcome.headers, SIZE_MAX / 2);
	for (unsigned i = 0; i < 60000; i++)
		ck_assert_int_eq(buf_addf(&outcome.headers, "h%u: v\n", i % 30000), ERR_OK);
	mem_free(render(view, outcome));
}
END_TEST

START_TEST(timing_shows_each_attempt)
{
	struct outcome outcome = outcome_of(200, NULL, "", 0);
	char url[] = "http://e.com/\"";
	struct call_timing timing = {.url = url,
		.remote_address = "192.0.2.1:80",
		.http_version = "1.1",
		.dns_us = 1,
		.connect_us = 20,
		.tls_us = 300,
		.first_byte_us = 4000,
		.attempt_count = 2,
		.attempts = {{503, ITEM_UPSTREAM_STATUS, 1500, 0}, {200, ITEM_OK, 2500, 200000}}};
	struct result_view view = plain;
	char *text;

	view.include_timing = true;
	outcome.queue_us = 50;
	outcome.timing = &timing;
	text = render(view, outcome);
	ck_assert(strstr(text, ",\"duration_ms\":12.4,\"timing\":{\"url\":\"http://e.com/"
			       "\\\"\",\"remote_address\":\"192.0.2.1:80\","
			       "\"http_version\":\"1.1\",\"queue_ms\":0.05,\"dns_ms\":0.001,"
			       "\"connect_ms\":0.02,\"tls_ms\":0.3,"
			       "\"first_byte_ms\":4.0,\"attempts\":[{\"status\":503,\"code\":"
			       "\"upstream_status\",\"duration_ms\":1.5,"
			       "\"wait_ms\":0.0},{\"status\":200,\"code\":null,\"duration_ms\":2.5,"
			       "\"wait_ms\":200.0}]}}") != NULL);
	mem_free(text);
	timing.remote_address[0] = '\0';
	timing.http_version = NULL;
	timing.attempt_count = 0;
	outcome = outcome_of(200, NULL, "", 0);
	outcome.timing = &timing;
	text = render(view, outcome);
	ck_assert(strstr(text, "\"remote_address\":null,\"http_version\":null,") != NULL);
	ck_assert(strstr(text, "\"attempts\":[]}}") != NULL);
	mem_free(text);
}
END_TEST

START_TEST(a_brief_result_has_the_same_shape)
{
	struct result_brief brief = {ITEM_OVERLOADED, 200, 2, true, 50, 812000};
	struct outcome same = {.code = ITEM_OVERLOADED,
		.status = 200,
		.attempts = 2,
		.sent = true,
		.queue_us = 50,
		.duration_us = 812000,
		.retryable = true};
	char out[RESULT_BRIEF_MAX], message[64], *text;

	snprintf(message, sizeof message, "%s", result_brief_message(&brief));
	same.message = message;
	for (unsigned flags = 0; flags < 4; flags++) {
		struct result_view view = {.index = 7,
			.id = {"12", 2},
			.include_headers = flags & 1,
			.include_timing = flags & 2};
		size_t len = result_render_brief(&view, &brief, out);

		text = render(view, same);
		ck_assert_str_eq(out, text);
		ck_assert_uint_eq(len, strlen(text));
		mem_free(text);
	}
	brief = (struct result_brief){ITEM_RESPONSE_TOO_LARGE, 0, 0, false, 0, 1};
	result_render_brief(&plain, &brief, out);
	ck_assert(strstr(out, "\"status\":null,") &&
		  strstr(out, "\"retryable\":false,\"sent\":false") &&
		  strstr(out, "\"duration_ms\":0.001}"));
}
END_TEST

START_TEST(what_ended_in_the_queue_says_how_long_it_waited)
{
	struct result_view view = plain;
	struct outcome outcome = {.code = ITEM_TIMEOUT, .queue_us = 1234500};
	char *text;

	view.include_timing = true;
	text = render(view, outcome);
	ck_assert(strstr(text, "\"timing\":{\"url\":null,\"remote_address\":null,\"http_version\":"
			       "null,\"queue_ms\":1234.5,\"dns_ms\":0.0,") != NULL);
	mem_free(text);
}
END_TEST

START_TEST(without_memory_nothing_is_rendered_and_nothing_leaks)
{
	struct outcome outcome = outcome_of(200, "text/plain", "x", 1);
	struct result_view view = plain;
	struct result_measure measure;
	char *bytes = NULL;
	size_t len, tries = 0;
	enum err_code code;

	view.include_headers = true;
	buf_init(&outcome.headers, SIZE_MAX / 2);
	ck_assert_int_eq(buf_adds(&outcome.headers, "a: b\na: c\n"), ERR_OK);
	result_measure(&view, &outcome, &measure);
	do {
		mem_fail_at(++tries);
		code = result_render(&view, &outcome, &measure, &bytes, &len);
		ck_assert(code == ERR_OK || code == ERR_NOMEM);
		if (code == ERR_OK)
			mem_free(bytes);
	} while (mem_failed());
	mem_fail_at(0);
	ck_assert_uint_ge(tries, 3);
	buf_free(&outcome.body);
	buf_free(&outcome.headers);
	mem_free(outcome.content_type);
}
END_TEST

START_TEST(fields_that_are_not_utf_8_may_take_more_than_was_measured)
{
	struct outcome outcome = outcome_of(200, NULL, "", 0);
	struct result_view view = plain;
	struct result_measure measure;
	char value[3500], *bytes;
	size_t len;

	memset(value, 0xFF, sizeof value);
	buf_init(&outcome.headers, SIZE_MAX / 2);
	buf_adds(&outcome.headers, "a: ");
	buf_add(&outcome.headers, value, sizeof value);
	ck_assert_int_eq(buf_add_char(&outcome.headers, '\n'), ERR_OK);
	view.include_headers = true;
	result_measure(&view, &outcome, &measure);
	ck_assert_int_eq(result_render(&view, &outcome, &measure, &bytes, &len), ERR_OK);
	ck_assert_uint_ge(len, 3 * sizeof value);
	ck_assert_int_eq(bytes[len - 1], '}');
	mem_free(bytes);
	buf_free(&outcome.headers);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {bodies_are_json_text_or_base64,
		json_deeper_than_sixty_is_text, include_body_decides_whose_body_is_shown,
		errors_have_their_members_in_order, headers_fold_into_strings_and_lists,
		very_many_headers_do_not_take_long, timing_shows_each_attempt,
		a_brief_result_has_the_same_shape, what_ended_in_the_queue_says_how_long_it_waited,
		fields_that_are_not_utf_8_may_take_more_than_was_measured,
		without_memory_nothing_is_rendered_and_nothing_leaks};

	return check_main("result", tests, sizeof tests / sizeof *tests);
}
