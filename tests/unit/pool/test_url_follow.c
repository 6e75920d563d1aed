/* test_url_follow.c - where a redirect leads: its Location goes through the same gate as a URL. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/pool/url_kit.h"

static const struct {
	const char *base, *location, *text; /* or the reason */
} hops[] = {
	{"http://e.com/a/b?q", "c", "http://e.com/a/c"},
	{"http://e.com/a/b?q", "/c", "http://e.com/c"},
	{"http://e.com/a/b?q", "../c", "http://e.com/c"},
	{"http://e.com/a/b?q", "../../../c", "http://e.com/c"},
	{"http://e.com/a/b?q", "./c?x=1#f", "http://e.com/a/c?x=1"},
	{"http://e.com/a/b?q", "?x", "http://e.com/a/b?x"},
	{"http://e.com/a/b?q", "#f", "http://e.com/a/b?q"},
	{"http://e.com/a?q", "#f", "http://e.com/a?q"},
	{"http://e.com/a/b", "http://f.com/x/../y/./z", "http://f.com/y/z"},
	{"http://e.com/a/b", "//f.com/x/../y", "http://f.com/y"},
	{"http://e.com", "c", "http://e.com/c"},
	{"http://e.com?q", "c", "http://e.com/c"},
	{"http://e.com:81/a", "/c", "http://e.com:81/c"},
	{"http://[2606::1]:81/a", "/c", "http://[2606::1]:81/c"},
	{"http://e.com/a", "//f.com/x", "http://f.com/x"},
	{"https://e.com/a", "//f.com/x", "https://f.com/x"},
	{"https://e.com/a", "//f.com", "https://f.com/"},
	{"http://e.com/a", "https://f.com/x", "https://f.com/x"},
	{"http://e.com/a", " \thttp://f.com/x\t ", "http://f.com/x"},
	{"http://e.com/a", "HTTP://F.com:80", "http://f.com/"},
	{"http://e.com/a", "/caf\xc3\xa9 x", "http://e.com/caf%C3%A9%20x"},
	{"http://e.com/a", "http://f.com/caf\xc3\xa9|{}", "http://f.com/caf%C3%A9%7C%7B%7D"},
	{"http://e.com/a", "/%0d%0aX:y", "http://e.com/%0d%0aX:y"},
	{"http://e.com/a", "/x:y/z", "http://e.com/x:y/z"},
	{"http://e.com/a", "/?u=http://f.com/", "http://e.com/?u=http://f.com/"},
	{"http://e.com/a", "?u=http://f.com/", "http://e.com/a?u=http://f.com/"},
	{"http://e.com/a", "/x@y", "http://e.com/x@y"},
	{"http://e.com/a", "", "url_invalid"},
	{"http://e.com/a", "   ", "url_invalid"},
	{"http://e.com/a", "///f.com/", "url_invalid"},
	{"http://e.com/a", "////f.com/", "url_invalid"},
	{"http://e.com/a", "//", "url_invalid"},
	{"http://e.com/a", "/\\f.com/", "url_invalid"},
	{"http://e.com/a", "\\\\f.com/", "url_invalid"},
	{"http://e.com/a", "http:/f.com/", "url_invalid"},
	{"http://e.com/a", "http:f.com/", "url_invalid"},
	{"http://e.com/a", "http:///f.com/", "url_invalid"},
	{"http://e.com/a", "http://caf\xc3\xa9.com/", "url_invalid"},
	{"http://e.com/a", "//caf\xc3\xa9.com/", "url_invalid"},
	{"http://e.com/a", "http://f.com/\r\nX: y", "url_invalid"},
	{"http://e.com/a", "/x\x01y", "url_invalid"},
	{"http://e.com/a", "/x\x7fy", "url_invalid"},
	{"http://e.com/a", "f.com:80/x", "url_invalid"},
	{"http://e.com/a", "http://u:p@f.com/", "userinfo_denied"},
	{"http://e.com/a", "//u@f.com/", "userinfo_denied"},
	{"http://e.com/a", "http://2130706433/", "host_invalid"},
	{"http://e.com/a", "//0x7f.1/", "host_invalid"},
	{"http://e.com/a", "//127%2e0%2e0%2e1/", "url_invalid"},
	{"http://e.com/a", "//f.com:080/", "url_invalid"},
	{"http://e.com/a", "//f.com./", "host_invalid"},
	{"http://e.com/a", "http://[fe80::1%25lo]/", "host_invalid"},
	{"http://e.com/a", "http://f.com:0/", "port_denied"},
	{"http://e.com/a", "file:///etc/passwd", "scheme_denied"},
	{"http://e.com/a", "FILE:/etc/passwd", "scheme_denied"},
	{"http://e.com/a", "gopher://127.0.0.1:6379/_x", "scheme_denied"},
	{"http://e.com/a", "javascript:alert(1)", "scheme_denied"},
	{"https://e.com/a", "http://e.com/a", "scheme_denied"},
};

