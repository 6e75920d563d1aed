/* test_field.c - header fields, methods and Retry-After: what may be sent, and how long to wait. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostile.h"
#include "pool/field.h"
#include "pool/httpdate.h"

#define NOW_MS 784111770000ull /* Sun, 06 Nov 1994 08:49:30 GMT */
#define YEAR_MS (365ull * 24 * 3600 * 1000)

/* "name: value" as the list writes it */
static enum item_reason check_line(const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	struct span name = {line, len}, value = {"", 0};

	if (colon) {
		name.len = (size_t)(colon - line);
		value = (struct span){colon + 1, len - name.len - 1};
	}
	return field_check(name, span_trim(value));
}

START_TEST(every_header_of_the_hostile_list_gets_its_verdict)
{
	struct hostile_row row = {0};
	FILE *file = hostile_open();
	unsigned count = 0;

	for (; hostile_next(file, "header", &row); count++) {
		/* names that an endpoint sets itself are refused where endpoints are known, not
		 * here */
		const char *note = strstr(row.input, " (item on an operator endpoint");
		bool denied = strncmp(row.expected, "deny:", 5) == 0 && !note;
		const char *got = code_reason_text(
			check_line(row.input, note ? (size_t)(note - row.input) : row.input_len));

		ck_assert_msg(strcmp(denied ? row.expected + 5 : "", got) == 0,
			"line %u: %s: expected %s, got %s", row.line, row.input, row.expected, got);
	}
	ck_assert_uint_ge(count, 25);
	fclose(file);
}
END_TEST

START_TEST(every_method_of_the_hostile_list_is_refused)
{
	struct hostile_row row = {0};
	FILE *file = hostile_open();
	enum http_method method;
	unsigned count = 0;

	for (; hostile_next(file, "method", &row); count++) {
		ck_assert_str_eq(row.expected, "deny:method_denied");
		ck_assert(!method_parse((struct span){row.input, row.input_len}, &method));
	}
	ck_assert_uint_ge(count, 3);
	fclose(file);
}
END_TEST

static const struct {
	const char *line, *reason;
} lines[] = {
	{"X-A: b\r\nX-Inj: 1", "header_invalid"},
	{"X-A: b\rX-Inj: 1", "header_invalid"},
	{"X-A\r\n: b", "header_invalid"},
	{": b", "header_invalid"},
	{"", "header_invalid"},
	{"X-A : b", "header_invalid"},
	{"X(A): b", "header_invalid"},
	{"X;A: b", "header_invalid"},
	{"X/A: b", "header_invalid"},
	{"\"X\": b", "header_invalid"},
	{"X@A: b", "header_invalid"},
	{"X\x80: b", "header_invalid"},
	{"X-A: a\tb", ""},
	{"X-A: caf\xc3\xa9", ""},
	{"X-A: \xff\x80", ""},
	{"X-A: \x1f", "header_invalid"},
	{"X-A: a\x0b", "header_invalid"},
	{"!#$%&'*+-.^_`|~09azAZ: 1", ""},
	{"HOST: x", "header_denied"},
	{"content-LENGTH: 1", "header_denied"},
	{"Transfer-Encoding: chunked", "header_denied"},
	{"TE: trailers", "header_denied"},
	{"te:", "header_denied"},
	{"Upgrade: h2c", "header_denied"},
	{"HTTP2-Settings: x", "header_denied"},
	{"Proxy-Authenticate: x", "header_denied"},
	{"proxy-: x", "header_denied"},
	{"Proxy-Anything-Else: x", "header_denied"},
	{"Metadata-Flavor: Google", "header_denied"},
	{"METADATA: true", "header_denied"},
	{"X-aws-ec2-metadata-token: x", "header_denied"},
	{"X-AWS-EC2-Metadata-Token-TTL-Seconds: 1", "header_denied"},
	{"X-Google-Metadata-Request: True", "header_denied"},
	{"Hosts: x", ""},
	{"X-Host: x", ""},
	{"Content-Lengthy: x", ""},
	{"Content-Type: application/json", ""},
	{"Authorization: Bearer x", ""},
	{"Cookie: a=b", ""},
	{"Range: bytes=0-1", ""},
	{"If-None-Match: \"x\"", ""},
	{"X-Metadata: x", ""},
	{"Metadata-X: x", ""},
	{"Trailers: x", ""},
	{"User-Agent:", ""},
};

START_TEST(names_are_tokens_and_values_hold_no_controls)
{
	ck_assert_str_eq(code_reason_text(check_line(lines[_i].line, strlen(lines[_i].line))),
		lines[_i].reason);
}
END_TEST

