/* test_auth.c - which caller a key belongs to. */
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"
#include "server/auth.h"
#include "tests/harness/check_main.h"

static uint8_t hashes[3][32];
static struct config_key keys[2];
static struct config config;
static struct auth *auth;

static void set_up(void)
{
	memset(&config, 0, sizeof config);
	digest_sha256("old", 3, hashes[0]);
	digest_sha256("new", 3, hashes[1]);
	digest_sha256("admin", 5, hashes[2]);
	keys[0] = (struct config_key){.name = (char *)(uintptr_t) "team",
		.sha256 = &hashes[0],
		.sha256_count = 2,
		.ad_hoc = true};
	keys[1] = (struct config_key){.name = (char *)(uintptr_t) "boss",
		.sha256 = &hashes[2],
		.sha256_count = 1,
		.admin = true};
	config.auth.keys = keys;
	config.auth.key_count = 2;
	auth = NULL;
}

static void tear_down(void)
{
	auth_destroy(auth);
}

static void make(void)
{
	ck_assert_int_eq(auth_new(&config, &auth, NULL), ERR_OK);
}

static void check_caller(const char *authorization, const char *name)
{
	struct caller *caller = auth_check(auth, authorization);

	if (!name)
		ck_assert_msg(caller == NULL, "%s", authorization ? authorization : "nothing");
	else
		ck_assert_msg(caller && strcmp(caller->name, name) == 0, "%s",
			authorization ? authorization : "nothing");
	caller_unref(caller);
}

START_TEST(every_hash_of_a_key_names_its_caller)
{
	struct caller *caller;

	make();
	check_caller("Bearer old", "team");
	check_caller("Bearer new", "team");
	check_caller("bearer  admin ", "boss");
	check_caller("BEARER admin", "boss");
	caller = auth_check(auth, "Bearer admin");
	ck_assert(caller->admin && !caller->ad_hoc);
	caller_unref(caller);
}
END_TEST

START_TEST(a_caller_may_use_the_endpoints_its_key_names)
{
	char one[] = "rewrite", two[] = "embed", all[] = "*", *some[] = {one, two},
	     *every[] = {all};
	struct caller *caller;

	keys[0].endpoints = (struct config_strings){some, 2};
	keys[1].endpoints = (struct config_strings){every, 1};
	config.auth.allow_anonymous = true;
	make();
	caller = auth_check(auth, "Bearer old");
	ck_assert(caller_may_use(caller, "rewrite") && caller_may_use(caller, "embed"));
	ck_assert(!caller_may_use(caller, "rewrit") && !caller_may_use(caller, "Embed"));
	ck_assert(!caller_may_use(caller, "*") && !caller_may_use(caller, ""));
	caller_unref(caller);
	caller = auth_check(auth, "Bearer admin");
	ck_assert(caller_may_use(caller, "rewrite") && caller_may_use(caller, "anything"));
	caller_unref(caller);
	caller = auth_check(auth, NULL);
	ck_assert_str_eq(caller->name, "anonymous");
	ck_assert(caller_may_use(caller, "anything"));
	caller_unref(caller);
}
END_TEST

START_TEST(a_key_without_endpoints_may_use_none)
{
	struct caller *caller;

	make();
	caller = auth_check(auth, "Bearer old");
	ck_assert(!caller_may_use(caller, "rewrite"));
	caller_unref(caller);
}
END_TEST

START_TEST(whatever_is_not_a_key_is_refused)
{
	static const char *const wrong[] = {"", "Bearer", "Bearer ", "Bearer Old", "Bearer ol",
		"Bearer oldx", "Bearerold", "Basic old", "old", "Bearer\told", "Token old"};

	make();
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		check_caller(wrong[i], NULL);
	check_caller(NULL, NULL);
}
END_TEST

START_TEST(with_allow_anonymous_a_wrong_key_is_still_wrong)
{
	struct caller *caller;

	config.auth.allow_anonymous = true;
	make();
	check_caller(NULL, "anonymous");
	check_caller("Bearer wrong", NULL);
	check_caller("Basic x", NULL);
	check_caller("Bearer old", "team");
	caller = auth_check(auth, NULL);
	ck_assert(caller->ad_hoc && !caller->admin);
	caller_unref(caller);
}
END_TEST

START_TEST(without_keys_everybody_is_anonymous_whatever_they_send)
{
	struct caller *caller;

	config.auth.key_count = 0;
	make();
	check_caller(NULL, "anonymous");
	check_caller("Bearer anything", "anonymous");
	caller = auth_check(auth, NULL);
	ck_assert(caller->ad_hoc && caller->admin);
	caller_unref(caller);
}
END_TEST

START_TEST(a_caller_outlives_the_table_it_came_from)
{
	struct caller *caller;

	make();
	caller = auth_check(auth, "Bearer old");
	auth_destroy(auth);
	auth = NULL;
	ck_assert_str_eq(caller->name, "team");
	caller_unref(caller);
}
END_TEST

START_TEST(without_memory_there_is_an_error_and_no_leak)
{
	enum err_code code = ERR_NOMEM;
	char one[] = "rewrite", two[] = "embed", *some[] = {one, two};

	keys[0].endpoints = (struct config_strings){some, 2};
	config.auth.allow_anonymous = true;
	for (unsigned long n = 1; code != ERR_OK; n++) {
		mem_fail_at(n);
		code = auth_new(&config, &auth, NULL);
		ck_assert(code == ERR_OK || (code == ERR_NOMEM && mem_failed()));
		ck_assert_uint_lt(n, 100);
	}
	mem_fail_at(0);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, every_hash_of_a_key_names_its_caller);
	tcase_add_test(tests, a_caller_may_use_the_endpoints_its_key_names);
	tcase_add_test(tests, a_key_without_endpoints_may_use_none);
	tcase_add_test(tests, whatever_is_not_a_key_is_refused);
	tcase_add_test(tests, with_allow_anonymous_a_wrong_key_is_still_wrong);
	tcase_add_test(tests, without_keys_everybody_is_anonymous_whatever_they_send);
	tcase_add_test(tests, a_caller_outlives_the_table_it_came_from);
	tcase_add_test(tests, without_memory_there_is_an_error_and_no_leak);
	return check_run("auth", tests);
}