START_TEST(a_redirect_goes_through_the_same_gate)
{
	struct url base = {0}, url = {0};
	bool nomem = true;
	enum item_reason reason;

	ck_assert_int_eq(parse(hops[_i].base, &base), REASON_NONE);
	reason = url_follow(&base, span_of(hops[_i].location), &url, &nomem);
	ck_assert(!nomem);
	ck_assert_msg(strcmp(reason == REASON_NONE ? url.text : code_reason_text(reason),
			      hops[_i].text) == 0,
		"%s + %s: expected %s, got %s", hops[_i].base, hops[_i].location, hops[_i].text,
		reason == REASON_NONE ? url.text : code_reason_text(reason));
	url_free(&base);
	url_free(&url);
}
END_TEST

START_TEST(a_location_longer_than_a_url_is_refused)
{
	char *text = malloc(2 * URL_MAX_BYTES);
	struct url base = {0}, url = {0};
	bool nomem;

	memset(text, 'a', 2 * URL_MAX_BYTES);
	ck_assert_int_eq(parse("http://e.com/", &base), REASON_NONE);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES + 1}, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES}, &url, &nomem),
		REASON_URL_INVALID);
	memset(text, '\xc3', URL_MAX_BYTES); /* thrice as long once encoded */
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES}, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert(!nomem);
	memset(text, 'a', URL_MAX_BYTES);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES - 13}, &url, &nomem),
		REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&base);
	url_free(&url);
	free(text);
}
END_TEST

START_TEST(origins_are_the_same_by_scheme_host_and_port)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"http://e.com/a", "HTTP://E.COM:80/b?c", true},
		{"http://e.com/", "https://e.com/", false},
		{"http://e.com/", "https://e.com:80/", false},
		{"http://e.com/", "http://e.com:81/", false},
		{"http://e.com/", "http://www.e.com/", false},
		{"http://[2606::1]/", "http://[2606:0::1]:80/", true},
	};
	struct url a = {0}, b = {0};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		ck_assert_int_eq(parse(pairs[i].a, &a), REASON_NONE);
		ck_assert_int_eq(parse(pairs[i].b, &b), REASON_NONE);
		ck_assert_int_eq(url_same_origin(&a, &b), pairs[i].same);
		url_free(&a);
		url_free(&b);
	}
}
END_TEST

START_TEST(no_memory_is_reported_and_leaks_nothing)
{
	struct url base = {0}, url = {0};
	bool nomem;
	enum item_reason reason = REASON_URL_INVALID;

	ck_assert_int_eq(parse("http://e.com/", &base), REASON_NONE);
	for (unsigned long n = 1; reason != REASON_NONE; n++) {
		ck_assert_uint_lt(n, 20);
		mem_fail_at(n);
		reason = url_follow(&base, SPAN("http://f.com/a"), &url, &nomem);
		ck_assert_int_eq(nomem, mem_failed());
		ck_assert_int_eq(reason == REASON_NONE, !nomem);
	}
	mem_fail_at(0);
	url_free(&base);
	url_free(&url);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/url_follow");
	TCase *tcase = tcase_create("url_follow");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		tcase, a_redirect_goes_through_the_same_gate, 0, (int)(sizeof hops / sizeof *hops));
	tcase_add_test(tcase, a_location_longer_than_a_url_is_refused);
	tcase_add_test(tcase, origins_are_the_same_by_scheme_host_and_port);
	tcase_add_test(tcase, no_memory_is_reported_and_leaks_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
