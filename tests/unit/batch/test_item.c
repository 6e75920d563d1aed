/* test_item.c - the items of a request: what becomes a call, what is refused, and why. */
#include "common/utf8.h"
#include "tests/unit/batch/check_main.h"
#include "tests/unit/batch/kit.h"

#define E "\"url\":\"http://e.com/\""

static struct kit kit;

/* Parses and starts a batch with this one item and these defaults (NULL: none). */
static void run(const char *item, const char *defaults)
{
	struct buf text;

	fakepool_reset();
	kit.completed = kit.reported = 0;
	buf_init(&text, SIZE_MAX / 2);
	ck_assert_int_eq(buf_addf(&text, "{\"defaults\":%s,\"items\":[%s]}",
				 defaults ? defaults : "{}", item),
		ERR_OK);
	ck_assert_msg(kit_parse_bytes(&kit, text.ptr, text.len, NULL) == ERR_OK, "%s: %s", text.ptr,
		kit.problem.detail);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	buf_free(&text);
}

static void end_all(void)
{
	for (size_t i = 0; i < fakepool.count; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 204});
	ck_assert_uint_eq(kit.completed, 1);
}

/* The one call's request; the test ends it with end_all. */
static const struct request *request_of(const char *item, const char *defaults)
{
	run(item, defaults);
	ck_assert_msg(fakepool.count == 1, "%s: %s", item, kit.last_message);
	return &fakepool.calls[0]->request;
}

static bool has_line(const struct request *request, const char *line)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (strcmp(request->headers[i], line) == 0)
			return true;
	}
	return false;
}

static bool has_name(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (strncasecmp(request->headers[i], name, strlen(name)) == 0)
			return true;
	}
	return false;
}

static void assert_refused(
	const char *item, const char *defaults, const char *code, const char *reason)
{
	char *document, expected[128];

	run(item, defaults);
	ck_assert_msg(fakepool.count == 0, "%s was taken", item);
	document = kit_document(&kit, 100);
	snprintf(expected, sizeof expected,
		"\"reason\":\"%s\",\"retryable\":false,\"sent\":false},\"attempts\":0,\"duration_"
		"ms\":0.0}",
		reason);
	ck_assert_msg(
		strstr(document, expected) != NULL, "%s: %s not in %s", item, expected, document);
	snprintf(expected, sizeof expected, "\"error\":{\"code\":\"%s\"", code);
	ck_assert_msg(
		strstr(document, expected) != NULL, "%s: %s not in %s", item, expected, document);
	mem_free(document);
}

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
		"(targets.allow)");
	assert_refused("{\"url\":\"http://e.com:0/\"}", NULL, "blocked_target", "port_denied");
	ck_assert_str_eq(kit.last_message,
		"port 0 is not one that may be called here unless the operator opens it "
		"(targets.allow)");
	assert_refused("{\"url\":\"ftp://e.com/\"}", NULL, "blocked_target", "scheme_denied");
	assert_refused(
		"{\"url\":\"http://u:p@e.com/\"}", NULL, "blocked_target", "userinfo_denied");
	ck_assert(strstr(kit.last_message, "u:p") == NULL);
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

START_TEST(methods_default_by_the_body)
{
	static const struct {
		const char *item, *defaults;
		enum http_method method;
	} rows[] = {{"{" E "}", NULL, HTTP_GET}, {"{" E ",\"body\":null}", NULL, HTTP_POST},
		{"{" E ",\"body_text\":\"\"}", NULL, HTTP_POST},
		{"{" E "}", "{\"body\":1}", HTTP_POST},
		{"{" E ",\"body\":1}", "{\"method\":\"PUT\"}", HTTP_PUT},
		{"{" E ",\"body\":1,\"method\":\"GET\"}", "{\"method\":\"PUT\"}", HTTP_GET},
		{"{" E ",\"method\":\"HEAD\"}", NULL, HTTP_HEAD},
		{"{" E ",\"method\":\"\\u0047ET\"}", NULL, HTTP_GET},
		{"{" E ",\"method\":\"OPTIONS\"}", NULL, HTTP_OPTIONS}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_int_eq(
			request_of(rows[i].item, rows[i].defaults)->method, rows[i].method);
		end_all();
	}
	assert_refused(
		"{" E ",\"method\":\"HEAD\"}", "{\"body\":1}", "invalid_item", "body_invalid");
}
END_TEST

