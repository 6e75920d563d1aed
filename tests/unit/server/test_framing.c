/* test_framing.c - which requests are framed in one way only. */
#include <string.h>

#include "server/framing.h"
#include "tests/harness/check_main.h"

struct field {
	const char *name, *value;
};

static struct framing framing;

static enum problem_code judge(
	const char *method, const char *version, const char *target, const struct field *fields)
{
	framing_init(&framing);
	for (; fields->name; fields++)
		framing_add(&framing, span_of(fields->name), span_of(fields->value));
	return framing_judge(&framing, method, version, target).code;
}

#define FIELDS(...)                \
	(const struct field[])     \
	{                          \
		__VA_ARGS__,       \
		{                  \
			NULL, NULL \
		}                  \
	}
#define GET(...) judge("GET", "HTTP/1.1", "/a", FIELDS({"Host", "x"}, __VA_ARGS__))

START_TEST(a_plain_request_is_sound)
{
	ck_assert_int_eq(judge("GET", "HTTP/1.1", "/a?b=%41", FIELDS({"Host", "example.com:80"})),
		PROBLEM_NONE);
	ck_assert(!framing.chunked && framing.length == 0);
	ck_assert_int_eq(GET({"CONTENT-length", " 12 "}), PROBLEM_NONE);
	ck_assert_uint_eq(framing.length, 12);
	ck_assert(!framing.chunked);
	ck_assert_int_eq(GET({"transfer-encoding", "Chunked"}), PROBLEM_NONE);
	ck_assert(framing.chunked && framing.length == 0);
	ck_assert_int_eq(judge("GET", "HTTP/1.0", "/", FIELDS({"X", "1"})), PROBLEM_NONE);
	ck_assert_int_eq(
		judge("GET", "HTTP/1.1", "/", FIELDS({"Host", "[::1]:8080"})), PROBLEM_NONE);
	ck_assert_int_eq(judge("GET", "HTTP/1.1", "/", FIELDS({"Host", ""})), PROBLEM_NONE);
	ck_assert_int_eq(GET({"X", "tab\tand caf\xc3\xa9"}), PROBLEM_NONE);
}
END_TEST

START_TEST(what_two_parsers_could_read_in_two_ways_is_refused)
{
	ck_assert_int_eq(
		GET({"Content-Length", "4"}, {"Content-Length", "4"}), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Content-Length", "4"}, {"Transfer-Encoding", "chunked"}),
		PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Content-Length", "4"}, {"Transfer-Encoding", "identity"}),
		PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}),
		PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Host", "y"}), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(
		GET({"Content-Type", "a/b"}, {"Content-Type", "a/b"}), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}),
		PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("GET", "HTTP/1.1", "/", FIELDS({"X", "1"})), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("POST", "HTTP/1.0", "/", FIELDS({"Transfer-Encoding", "chunked"})),
		PROBLEM_BAD_REQUEST);
}
END_TEST

