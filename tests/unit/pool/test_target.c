/* test_target.c - what an entry of targets.allow and targets.deny may look like, and what is said
 * of one that looks otherwise. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pool/guard_kit.h"

START_TEST(an_entry_of_another_form_stops_the_start_and_is_named)
{
	static const char *const bad[] = {"*", "*.", "http://example.com", "example.com/",
		"example.com:0", "example.com:65536", "example.com:080", "example.com:*",
		"example.com:", ":80", "exam ple", "a..b", "example.com.", ".example.com",
		"*.*.example.com", "a.*.com", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
		"10.0.0.0/08", "10.0.0.1/8", "10.0.0/8", "0x7f.1", "127.1", "*.127.0.0.1", "[::1",
		"[::1]8080", "[::1]:", "[::1]:x", "[127.0.0.1]", "[]", "[::g]", "[fe80::1%lo]",
		"fd00::1/8", "[fd00::/129]", "[fd00::]/8", "::1:2:3:4:5:6:7:8", "user@example.com",
		"xn--", "10.0.0.0/8/9", "/8", "[/8]"};
	struct guard *guard = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char entry[64];
		char *items[1] = {entry};
		struct config config = {.targets = {.allow = {.items = items, .count = 1}}};

		snprintf(entry, sizeof entry, "%s", bad[i]);
		ck_assert_msg(
			guard_new(&config, 0, &guard, &err) == ERR_INVALID, "%s was taken", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.detail, bad[i]));
		ck_assert_ptr_nonnull(strstr(err.detail, "targets.allow"));
		ck_assert_ptr_null(guard);
	}
	ck_assert_int_eq(make("", "10.0.0.1/8", 0, &guard, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "targets.deny"));
}
END_TEST

START_TEST(every_malformed_entry_is_told_with_the_place_it_came_from)
{
	char good[] = "a.example", bad[] = "300.1.1.1/8", worse[] = "a..b", url[] = "http://a.b:80",
	     place[] = "f.yaml:3: "
		       "targets.allow";
	char *allow[] = {good, bad, worse, url}, *deny[] = {worse};
	struct config config = {.targets = {.allow = {allow, 4}, .allow_place = place}};
	struct buf faults;

	buf_init(&faults, 4096);
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_INVALID);
	ck_assert_ptr_eq(
		strstr(faults.ptr, "f.yaml:3: targets.allow[1]: \"300.1.1.1/8\": "), faults.ptr);
	ck_assert_ptr_nonnull(strstr(faults.ptr, "\nf.yaml:3: targets.allow[2]: \"a..b\": "));
	ck_assert_ptr_nonnull(
		strstr(faults.ptr, "\nf.yaml:3: targets.allow[3]: \"http://a.b:80\": "));
	buf_clear(&faults);
	config.targets.allow.count = 1;
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_OK);
	ck_assert_uint_eq(faults.len, 0);
	config.targets.deny = (struct config_strings){deny, 1};
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_INVALID);
	ck_assert_ptr_eq(strstr(faults.ptr, "targets.deny[0]: \"a..b\": "), faults.ptr);
	buf_free(&faults);
}
END_TEST

START_TEST(what_is_no_target_is_told_what_one_looks_like)
{
	static const struct {
		const char *entry, *why;
	} cases[] = {
		{"https://a.b", "no scheme and no path belong here"},
		{"http://10.0.0.5:80/x", "no scheme and no path belong here"},
		{"foo/bar", "no scheme and no path belong here"},
		{"a.b:80/", "no scheme and no path belong here"},
		{"10.0.0.5/x", "no scheme and no path belong here"},
		{"foo/8", "only an address has a /length behind it"},
		{"300.1.1.1/8", "only an address has a /length behind it"},
		{"10.0.0.0/33", "the length behind the / is 0 to 32"},
		{"[fd00::/129]", "the length behind the / is 0 to 128"},
		{"10.0.0.1/8", "the address has bits set behind its /length"},
		{"a.b:0", "the port is not one of 1 to 65535"},
		{"[fd00::zz]", "not an IPv6 address"},
		{"10.0.0.1-9", "a range of addresses is written as a network"},
		{"10.0.0.1-10.0.0.9:80", "a range of addresses is written as a network"},
		{"10.0.0.0-", "a range of addresses is written as a network"},
		{"a b", "not a host"},
		{"", "not a host"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char entry[64], expected[512];
		char *allow[] = {entry};
		struct config config = {.targets = {.allow = {allow, 1}}};
		struct buf faults;

		snprintf(entry, sizeof entry, "%s", cases[i].entry);
		snprintf(expected, sizeof expected,
			"targets.allow[0]: \"%s\": %s; a target is a host (api.example.com), all "
			"below one (*.example.com), an address (10.0.0.5, [::1]) or a network "
			"(10.0.0.0/8), where :port may follow\n",
			entry, cases[i].why);
		buf_init(&faults, 4096);
		ck_assert_int_eq(guard_check_config(&config, &faults), ERR_INVALID);
		ck_assert_str_eq(faults.ptr, expected);
		buf_free(&faults);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/target");
	TCase *tcase = tcase_create("target");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, an_entry_of_another_form_stops_the_start_and_is_named);
	tcase_add_test(tcase, every_malformed_entry_is_told_with_the_place_it_came_from);
	tcase_add_test(tcase, what_is_no_target_is_told_what_one_looks_like);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