START_TEST(bodies_go_as_they_stand)
{
	static const struct {
		const char *item, *defaults, *body;
		size_t len;
		const char *type;
	} rows[] = {
		{"{" E ",\"body\":\n {\"b\":1.0 ,\n\"a\":-0,\"a\":1e400,\"x\":\"\\u0000\\/\"} }",
			NULL, "{\"b\":1.0 ,\n\"a\":-0,\"a\":1e400,\"x\":\"\\u0000\\/\"}", 43,
			"Content-Type: application/json"},
		{"{" E ",\"body\":null}", NULL, "null", 4, "Content-Type: application/json"},
		{"{" E ",\"body_text\":\"a\\u0000\\n\\u00e9\"}", NULL, "a\0\n\xC3\xA9", 5,
			"Content-Type: text/plain; charset=utf-8"},
		{"{" E ",\"body_text\":\"\"}", NULL, "", 0,
			"Content-Type: text/plain; charset=utf-8"},
		{"{" E ",\"body_base64\":\"AAEC\\/w==\"}", NULL, "\0\1\2\xFF", 4,
			"Content-Type: application/octet-stream"},
		{"{" E ",\"body_base64\":\"\"}", NULL, "", 0,
			"Content-Type: application/octet-stream"},
		{"{" E "}", "{\"body_base64\":\"AAE=\"}", "\0\1", 2,
			"Content-Type: application/octet-stream"},
		{"{" E ",\"body_text\":\"t\"}", "{\"body\":{}}", "t", 1,
			"Content-Type: text/plain; charset=utf-8"},
		{"{" E ",\"body\":1}", "{\"headers\":{\"content-type\":\"a/b\"}}", "1", 1,
			"content-type: a/b"},
		{"{" E ",\"body\":1,\"headers\":{\"X\":\"1\"}}",
			"{\"headers\":{\"content-type\":\"a/b\"}}", "1", 1, "content-type: a/b"},
		{"{" E ",\"body\":1,\"headers\":{\"Content-type\":null}}",
			"{\"headers\":{\"content-type\":\"a/b\"}}", "1", 1,
			"Content-Type: application/json"},
		{"{" E ",\"body\":1,\"headers\":{\"CONTENT-TYPE\":\"c/d\"}}", NULL, "1", 1,
			"CONTENT-TYPE: c/d"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct request *request = request_of(rows[i].item, rows[i].defaults);

		ck_assert(request->has_body);
		ck_assert_msg(request->body.len == rows[i].len, "%s: %zu", rows[i].item,
			request->body.len);
		ck_assert(rows[i].len == 0 ||
			  memcmp(request->body.ptr, rows[i].body, rows[i].len) == 0);
		ck_assert_msg(has_line(request, rows[i].type), "%s", rows[i].item);
		end_all();
	}
	ck_assert(!has_name(request_of("{" E "}", NULL), "Content-Type"));
	ck_assert(!fakepool.calls[0]->request.has_body);
	end_all();
}
END_TEST

START_TEST(headers_merge_without_regard_to_case)
{
	const char *defaults = "{\"headers\":{\"Authorization\":\"Bearer "
			       "x\",\"X-A\":[\"1\",\"2\"],\"X-B\":\"b\"}}";
	const struct request *request =
		request_of("{" E ",\"headers\":{\"x-a\":\"3\",\"X-b\":null,\"X-Empty\":\"\",\"X-"
			   "L\":[\"l1\",\"l2\"],\"accept-encoding\":\"br\"}}",
			defaults);

	ck_assert(has_line(request, "Authorization: Bearer x"));
	ck_assert(has_line(request, "x-a: 3"));
	ck_assert(!has_line(request, "X-A: 1"));
	ck_assert(!has_name(request, "X-B"));
	ck_assert(has_line(request, "X-Empty;"));
	ck_assert(has_line(request, "X-L: l1"));
	ck_assert(has_line(request, "X-L: l2"));
	ck_assert(!has_name(request, "accept-encoding"));
	ck_assert(has_line(request, "User-Agent: batchgate/" BATCHGATE_VERSION));
	ck_assert_uint_eq(request->header_count, 6);
	end_all();
	request = request_of("{" E ",\"headers\":{\"user-agent\":\"me\",\"X-A\":[]}}", defaults);
	ck_assert(has_line(request, "user-agent: me"));
	ck_assert(!has_name(request, "X-A"));
	ck_assert_uint_eq(request->header_count, 3);
	end_all();
}
END_TEST

START_TEST(items_without_headers_share_their_lines)
{
	fakepool_reset();
	ck_assert_int_eq(kit_parse(&kit, "{\"items\":[{" E "},{" E "}]}"), ERR_OK);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert_ptr_eq(fakepool.calls[0]->request.headers, fakepool.calls[1]->request.headers);
	ck_assert_ptr_eq(fakepool.calls[0]->request.retry, fakepool.calls[1]->request.retry);
	for (size_t i = 0; i < 2; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(queries_merge_and_are_encoded)
{
	static const struct {
		const char *item, *defaults, *url;
	} rows[] = {{"{\"url\":\"http://e.com/p?x=1#f\",\"query\":{\"a "
		     "b\":\"c&d=\\u00e9\",\"n\":1.50,\"e\":1e+5,\"t\":true,\"f\":false,\"l\":[\"p "
		     "q\",2,false],\"none\":[]}}",
			    NULL,
			    "http://e.com/"
			    "p?x=1&a%20b=c%26d%3D%C3%A9&n=1.50&e=1e%2B5&t=true&f=false&l=p%20q&l=2&"
			    "l=false"},
		{"{" E "}", "{\"query\":{\"k\":1,\"m\":[]}}", "http://e.com/?k=1"},
		{"{" E ",\"query\":{\"k\":2,\"z\":3}}", "{\"query\":{\"a\":0,\"k\":1}}",
			"http://e.com/?a=0&k=2&z=3"},
		{"{" E ",\"query\":{\"k\":[]}}", "{\"query\":{\"a\":0,\"\\u006b\":1}}",
			"http://e.com/?a=0"},
		{"{" E ",\"query\":{}}", NULL, "http://e.com/"},
		{"{" E ",\"query\":{\"\":\"\"}}", NULL, "http://e.com/?="},
		{"{" E ",\"query\":{\"n\":123456789012345678901234567890,\"z\":\"\\u0000\"}}", NULL,
			"http://e.com/?n=123456789012345678901234567890&z=%00"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_str_eq(request_of(rows[i].item, rows[i].defaults)->url.text, rows[i].url);
		end_all();
	}
}
END_TEST

START_TEST(clocks_and_redirects_have_defaults_and_caps)
{
	ck_assert_uint_eq(request_of("{" E "}", NULL)->timeout_us, 30000000);
	ck_assert_uint_eq(fakepool.calls[0]->request.max_redirects, 0);
	end_all();
	ck_assert_uint_eq(
		request_of("{" E "}", "{\"timeout_ms\":7,\"max_redirects\":3}")->timeout_us, 7000);
	ck_assert_uint_eq(fakepool.calls[0]->request.max_redirects, 3);
	end_all();
	ck_assert_uint_eq(
		request_of(
			"{" E ",\"timeout_ms\":99999999999999999999999,\"max_redirects\":10}", NULL)
			->timeout_us,
		600000000);
	ck_assert_uint_eq(fakepool.calls[0]->request.max_redirects, 10);
	end_all();
}
END_TEST

START_TEST(retries_merge_member_by_member)
{
	const struct retry_policy *retry;

	ck_assert_int_eq(
		kit_parse(&kit, "{\"options\":{\"retry\":{\"max_attempts\":2,\"backoff_ms\":5,"
				"\"max_backoff_ms\":6}},"
				"\"defaults\":{\"retry\":{\"backoff_ms\":7}},\"items\":[{" E "},{" E
				",\"retry\":{\"max_attempts\":4,\"retry_on\":[500,599,100]}}]}"),
		ERR_OK);
	fakepool_reset();
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	retry = fakepool.calls[0]->request.retry;
	ck_assert_uint_eq(retry->max_attempts, 2);
	ck_assert_uint_eq(retry->backoff_us, 7000);
	ck_assert_uint_eq(retry->max_backoff_us, 6000);
	ck_assert_uint_eq(retry->retry_on[403 / 64] >> (403 % 64) & 1, 1); /* 503 */
	retry = fakepool.calls[1]->request.retry;
	ck_assert_uint_eq(retry->max_attempts, 4);
	ck_assert_uint_eq(retry->backoff_us, 7000);
	ck_assert_uint_eq(retry->retry_on[403 / 64] >> (403 % 64) & 1, 0);
	ck_assert_uint_eq(retry->retry_on[0] & 1, 1);
	ck_assert_uint_eq(retry->retry_on[499 / 64] >> (499 % 64) & 1, 1);
	for (size_t i = 0; i < 2; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(idempotent_methods_and_keyed_items_are_repeatable)
{
	static const struct {
		const char *item, *defaults;
		bool repeatable;
	} rows[] = {{"{" E "}", NULL, true}, {"{" E ",\"body\":1}", NULL, false},
		{"{" E ",\"method\":\"PATCH\"}", NULL, false},
		{"{" E ",\"method\":\"DELETE\"}", NULL, true},
		{"{" E ",\"body\":1,\"headers\":{\"idempotency-key\":\"k\"}}", NULL, true},
		{"{" E ",\"body\":1}", "{\"headers\":{\"Idempotency-Key\":\"k\"}}", true},
		{"{" E ",\"body\":1,\"headers\":{\"Idempotency-Key\":null}}",
			"{\"headers\":{\"Idempotency-Key\":\"k\"}}", false}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_msg(request_of(rows[i].item, rows[i].defaults)->repeatable ==
				      rows[i].repeatable,
			"%s", rows[i].item);
		end_all();
	}
}
END_TEST

START_TEST(trace_fields_go_along_unless_named)
{
	static const char text[] =
		"{\"items\":[{" E "},{" E ",\"headers\":{\"TraceParent\":\"own\"}},{" E
		",\"headers\":{\"tracestate\":\"own\"}}]}";

	fakepool_reset();
	ck_assert_int_eq(kit_parse_bytes(&kit, text, sizeof text - 1, "00-t"), ERR_OK);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	ck_assert(has_line(&fakepool.calls[0]->request, "traceparent: 00-t"));
	ck_assert(has_line(&fakepool.calls[0]->request, "tracestate: k=v"));
	ck_assert(has_line(&fakepool.calls[1]->request, "TraceParent: own"));
	ck_assert(!has_line(&fakepool.calls[1]->request, "traceparent: 00-t"));
	ck_assert(!has_name(&fakepool.calls[1]->request, "tracestate"));
	ck_assert(has_line(&fakepool.calls[2]->request, "traceparent: 00-t"));
	ck_assert(!has_line(&fakepool.calls[2]->request, "tracestate: k=v"));
	for (size_t i = 0; i < 3; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 200});
}
END_TEST

START_TEST(ids_are_echoed_as_sent)
{
	static const char *const ids[] = {"\"a\"", "\"\\u0061\\n\"", "1", "-7", "-0", "0",
		"12345678901234567890", "-12345678901234567890"};
	char item[256], expected[128], *document;

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		snprintf(item, sizeof item, "{" E ",\"id\": %s }", ids[i]);
		run(item, NULL);
		ck_assert_msg(fakepool.count == 1, "%s", item);
		end_all();
		ck_assert_str_eq(kit.last_id, ids[i]);
		document = kit_document(&kit, 11);
		snprintf(expected, sizeof expected, "\"index\":0,\"id\":%s,\"success\"", ids[i]);
		ck_assert(strstr(document, expected) != NULL);
		mem_free(document);
	}
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
		methods_default_by_the_body, bodies_go_as_they_stand,
		headers_merge_without_regard_to_case, items_without_headers_share_their_lines,
		queries_merge_and_are_encoded, clocks_and_redirects_have_defaults_and_caps,
		retries_merge_member_by_member, idempotent_methods_and_keyed_items_are_repeatable,
		trace_fields_go_along_unless_named, ids_are_echoed_as_sent,
		an_id_has_256_bytes_decoded_at_most, hints_name_the_field_that_was_meant};
	int failed;

	kit_init(&kit);
	failed = check_main("item", tests, sizeof tests / sizeof *tests);
	kit_free(&kit);
	return failed;
}
