/* test_url.c - a URL's one spelling, its parts and its lengths, and what is said of one that is
 * refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pool/url_kit.h"

static const struct {
	const char *from, *query, *text, *host, *origin;
} spellings[] = {
	{"HTTP://ExAmple.COM", "", "http://example.com/", "example.com", "http://example.com:80"},
	{"http://example.com:80/", "", "http://example.com/", "example.com",
		"http://example.com:80"},
	{"http://example.com:443/", "", "http://example.com:443/", "example.com",
		"http://example.com:443"},
	{"https://example.com:443", "", "https://example.com/", "example.com",
		"https://example.com:443"},
	{"https://example.com:?a", "", "https://example.com/?a", "example.com",
		"https://example.com:443"},
	{"http://example.com:65535/", "", "http://example.com:65535/", "example.com",
		"http://example.com:65535"},
	{"http://[2606:4700:0:0:0:0:0:00A]:81", "", "http://[2606:4700::a]:81/", "2606:4700::a",
		"http://[2606:4700::a]:81"},
	{"http://8.8.8.8/", "", "http://8.8.8.8/", "8.8.8.8", "http://8.8.8.8:80"},
	{"http://e.com/a/../b/./c//d?x=/../#frag", "", "http://e.com/a/../b/./c//d?x=/../", "e.com",
		"http://e.com:80"},
	{"http://e.com/%2e%2E/%00?%zz", "", "http://e.com/%2e%2E/%00?%zz", "e.com",
		"http://e.com:80"},
	{"http://e.com/?", "", "http://e.com/?", "e.com", "http://e.com:80"},
	{"http://e.com/a", "x=1&y=%20", "http://e.com/a?x=1&y=%20", "e.com", "http://e.com:80"},
	{"http://e.com?a=1", "x=1", "http://e.com/?a=1&x=1", "e.com", "http://e.com:80"},
	{"http://e.com/?a=1&", "x=1", "http://e.com/?a=1&x=1", "e.com", "http://e.com:80"},
	{"http://e.com/?", "x=1", "http://e.com/?x=1", "e.com", "http://e.com:80"},
	{"http://e.com/p#f?g", "x=1", "http://e.com/p?x=1", "e.com", "http://e.com:80"},
	{"http://e.com#?/@", "x=1", "http://e.com/?x=1", "e.com", "http://e.com:80"},
	{"http://http://x/", "", "http://http//x/", "http", "http://http:80"},
};

START_TEST(a_url_has_one_spelling_and_keeps_path_and_query_byte_for_byte)
{
	struct url url = {0}, again = {0};
	bool nomem;

	ck_assert_int_eq(
		url_parse(span_of(spellings[_i].from), span_of(spellings[_i].query), &url, &nomem),
		REASON_NONE);
	ck_assert_str_eq(url.text, spellings[_i].text);
	ck_assert_str_eq(url.host, spellings[_i].host);
	ck_assert_str_eq(url.origin, spellings[_i].origin);
	ck_assert(url.https == (strncmp(url.text, "https:", 6) == 0));
	ck_assert_int_eq(parse(url.text, &again), REASON_NONE);
	ck_assert_str_eq(again.text, url.text);
	ck_assert(url_same_origin(&url, &again));
	url_free(&url);
	url_free(&again);
	ck_assert_ptr_null(url.text);
}
END_TEST

START_TEST(a_literal_host_gives_its_address)
{
	struct url url = {0};

	ck_assert_int_eq(parse("http://8.8.4.4/", &url), REASON_NONE);
	ck_assert(url.literal);
	ck_assert_int_eq(url.address.sa.sa_family, AF_INET);
	ck_assert_uint_eq(ntohl(url.address.v4.sin_addr.s_addr), 0x08080404);
	url_free(&url);
	ck_assert_int_eq(parse("http://[2606::8]/", &url), REASON_NONE);
	ck_assert(url.literal);
	ck_assert_int_eq(url.address.sa.sa_family, AF_INET6);
	ck_assert_uint_eq(url.address.v6.sin6_addr.s6_addr[15], 8);
	url_free(&url);
	ck_assert_int_eq(parse("http://example.com/", &url), REASON_NONE);
	ck_assert(!url.literal);
	url_free(&url);
}
END_TEST

START_TEST(lengths_are_bounded_also_after_the_query_is_appended)
{
	static const char host[] = "http://example.com/";
	char *text = malloc(2 * URL_MAX_BYTES);
	size_t start = sizeof host - 1;
	struct url url = {0};
	bool nomem;

	memset(text, 'a', 2 * URL_MAX_BYTES);
	memcpy(text, host, start);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES}, nothing, &url, &nomem), REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&url);
	ck_assert_int_eq(url_parse((struct span){text, URL_MAX_BYTES + 1}, nothing, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES - 4}, SPAN("x=1"), &url, &nomem),
		REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&url);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES - 3}, SPAN("x=1"), &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(url_parse(SPAN("http://e.com/"),
				 (struct span){text + start, URL_MAX_BYTES + 1}, &url, &nomem),
		REASON_URL_INVALID);
	text[URL_MAX_BYTES - 1] = '#'; /* a fragment counts as written */
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES}, nothing, &url, &nomem), REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES - 1);
	url_free(&url);
	free(text);
}
END_TEST