START_TEST(a_nul_hides_nothing)
{
	ck_assert_int_eq(field_check(SPAN("X\0A"), SPAN("b")), REASON_HEADER_INVALID);
	ck_assert_int_eq(field_check(SPAN("X"), SPAN("a\0b")), REASON_HEADER_INVALID);
	ck_assert_int_eq(field_check(SPAN("Host\0"), SPAN("b")), REASON_HEADER_INVALID);
	ck_assert_int_eq(field_check((struct span){0}, (struct span){0}), REASON_HEADER_INVALID);
	ck_assert_int_eq(field_check(SPAN("X"), (struct span){0}), REASON_NONE);
}
END_TEST

START_TEST(a_field_has_at_most_8_kib)
{
	static char bytes[FIELD_MAX_BYTES + 1];

	memset(bytes, 'a', sizeof bytes);
	ck_assert_int_eq(
		field_check(SPAN("ab"), (struct span){bytes, FIELD_MAX_BYTES - 2}), REASON_NONE);
	ck_assert_int_eq(field_check(SPAN("ab"), (struct span){bytes, FIELD_MAX_BYTES - 1}),
		REASON_HEADER_TOO_LARGE);
	ck_assert_int_eq(field_check((struct span){bytes, FIELD_MAX_BYTES}, SPAN("")), REASON_NONE);
	ck_assert_int_eq(field_check((struct span){bytes, FIELD_MAX_BYTES + 1}, SPAN("")),
		REASON_HEADER_TOO_LARGE);
}
END_TEST

START_TEST(accept_encoding_is_ours)
{
	ck_assert(field_ours(SPAN("accept-ENCODING")));
	ck_assert(!field_ours(SPAN("Accept")));
	ck_assert(!field_ours(SPAN("Accept-Encoding-X")));
	ck_assert_int_eq(field_check(SPAN("Accept-Encoding"), SPAN("br")), REASON_NONE);
}
END_TEST

START_TEST(white_space_around_a_value_is_trimmed)
{
	ck_assert(span_equals(span_trim(SPAN(" \t a b\t ")), "a b"));
	ck_assert(span_equals(span_trim(SPAN(" \t ")), ""));
	ck_assert(span_equals(span_trim(SPAN("")), ""));
	ck_assert_uint_eq(span_trim((struct span){0}).len, 0);
}
END_TEST

