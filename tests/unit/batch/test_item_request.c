/* test_item_request.c - the request that an item becomes, with what the defaults add to it. */
#include "tests/unit/batch/item_kit.h"

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

int main(void)
{
	const TTest *const tests[] = {methods_default_by_the_body, bodies_go_as_they_stand,
		headers_merge_without_regard_to_case, items_without_headers_share_their_lines,
		queries_merge_and_are_encoded, clocks_and_redirects_have_defaults_and_caps,
		retries_merge_member_by_member, idempotent_methods_and_keyed_items_are_repeatable,
		trace_fields_go_along_unless_named, ids_are_echoed_as_sent};

	return kit_main(&kit, "item_request", tests, sizeof tests / sizeof *tests);
}