START_TEST(host_lengths_are_those_of_dns)
{
	char text[400] = "http://", *host = text + 7;
	struct url url = {0};

	memset(host, 'a', 63);
	memcpy(host + 63, ".com/", sizeof ".com/");
	ck_assert_int_eq(parse(text, &url), REASON_NONE);
	url_free(&url);
	for (size_t i = 0; i < 253; i++)
		host[i] = i % 50 == 49 ? '.' : 'a';
	memcpy(host + 253, "/", sizeof "/");
	ck_assert_int_eq(parse(text, &url), REASON_NONE);
	url_free(&url);
	memcpy(host + 253, "a/", sizeof "a/");
	ck_assert_int_eq(parse(text, &url), REASON_HOST_INVALID);
}
END_TEST

START_TEST(a_query_that_could_change_the_url_is_refused)
{
	static const char *const bad[] = {"a#b", "a b", "a\r\n", "\xff", "a\\b", "<"};
	struct url url = {0};
	bool nomem;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(
			url_parse(SPAN("http://example.com/"), span_of(bad[i]), &url, &nomem),
			REASON_URL_INVALID);
}
END_TEST

START_TEST(encoding_leaves_only_the_unreserved_bytes)
{
	struct buf out;
	char all[256], name[4];

	buf_init(&out, 4096);
	ck_assert_int_eq(url_encode(&out, "az AZ09-._~+&=#%/\xc3\xa9", 19), ERR_OK);
	ck_assert_str_eq(out.ptr, "az%20AZ09-._~%2B%26%3D%23%25%2F%C3%A9");
	for (int c = 0; c < 256; c++)
		all[c] = (char)c;
	buf_clear(&out);
	ck_assert_int_eq(url_encode(&out, all, sizeof all), ERR_OK);
	ck_assert_uint_eq(out.len, 66 + 190 * 3);
	memcpy(name, out.ptr, 3);
	name[3] = '\0';
	ck_assert_str_eq(name, "%00");
	buf_free(&out);
	buf_init(&out, 4);
	ck_assert_int_eq(url_encode(&out, "  ", 2), ERR_LIMIT);
	buf_free(&out);
}
END_TEST

START_TEST(reasons_of_policy_block_and_the_others_are_invalid)
{
	ck_assert_int_eq(url_reason_code(REASON_URL_INVALID), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_HOST_INVALID), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_HEADER_DENIED), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_METHOD_DENIED), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_SCHEME_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_USERINFO_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_PORT_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_HOST_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_ADDRESS_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_NONE), ITEM_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/url");
	TCase *tcase = tcase_create("url");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, a_url_has_one_spelling_and_keeps_path_and_query_byte_for_byte, 0,
		(int)(sizeof spellings / sizeof *spellings));
	tcase_add_test(tcase, a_literal_host_gives_its_address);
	tcase_add_test(tcase, lengths_are_bounded_also_after_the_query_is_appended);
	tcase_add_test(tcase, host_lengths_are_those_of_dns);
	tcase_add_test(tcase, a_query_that_could_change_the_url_is_refused);
	tcase_add_test(tcase, encoding_leaves_only_the_unreserved_bytes);
	tcase_add_test(tcase, reasons_of_policy_block_and_the_others_are_invalid);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