START_TEST(methods_are_seven_and_upper_case)
{
	static const char *const good[] = {
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
	static const char *const bad[] = {"get", "Get", "GET ", " GET", "TRACE", "CONNECT",
		"PROPFIND", "G", "GETX", "GET /smug HTTP/1.1\r\nHost: z\r\n\r\nGET", "*"};
	enum http_method method;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert(method_parse(span_of(good[i]), &method));
		ck_assert_str_eq(method_text(method), good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert(!method_parse(span_of(bad[i]), &method));
	ck_assert(!method_parse(SPAN("GET\0"), &method));
}
END_TEST

START_TEST(all_methods_but_post_and_patch_are_idempotent)
{
	ck_assert(method_idempotent(HTTP_GET) && method_idempotent(HTTP_HEAD) &&
		  method_idempotent(HTTP_PUT));
	ck_assert(method_idempotent(HTTP_DELETE) && method_idempotent(HTTP_OPTIONS));
	ck_assert(!method_idempotent(HTTP_POST) && !method_idempotent(HTTP_PATCH));
}
END_TEST

static const struct {
	const char *value;
	int64_t ms; /* -1: garbage */
} waits[] = {
	{"7", 7000},
	{"0", 0},
	{" 7\t", 7000},
	{"007", 7000},
	{"3600", 3600000},
	{"31536000", (int64_t)YEAR_MS},
	{"31536001", (int64_t)YEAR_MS},
	{"99999999999999999999999999999999", (int64_t)YEAR_MS},
	{"18446744073709551616", (int64_t)YEAR_MS},
	{"Sun, 06 Nov 1994 08:49:37 GMT", 7000},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 7000},
	{"Sun Nov  6 08:49:37 1994", 7000},
	{"Thu Nov 10 08:49:30 1994", 4 * 86400000ll},
	{"Mon, 06 Nov 1994 08:49:37 GMT", 7000}, /* the day's name does not matter */
	{"Sun, 06 Nov 1994 08:49:30 GMT", 0},
	{"Sun, 06 Nov 1994 08:49:29 GMT", 0},
	{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	{"Thu, 01 Jan 1903 00:00:00 GMT", 0},
	{"Thu, 01 Jan 0000 00:00:00 GMT", 0},
	{"Fri, 31 Dec 9999 23:59:60 GMT", (int64_t)YEAR_MS},
	{"Monday, 07-Nov-44 08:49:30 GMT", (int64_t)YEAR_MS}, /* 2044, not 1944 */
	{"Monday, 07-Nov-45 08:49:30 GMT", 0},                /* 1945 */
	{"", -1},
	{"  ", -1},
	{"-1", -1},
	{"+1", -1},
	{"1.5", -1},
	{"7 s", -1},
	{"7s", -1},
	{"0x7", -1},
	{"soon", -1},
	{"Sun, 06 Nov 1994 08:49:37", -1},
	{"Sun, 06 Nov 1994 08:49:37 UTC", -1},
	{"Sun, 06 Nov 1994 08:49:37 GMTx", -1},
	{"Sun, 6 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 31 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
	{"Wed, 29 Feb 1995 08:49:37 GMT", -1},
	{"Sun, 06 Nov 1994 24:00:00 GMT", -1},
	{"Sun, 06 Nov 1994 08:60:37 GMT", -1},
	{"Sun, 06 Nov 1994 08:49:61 GMT", -1},
	{"sun, 06 nov 1994 08:49:37 gmt", -1},
	{"Sun 06 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 06 Nov -994 08:49:37 GMT", -1},
	{"1994-11-06T08:49:37Z", -1},
};

START_TEST(retry_after_is_seconds_or_a_date)
{
	uint64_t ms = 4711;
	bool good = field_parse_retry_after(span_of(waits[_i].value), NOW_MS, &ms);

	ck_assert_int_eq(good, waits[_i].ms >= 0);
	ck_assert_uint_eq(ms, good ? (uint64_t)waits[_i].ms : 4711);
}
END_TEST

START_TEST(dates_agree_with_the_c_library_over_four_centuries)
{
	char text[64];
	uint64_t ms;

	for (int64_t at = 0; at < 400ll * 366 * 86400; at += 86400 * 13 + 3607) {
		time_t time = (time_t)at;
		struct tm tm;

		gmtime_r(&time, &tm);
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		ck_assert(httpdate_parse(span_of(text), NOW_MS, &ms));
		ck_assert_uint_eq(ms, (uint64_t)at * 1000);
		strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm);
		ck_assert(httpdate_parse(span_of(text), NOW_MS, &ms));
		ck_assert_uint_eq(ms, (uint64_t)at * 1000);
	}
}
END_TEST

static const struct {
	const char *value;
	int64_t ms;
} waits_ms[] = {
	{"0", 0},
	{"1234", 1234},
	{" 1234 ", 1234},
	{"1234.0", 1234},
	{"1234.01", 1235},
	{"99999999999999999999999", (int64_t)YEAR_MS},
	{"", -1},
	{".5", -1},
	{"5.", -1},
	{"1.2.3", -1},
	{"-5", -1},
	{"5ms", -1},
	{"1e3", -1},
	{"Sun, 06 Nov 1994 08:49:37 GMT", -1},
};

START_TEST(retry_after_ms_is_a_number_of_milliseconds)
{
	uint64_t ms = 4711;
	bool good = field_parse_retry_after_ms(span_of(waits_ms[_i].value), &ms);

	ck_assert_int_eq(good, waits_ms[_i].ms >= 0);
	ck_assert_uint_eq(ms, good ? (uint64_t)waits_ms[_i].ms : 4711);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/field");
	TCase *tcase = tcase_create("field");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_header_of_the_hostile_list_gets_its_verdict);
	tcase_add_test(tcase, every_method_of_the_hostile_list_is_refused);
	tcase_add_loop_test(tcase, names_are_tokens_and_values_hold_no_controls, 0,
		(int)(sizeof lines / sizeof *lines));
	tcase_add_test(tcase, a_nul_hides_nothing);
	tcase_add_test(tcase, a_field_has_at_most_8_kib);
	tcase_add_test(tcase, accept_encoding_is_ours);
	tcase_add_test(tcase, white_space_around_a_value_is_trimmed);
	tcase_add_test(tcase, methods_are_seven_and_upper_case);
	tcase_add_test(tcase, all_methods_but_post_and_patch_are_idempotent);
	tcase_add_loop_test(
		tcase, retry_after_is_seconds_or_a_date, 0, (int)(sizeof waits / sizeof *waits));
	tcase_add_test(tcase, dates_agree_with_the_c_library_over_four_centuries);
	tcase_add_loop_test(tcase, retry_after_ms_is_a_number_of_milliseconds, 0,
		(int)(sizeof waits_ms / sizeof *waits_ms));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
