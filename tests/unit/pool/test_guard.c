/* test_guard.c - which targets may be called, and what the configuration changes. */
#include <check.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/pool/guard_kit.h"

#define OK ""
#define ADDRESS "address_denied"
#define HOST "host_denied"
#define PORT "port_denied"

static const struct {
	const char *allow, *deny;
	unsigned flags;
	const char *url, *verdict;
	const char *address, *address_verdict; /* what the name resolves to; NULL: not asked */
} policies[] = {
	/* nothing configured */
	{"", "", 0, "http://example.com/", OK, "8.8.8.8", OK},
	{"", "", 0, "http://example.com/", OK, "10.0.0.1", ADDRESS},
	{"", "", 0, "http://example.com/", OK, "::ffff:8.8.8.8", ADDRESS},
	{"", "", 0, "http://example.com/", OK, "64:ff9b::a00:1", ADDRESS},
	{"", "", 0, "http://example.com:81/", PORT, "8.8.8.8", ADDRESS},
	{"", "", 0, "http://localhost/", HOST, "8.8.8.8", ADDRESS},
	{"", "", 0, "http://localhost:81/", PORT, NULL, NULL},
	{"", "", 0, "http://127.0.0.1:81/", PORT, NULL, NULL},
	{"", "", 0, "http://[::ffff:8.8.8.8]/", ADDRESS, NULL, NULL},
	/* a name with a port */
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "10.0.0.1", OK},
	{"users.internal:8080", "", 0, "http://USERS.internal:8080/", OK, "127.0.0.1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "::1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fd00::1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "8.8.8.8", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "169.254.169.254",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "169.254.1.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fe80::1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fd00:ec2::254", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "100.100.100.200",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "168.63.129.16", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "::ffff:10.0.0.1",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "0.0.0.0", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "224.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal/", HOST, "10.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8081/", PORT, "10.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://other.internal:8080/", PORT, NULL, NULL},
	{"users.internal:8080", "", 0, "http://x.users.internal:8080/", PORT, NULL, NULL},
	{"users.internal:8080", "", 0, "http://10.0.0.1:8080/", PORT, NULL, NULL},
	/* a name without: the usual ports */
	{"db.corp", "", 0, "https://db.corp/", OK, "192.168.1.1", OK},
	{"db.corp", "", 0, "http://db.corp/", OK, "192.168.1.1", OK},
	{"db.corp", "", 0, "http://db.corp:8080/", PORT, "192.168.1.1", ADDRESS},
	{"db.corp", "", 0, "http://evil.example/", OK, "192.168.1.1", ADDRESS},
	{"localhost:9000", "", 0, "http://localhost:9000/", OK, "127.0.0.1", OK},
	/* a suffix */
	{"*.svc.cluster.local:8080", "", 0, "http://a.svc.cluster.local:8080/", OK, "10.1.1.1", OK},
	{"*.svc.cluster.local:8080", "", 0, "http://a.b.svc.cluster.local:8080/", OK, "10.1.1.1",
		OK},
	{"*.svc.cluster.local:8080", "", 0, "http://svc.cluster.local:8080/", PORT, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://svc.cluster.local/", HOST, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://xsvc.cluster.local/", HOST, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://a.svc.cluster.local.evil.example/", OK,
		"10.1.1.1", ADDRESS},
	/* networks */
	{"10.2.0.0/16:9000", "", 0, "http://10.2.3.4:9000/", OK, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.1.255.255:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.3.0.0:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.2.3.4/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "10.2.0.5", OK},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "10.3.0.5", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://example.com:9000/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://example.com/", OK, "10.2.0.5", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal/", HOST, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://[::ffff:10.2.0.5]:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "::ffff:10.2.0.5", ADDRESS},
	{"10.2.0.0/16", "", 0, "http://users.internal/", OK, "10.2.0.5", OK},
	{"10.2.0.0/16", "", 0, "http://users.internal/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16", "", 0, "http://example.com/", OK, "8.8.8.8", OK},
	{"[fd00::/8]:9000", "", 0, "http://[fd12::1]:9000/", OK, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://[fc12::1]:9000/", PORT, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://[fd00:ec2::254]:9000/", ADDRESS, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://x.example:9000/", OK, "fd12::1", OK},
	{"fd00::/8", "", 0, "http://[fd12::1]/", OK, NULL, NULL},
	{"[fd00::/8]", "", 0, "https://[fd12::1]/", OK, NULL, NULL},
	{"0.0.0.0/0", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"0.0.0.0/0", "", 0, "http://192.0.2.1/", OK, NULL, NULL},
	{"[::/0]", "", 0, "http://[::ffff:8.8.8.8]/", ADDRESS, NULL, NULL},
	{"[::/0]", "", 0, "http://[fe80::1]/", ADDRESS, NULL, NULL},
	{"[64:ff9b::/96]", "", 0, "http://example.com/", OK, "64:ff9b::808:808", OK},
	{"[64:ff9b::/96]", "", 0, "http://example.com/", OK, "64:ff9b::a9fe:a9fe", ADDRESS},
	/* literal addresses */
	{"10.0.0.7", "", 0, "http://10.0.0.7/", OK, NULL, NULL},
	{"10.0.0.7", "", 0, "http://10.0.0.8/", ADDRESS, NULL, NULL},
	{"127.0.0.1:9000", "", 0, "http://127.0.0.1:9000/", OK, NULL, NULL},
	{"127.0.0.1:9000", "", 0, "http://localhost:9000/", OK, "127.0.0.1", OK},
	{"127.0.0.1:9000", "", 0, "http://localhost:9000/", OK, "::1", ADDRESS},
	{"[::1]:8080", "", 0, "http://[::1]:8080/", OK, NULL, NULL},
	{"::1", "", 0, "http://[::1]/", OK, NULL, NULL},
	{"169.254.169.254", "", 0, "http://169.254.169.254/", OK, NULL, NULL},
	{"169.254.169.254", "", 0, "http://metadata.example/", OK, "169.254.169.254", OK},
	{"169.254.169.254:81", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"169.254.0.0/16", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"169.254.169.254/32", "", 0, "http://169.254.169.254/", OK, NULL, NULL},
	{"[fe80::1]", "", 0, "http://[fe80::1]/", OK, NULL, NULL},
	{"[::ffff:10.0.0.1]", "", 0, "http://[::ffff:10.0.0.1]/", OK, NULL, NULL},
	{"10.0.0.1", "", 0, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	/* deny wins over everything */
	{"", "evil.example", 0, "http://evil.example/", HOST, NULL, NULL},
	{"", "evil.example", 0, "http://EVIL.example:443/", HOST, NULL, NULL},
	{"", "evil.example", 0, "http://x.evil.example/", OK, "8.8.8.8", OK},
	{"", "*.evil.example", 0, "http://x.evil.example/", HOST, NULL, NULL},
	{"", "*.evil.example", 0, "http://evil.example/", OK, "8.8.8.8", OK},
	{"", "evil.example:443", 0, "http://evil.example/", OK, "8.8.8.8", OK},
	{"", "evil.example:443", 0, "https://evil.example/", HOST, NULL, NULL},
	{"", "8.8.8.0/24", 0, "http://8.8.8.8/", ADDRESS, NULL, NULL},
	{"", "8.8.8.0/24", 0, "http://example.com/", OK, "8.8.8.255", ADDRESS},
	{"", "8.8.8.0/24", 0, "http://example.com/", OK, "8.8.9.0", OK},
	{"", "8.8.8.0/24:443", 0, "http://8.8.8.8/", OK, NULL, NULL},
	{"", "8.8.8.0/24:443", 0, "https://8.8.8.8/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "10.2.1.0/24", 0, "http://10.2.1.1:9000/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "10.2.1.0/24", 0, "http://10.2.2.1:9000/", OK, NULL, NULL},
	{"10.2.1.1:9000", "10.2.1.1", 0, "http://10.2.1.1:9000/", ADDRESS, NULL, NULL},
	{"users.internal:8080", "10.0.0.0/8", 0, "http://users.internal:8080/", OK, "10.0.0.1",
		ADDRESS},
	{"users.internal:8080", "*.internal", 0, "http://users.internal:8080/", HOST, NULL, NULL},
	{"[::ffff:10.0.0.1]", "10.0.0.0/8", 0, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	{"", "[2606::/16]", 0, "http://[2606::1]/", ADDRESS, NULL, NULL},
	/* allow_private lifts host, address and port rules, but not deny, link-local and metadata
	 */
	{"", "", ALLOW_PRIVATE, "http://localhost:9000/", OK, "127.0.0.1", OK},
	{"", "", ALLOW_PRIVATE, "http://127.0.0.1:9000/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::1]:1/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://10.0.0.1:6379/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://example.com:22/", OK, "8.8.8.8", OK},
	{"", "", ALLOW_PRIVATE, "http://x.svc/", OK, "192.0.2.1", OK},
	{"", "", ALLOW_PRIVATE, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://x.example/", OK, "fe80::1", ADDRESS},
	{"", "", ALLOW_PRIVATE, "http://[fd00:ec2::254]/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[2002:a9fe:a9fe::]/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	{"", "127.0.0.0/8", ALLOW_PRIVATE, "http://127.0.0.1:9000/", ADDRESS, NULL, NULL},
	{"", "localhost", ALLOW_PRIVATE, "http://localhost:9000/", HOST, NULL, NULL},
	{"169.254.169.254", "", ALLOW_PRIVATE, "http://169.254.169.254/", OK, NULL, NULL},
	/* public: false */
	{"", "", NOT_PUBLIC, "http://example.com/", HOST, "8.8.8.8", ADDRESS},
	{"", "", NOT_PUBLIC, "http://8.8.8.8/", ADDRESS, NULL, NULL},
	{"example.com", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.8.8", OK},
	{"example.com", "", NOT_PUBLIC, "http://www.example.com/", HOST, NULL, NULL},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://8.8.8.8/", OK, NULL, NULL},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.8.8", OK},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.4.4", ADDRESS},
	{"", "", NOT_PUBLIC | ALLOW_PRIVATE, "http://10.0.0.1:9000/", OK, NULL, NULL},
	{"", "", NOT_PUBLIC | ALLOW_PRIVATE, "http://x.example/", OK, "8.8.8.8", ADDRESS},
	/* our own listener */
	{"127.0.0.0/8:8099", "", 0, "http://127.0.0.1:8099/", ADDRESS, NULL, NULL},
	{"127.0.0.1:8099", "", ALLOW_PRIVATE, "http://127.8.9.10:8099/", ADDRESS, NULL, NULL},
	{"[::1]:8099", "", 0, "http://[::1]:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://localhost:8099/", OK, "127.0.0.1", ADDRESS},
	{"", "", ALLOW_PRIVATE, "http://0.0.0.0:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::]:8099/", ADDRESS, NULL, NULL},
	{"[::ffff:127.0.0.1]:8099", "", 0, "http://[::ffff:127.0.0.1]:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://192.0.2.77:8099/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://127.0.0.1:8098/", OK, NULL, NULL},
};

static struct url parsed(const char *text)
{
	struct url url = {0};
	bool nomem;

	ck_assert_int_eq(url_parse(span_of(text), (struct span){0}, &url, &nomem), REASON_NONE);
	return url;
}

START_TEST(allow_and_deny_mean_what_the_documentation_says)
{
	struct guard *guard = NULL;
	struct err err;
	struct url url = parsed(policies[_i].url);
	union url_address address;

	ck_assert_msg(make(policies[_i].allow, policies[_i].deny, policies[_i].flags, &guard,
			      &err) == ERR_OK,
		"%s", err.detail);
	ck_assert_str_eq(code_reason_text(guard_check_url(guard, &url)), policies[_i].verdict);
	if (policies[_i].address) {
		address = address_from(policies[_i].address);
		ck_assert_str_eq(code_reason_text(guard_check_address(guard, &url, &address.sa)),
			policies[_i].address_verdict);
	}
	url_free(&url);
	guard_unref(guard);
}
END_TEST

START_TEST(an_address_of_an_interface_is_denied_with_our_port_only)
{
	struct guard *guard = NULL;
	struct ifaddrs *list = NULL;
	struct url ours = parsed("http://x.example:8099/"),
		   other = parsed("http://x.example:8098/");
	unsigned count = 0;

	ck_assert_int_eq(
		make("[::/0]:8099, 0.0.0.0/0:8099", "", ALLOW_PRIVATE, &guard, NULL), ERR_OK);
	ck_assert_int_eq(getifaddrs(&list), 0);
	for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
		if (!at->ifa_addr ||
			(at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6))
			continue;
		count++;
		ck_assert_int_eq(
			guard_check_address(guard, &ours, at->ifa_addr), REASON_ADDRESS_DENIED);
		if (guard_classify(at->ifa_addr) != GUARD_LINK_LOCAL)
			ck_assert_int_eq(
				guard_check_address(guard, &other, at->ifa_addr), REASON_NONE);
	}
	ck_assert_uint_gt(count, 0);
	freeifaddrs(list);
	url_free(&ours);
	url_free(&other);
	guard_unref(guard);
}
END_TEST

START_TEST(an_unknown_family_is_never_connected_to)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	struct guard *guard = NULL;
	struct url url = parsed("http://x.example/");

	ck_assert_int_eq(
		make("x.example, 0.0.0.0/0, [::/0]", "", ALLOW_PRIVATE, &guard, NULL), ERR_OK);
	ck_assert_int_eq(guard_check_address(guard, &url, (const struct sockaddr *)&address),
		REASON_ADDRESS_DENIED);
	url_free(&url);
	guard_unref(guard);
}
END_TEST

static const struct {
	const char *allow, *deny, *url, *alias;
	unsigned flags;
	bool denied;
} aliases[] = {
	{"", "", "http://e.com/", "cdn.example", 0, false},
	{"", "", "http://e.com/", "localhost", 0, true},
	{"", "", "http://e.com/", "localhost.", 0, true},
	{"", "", "http://e.com/", "A.B.LOCALHOST", 0, true},
	{"", "", "http://e.com/", "x.svc.cluster.local", 0, true},
	{"", "", "http://e.com/", "", 0, false},
	{"", "", "http://e.com/", "localhost", ALLOW_PRIVATE, false},
	{"localhost:9000", "", "http://e.com/", "localhost", 0, false},
	{"e.com", "", "http://e.com/", "lb.internal", 0, false},
	{"f.com", "", "http://e.com/", "lb.internal", 0, true},
	{"10.0.0.0/8", "", "http://e.com/", "lb.internal", 0, false},
	{"", "evil.example", "http://e.com/", "evil.example", 0, true},
	{"", "*.evil.example", "http://e.com/", "a.EVIL.example", 0, true},
	{"e.com", "lb.internal", "http://e.com/", "lb.internal", 0, true},
	{"", "evil.example:443", "http://e.com/", "evil.example", 0, false},
	{"", "evil.example:443", "https://e.com/", "evil.example", 0, true},
	{"", "evil.example", "http://e.com/", "evil.example", ALLOW_PRIVATE, true},
};

START_TEST(an_alias_is_judged_like_the_name_that_it_is)
{
	struct guard *guard = NULL;
	struct url url = parsed(aliases[_i].url);

	ck_assert_int_eq(
		make(aliases[_i].allow, aliases[_i].deny, aliases[_i].flags, &guard, NULL), ERR_OK);
	ck_assert_int_eq(guard_denies_alias(guard, &url, aliases[_i].alias), aliases[_i].denied);
	url_free(&url);
	guard_unref(guard);
}
END_TEST

START_TEST(a_guard_lives_as_long_as_somebody_holds_it)
{
	struct guard *guard = NULL;
	struct url url = parsed("http://127.0.0.1/");

	ck_assert_int_eq(make("127.0.0.1", "", 0, &guard, NULL), ERR_OK);
	ck_assert_ptr_eq(guard_ref(guard), guard);
	guard_unref(guard);
	ck_assert_int_eq(guard_check_url(guard, &url), REASON_NONE);
	guard_unref(guard);
	guard_unref(NULL);
	url_free(&url);
}
END_TEST

START_TEST(no_memory_is_an_error_and_leaks_nothing)
{
	struct guard *guard = NULL;
	enum err_code code = ERR_NOMEM;

	for (unsigned long n = 1; code != ERR_OK; n++) {
		ck_assert_uint_lt(n, 20);
		mem_fail_at(n);
		code = make("a.example:80, 10.0.0.0/8", "b.example", 0, &guard, NULL);
		ck_assert_int_eq(code, mem_failed() ? ERR_NOMEM : ERR_OK);
	}
	mem_fail_at(0);
	guard_unref(guard);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/guard");
	TCase *tcase = tcase_create("guard");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, allow_and_deny_mean_what_the_documentation_says, 0,
		(int)(sizeof policies / sizeof *policies));
	tcase_add_test(tcase, an_address_of_an_interface_is_denied_with_our_port_only);
	tcase_add_test(tcase, an_unknown_family_is_never_connected_to);
	tcase_add_loop_test(tcase, an_alias_is_judged_like_the_name_that_it_is, 0,
		(int)(sizeof aliases / sizeof *aliases));
	tcase_add_test(tcase, a_guard_lives_as_long_as_somebody_holds_it);
	tcase_add_test(tcase, no_memory_is_an_error_and_leaks_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
