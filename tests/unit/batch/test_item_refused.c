/* test_item_refused.c - items that become no call: what is wrong with them, as they are told. */
#include "common/utf8.h"
#include "tests/unit/batch/item_kit.h"

START_TEST(items_that_cannot_be_calls_say_why)
{
	static const struct {
		const char *item, *reason;
	} rows[] = {{"5", "field_invalid"}, {"null", "field_invalid"}, {"[]", "field_invalid"},
		{"{}", "field_missing"}, {"{\"url\":5}", "field_invalid"},
		{"{\"url\":null}", "field_invalid"}, {"{\"url\":\"\"}", "url_invalid"},
		{"{\"url\":\"/x\"}", "url_invalid"},
		{"{\"url\":\"http://e.com/\\u0000\"}", "url_invalid"},
		{"{" E ",\"method\":\"get\"}", "method_denied"},
		{"{" E ",\"method\":\"TRACE\"}", "method_denied"},
		{"{" E ",\"method\":5}", "field_invalid"},
		{"{" E ",\"method\":\"GET\\u0000\"}", "method_denied"},
		{"{" E ",\"body\":1,\"body_text\":\"\"}", "body_invalid"},
		{"{" E ",\"body_text\":1}", "field_invalid"},
		{"{" E ",\"body_base64\":\"A\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"AA=A\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"A===\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"AAF=\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"AA\\n=\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"AA-_\"}", "body_invalid"},
		{"{" E ",\"body_base64\":\"AAA\"}", "body_invalid"},
		{"{" E ",\"body_base64\":null}", "field_invalid"},
		{"{" E ",\"method\":\"HEAD\",\"body\":null}", "body_invalid"},
		{"{" E ",\"timeout_ms\":0}", "field_invalid"},
		{"{" E ",\"timeout_ms\":-5}", "field_invalid"},
		{"{" E ",\"timeout_ms\":10.0}", "field_invalid"},
		{"{" E ",\"timeout_ms\":1e3}", "field_invalid"},
		{"{" E ",\"timeout_ms\":\"5\"}", "field_invalid"},
		{"{" E ",\"timeout_ms\":null}", "field_invalid"},
		{"{" E ",\"max_redirects\":11}", "field_invalid"},
		{"{" E ",\"max_redirects\":-1}", "field_invalid"},
		{"{" E ",\"max_redirects\":99999999999999999999999}", "field_invalid"},
		{"{" E ",\"retry\":[]}", "field_invalid"},
		{"{" E ",\"retry\":{\"max_attempts\":0}}", "field_invalid"},
		{"{" E ",\"retry\":{\"max_attempts\":11}}", "field_invalid"},
		{"{" E ",\"retry\":{\"max_attempts\":2.0}}", "field_invalid"},
		{"{" E ",\"retry\":{\"max_attempts\":1e400}}", "field_invalid"},
		{"{" E ",\"retry\":{\"max_attempts\":99999999999999999999}}", "field_invalid"},
		{"{" E ",\"retry\":{\"backoff_ms\":-1}}", "field_invalid"},
		{"{" E ",\"retry\":{\"retry_on\":[99]}}", "field_invalid"},
		{"{" E ",\"retry\":{\"retry_on\":[600]}}", "field_invalid"},
		{"{" E ",\"retry\":{\"retry_on\":503}}", "field_invalid"},
		{"{" E ",\"retry\":{\"retry_on\":[\"503\"]}}", "field_invalid"},
		{"{" E ",\"retry\":{\"x\":1}}", "field_unknown"},
		{"{" E ",\"retry\":{\"max_attempts\":1,\"max_attempts\":2}}", "field_invalid"},
		{"{" E ",\"headers\":[]}", "field_invalid"},
		{"{" E ",\"headers\":{\"A\":5}}", "field_invalid"},
		{"{" E ",\"headers\":{\"A\":{}}}", "field_invalid"},
		{"{" E ",\"headers\":{\"A\":[\"x\",null]}}", "field_invalid"},
		{"{" E ",\"headers\":{\"A\":1e400}}", "field_invalid"},
		{"{" E ",\"headers\":{\"A b\":\"x\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"\":\"x\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\":\"x\\r\\ny: z\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\":\"x\\u0000\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\\u0000\":\"x\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\":\"x\",\"a\":\"y\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\":\"x\",\"A\":\"y\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"A\":\"x\",\"\\u0041\":\"y\"}}", "header_invalid"},
		{"{" E ",\"headers\":{\"Host\":\"x\"}}", "header_denied"},
		{"{" E ",\"headers\":{\"content-length\":\"1\"}}", "header_denied"},
		{"{" E ",\"headers\":{\"Host\":[]}}", "header_denied"},
		{"{" E ",\"query\":[]}", "field_invalid"},
		{"{" E ",\"query\":{\"a\":null}}", "field_invalid"},
		{"{" E ",\"query\":{\"a\":{}}}", "field_invalid"},
		{"{" E ",\"query\":{\"a\":[1,null]}}", "field_invalid"},
		{"{" E ",\"query\":{\"a\":[[1]]}}", "field_invalid"},
		{"{" E ",\"query\":{\"a\":1,\"\\u0061\":2}}", "field_invalid"},
		{"{" E ",\"x\":1}", "field_unknown"},
		{"{" E ",\"concurrency\":1}", "field_unknown"},
		{"{" E ",\"items\":[]}", "field_unknown"}, {"{" E "," E "}", "field_invalid"},
		{"{" E ",\"id\":1,\"id\":2}", "field_invalid"},
		{"{" E ",\"\\u0075rl\":\"x\"}", "field_invalid"},
		{"{" E ",\"id\":\"\"}", "field_invalid"}, {"{" E ",\"id\":null}", "field_invalid"},
		{"{" E ",\"id\":1.0}", "field_invalid"}, {"{" E ",\"id\":1e2}", "field_invalid"},
		{"{" E ",\"id\":true}", "field_invalid"}, {"{" E ",\"id\":[]}", "field_invalid"},
		{"{" E ",\"id\":123456789012345678901}", "field_invalid"},
		{"{\"url\":\"http://127.1/\"}", "host_invalid"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_refused(rows[i].item, NULL, "invalid_item", rows[i].reason);
}
END_TEST

START_TEST(a_header_name_is_quoted_in_whole_characters)
{
	char item[512];

	for (int len = 60; len < 70; len++) {
		snprintf(item, sizeof item, "{" E ",\"headers\":{\"%0*d\xF0\x9F\x98\x80\":\"\"}}",
			len, 0);
		assert_refused(item, NULL, "invalid_item", "header_invalid");
		ck_assert(utf8_valid(kit.last_message, strlen(kit.last_message)));
		ck_assert_int_eq(strstr(kit.last_message, "\xF0\x9F\x98\x80`") != NULL, len == 60);
	}
}
END_TEST

START_TEST(targets_that_policy_refuses_are_blocked)
{
	assert_refused("{\"url\":\"http://127.0.0.1/\"}", NULL, "blocked_target", "address_denied");
	ck_assert_str_eq(kit.last_host, "127.0.0.1");
	ck_assert(strstr(kit.last_message, "127.0.0.1") != NULL);
	assert_refused("{\"url\":\"http://localhost/\"}", NULL, "blocked_target", "host_denied");
	assert_refused("{\"url\":\"http://e.com:22/\"}", NULL, "blocked_target", "port_denied");
	ck_assert_str_eq(kit.last_message,
		"e.com: port 22 is not one that may be called here unless the operator opens it "
		"(targets.allow, with :22 behind the host)");
	assert_refused("{\"url\":\"http://e.com:0/\"}", NULL, "blocked_target", "port_denied");
	ck_assert_str_eq(kit.last_message, "port 0 is not one that may be called");
	assert_refused("{\"url\":\"ftp://e.com/\"}", NULL, "blocked_target", "scheme_denied");
	assert_refused(
		"{\"url\":\"http://u:p@e.com/\"}", NULL, "blocked_target", "userinfo_denied");
	ck_assert(strstr(kit.last_message, "u:p") == NULL);
	assert_refused("{\"url\":\"127.0.0.1:9000/\"}", NULL, "invalid_item", "url_invalid");
	ck_assert_str_eq(kit.last_message, "`url` does not begin with http:// or https://");
	assert_refused("{\"url\":\"http://\"}", NULL, "invalid_item", "url_invalid");
	ck_assert(strstr(kit.last_message, "`url` must be http:// or https://, a host") != NULL);
}
END_TEST

START_TEST(a_fault_comes_before_the_guard)
{
	assert_refused("{\"url\":\"http://127.0.0.1/\",\"timeout_ms\":0}", NULL, "invalid_item",
		"field_invalid");
}
END_TEST

START_TEST(limits_of_size_are_kept)
{
	struct buf item;
	size_t i;

	buf_init(&item, SIZE_MAX / 2);
	buf_adds(&item, "{\"url\":\"http://e.com/");
	for (i = 0; i < 9000; i++)
		buf_add_char(&item, 'a');
	buf_adds(&item, "\"}");
	assert_refused(item.ptr, NULL, "invalid_item", "url_invalid");
	buf_clear(&item);
	buf_adds(&item, "{" E ",\"query\":{\"a\":\"");
	for (i = 0; i < 9000; i++)
		buf_add_char(&item, 'a');
	buf_adds(&item, "\"}}");
	assert_refused(item.ptr, NULL, "invalid_item", "url_invalid");
	for (size_t count = 100; count <= 101; count++) {
		buf_clear(&item);
		buf_adds(&item, "{" E ",\"headers\":{\"A\":[\"0\"");
		for (i = 1; i < count; i++)
			buf_adds(&item, ",\"1\"");
		buf_adds(&item, "]}}");
		if (count == 100) {
			ck_assert_uint_eq(request_of(item.ptr, NULL)->header_count, 101);
			end_all();
		} else {
			assert_refused(item.ptr, NULL, "invalid_item", "header_too_large");
		}
	}
	buf_clear(&item);
	buf_adds(&item, "{" E ",\"headers\":{\"A\":\"");
	for (i = 0; i < 8192; i++)
		buf_add_char(&item, 'a');
	buf_adds(&item, "\"}}");
	assert_refused(item.ptr, NULL, "invalid_item", "header_too_large");
	buf_clear(&item);
	buf_adds(&item, "{" E ",\"headers\":{\"A\":[");
	for (i = 0; i < 5; i++) {
		buf_adds(&item, i ? ",\"" : "\"");
		for (size_t k = 0; k < 8000; k++)
			buf_add_char(&item, 'a');
		buf_add_char(&item, '"');
	}
	buf_adds(&item, "]}}");
	assert_refused(item.ptr, NULL, "invalid_item", "header_too_large");
	buf_free(&item);
}
END_TEST

START_TEST(merged_headers_have_the_limits_of_one_list)
{
	struct buf defaults;
	const char *item = "{" E ",\"headers\":{\"B\":[\"1\",\"2\"]}}";

	buf_init(&defaults, SIZE_MAX / 2);
	buf_adds(&defaults, "{\"headers\":{\"A\":[\"0\"");
	for (size_t i = 1; i < 99; i++)
		buf_adds(&defaults, ",\"1\"");
	buf_adds(&defaults, "]}}");
	assert_refused(item, defaults.ptr, "invalid_item", "header_too_large");
	ck_assert_uint_eq(request_of("{" E ",\"headers\":{\"a\":null,\"B\":\"1\"}}", defaults.ptr)
				  ->header_count,
		2);
	end_all();
	buf_free(&defaults);
}
END_TEST

START_TEST(an_id_has_256_bytes_decoded_at_most)
{
	char item[4096];

	for (size_t len = 256; len <= 257; len++) {
		size_t at = (size_t)snprintf(item, sizeof item, "{" E ",\"id\":\"");

		for (size_t i = 0; i < len; i++)
			at += (size_t)snprintf(
				item + at, sizeof item - at, i % 2 ? "\\u0061" : "b");
		snprintf(item + at, sizeof item - at, "\"}");
		if (len == 257) {
			assert_refused(item, NULL, "invalid_item", "field_invalid");
			ck_assert_str_eq(kit.last_id, "null");
			continue;
		}
		ck_assert_ptr_nonnull(request_of(item, NULL));
		end_all();
	}
}
END_TEST

START_TEST(hints_name_the_field_that_was_meant)
{
	static const struct {
		const char *item, *hint;
	} rows[] = {{"{" E ",\"timeoutMs\":1}", "did you mean `timeout_ms`?"},
		{"{" E ",\"timeout\":1}", "did you mean `timeout_ms`?"},
		{"{" E ",\"concurrency\":1}", "did you mean `options.concurrency`?"},
		{"{" E ",\"header\":1}", "did you mean `headers`?"},
		{"{" E ",\"max_attempts\":1}", "did you mean `retry.max_attempts`?"},
		{"{" E ",\"json\":1}", "did you mean `body`?"},
		{"{" E ",\"qwertyuiop\":1}", "unknown field `qwertyuiop`"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_refused(rows[i].item, NULL, "invalid_item", "field_unknown");
		ck_assert_msg(strstr(kit.last_message, rows[i].hint) != NULL, "%s: %s",
			rows[i].item, kit.last_message);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {items_that_cannot_be_calls_say_why,
		a_header_name_is_quoted_in_whole_characters,
		targets_that_policy_refuses_are_blocked, a_fault_comes_before_the_guard,
		limits_of_size_are_kept, merged_headers_have_the_limits_of_one_list,
		an_id_has_256_bytes_decoded_at_most, hints_name_the_field_that_was_meant};

	return kit_main(&kit, "item_refused", tests, sizeof tests / sizeof *tests);
}