START_TEST(a_length_is_digits_and_fits_into_63_bits)
{
	static const char *const bad[] = {"", "-1", "+1", "1 1", "0x10", "1,1", "1e3", "\xd9\xa1"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(GET({"Content-Length", bad[i]}), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Content-Length", "9223372036854775807"}), PROBLEM_NONE);
	ck_assert_uint_eq(framing.length, INT64_MAX);
	ck_assert_int_eq(GET({"Content-Length", "9223372036854775808"}), PROBLEM_BODY_TOO_LARGE);
	ck_assert_int_eq(GET({"Content-Length", "18446744073709551616"}), PROBLEM_BODY_TOO_LARGE);
	ck_assert_int_eq(GET({"Content-Length", "18446744073709551617"}), PROBLEM_BODY_TOO_LARGE);
}
END_TEST

START_TEST(names_are_tokens_and_values_have_no_control_bytes)
{
	static const char *const names[] = {
		"", "Host ", " Host", "X Y", "X\tY", "X(", "H\xc3\xb6st", "X\x7f", "X/Y", "\"X\""};
	static const char *const values[] = {"a\rb", "a\nb", "a\x01", "a\x7f", "a\x1f"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		ck_assert_int_eq(GET({names[i], "1"}), PROBLEM_BAD_REQUEST);
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		ck_assert_int_eq(GET({"X", values[i]}), PROBLEM_BAD_REQUEST);
	framing_init(&framing);
	framing_add(&framing, SPAN("Host"), SPAN("x"));
	framing_add(&framing, SPAN("X"), SPAN("a\0b"));
	ck_assert_int_eq(framing_judge(&framing, "GET", "HTTP/1.1", "/").code, PROBLEM_BAD_REQUEST);
}
END_TEST

START_TEST(codings_and_expectations_but_the_known_ones_are_refused_as_such)
{
	ck_assert_int_eq(GET({"Transfer-Encoding", "gzip"}), PROBLEM_NOT_IMPLEMENTED);
	ck_assert_int_eq(GET({"Transfer-Encoding", "gzip, chunked"}), PROBLEM_NOT_IMPLEMENTED);
	ck_assert_int_eq(GET({"Transfer-Encoding", "chunked "}), PROBLEM_NOT_IMPLEMENTED);
	ck_assert_int_eq(GET({"Transfer-Encoding", "chunked\t"}), PROBLEM_NOT_IMPLEMENTED);
	ck_assert_int_eq(GET({"Transfer-Encoding", "\x0b"
						   "chunked"}),
		PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(GET({"Transfer-Encoding", ""}), PROBLEM_NOT_IMPLEMENTED);
	ck_assert_int_eq(GET({"Expect", "100-CONTINUE"}), PROBLEM_NONE);
	ck_assert(framing.continue_wanted);
	ck_assert_int_eq(GET({"Expect", "100-continue, x"}), PROBLEM_EXPECTATION_FAILED);
	ck_assert_int_eq(
		GET({"Expect", "zzz"}, {"Expect", "100-continue"}), PROBLEM_EXPECTATION_FAILED);
	ck_assert_int_eq(judge("GET", "HTTP/1.0", "/", FIELDS({"Expect", "zzz"})), PROBLEM_NONE);
	ck_assert(!framing.continue_wanted);
}
END_TEST

START_TEST(only_the_versions_methods_and_targets_that_are_spoken_pass)
{
	static const char *const targets[] = {"", "*", "a", "http://a/", "/%00", "/?%00", "/%",
		"/%4", "/%zz", "/a b", "/a#b", "/\x80", "/\x7f", "/\x01"};
	const struct field *fields = FIELDS({"Host", "x"});

	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		ck_assert_int_eq(judge("GET", "HTTP/1.1", targets[i], fields), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("GET", "HTTP/1.1", NULL, fields), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("G(T", "HTTP/1.1", "/", fields), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("", "HTTP/1.1", "/", fields), PROBLEM_BAD_REQUEST);
	ck_assert_int_eq(judge("BREW", "HTTP/1.1", "/", fields), PROBLEM_NONE);
	ck_assert_int_eq(judge("GET", "HTTP/1.2", "/", fields), PROBLEM_VERSION_NOT_SUPPORTED);
	ck_assert_int_eq(judge("GET", "", "/", fields), PROBLEM_VERSION_NOT_SUPPORTED);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, a_plain_request_is_sound);
	tcase_add_test(tests, what_two_parsers_could_read_in_two_ways_is_refused);
	tcase_add_test(tests, a_length_is_digits_and_fits_into_63_bits);
	tcase_add_test(tests, names_are_tokens_and_values_have_no_control_bytes);
	tcase_add_test(tests, codings_and_expectations_but_the_known_ones_are_refused_as_such);
	tcase_add_test(tests, only_the_versions_methods_and_targets_that_are_spoken_pass);
	return check_run("framing", tests);
}
