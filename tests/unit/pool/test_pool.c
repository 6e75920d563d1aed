/* test_pool.c - the pool and its parts: what cannot be made says why. */
#include "pool/pool.h"

#include <check.h>

#include "common/clock.h"
#include "pool/resolver.h"
#include "pool/transport.h"
#include "tests/unit/common/err_check.h"

static struct config config;
static struct pool *pool;
static struct caller *caller;
static struct guard *guard;

static void begin(void)
{
	config = (struct config){.pool = {.threads = 1, .max_in_flight = 4, .queue_limit = 8}};
	atomic_init(&config.refs, 1);
}

static enum err_code make_pool(struct err *err)
{
	enum err_code code = pool_new(&config, NULL, NULL, &pool, err);

	if (code == ERR_OK)
		pool_destroy(pool);
	ck_assert_uint_eq(atomic_load(&config.refs), 1);
	return code;
}

START_TEST(a_pool_that_cannot_be_made_says_why)
{
	begin();
	ck_assert_uint_ge(err_check(make_pool), 5); /* rules, scheduler, worker, its parts */
}
END_TEST

static enum err_code make_group(struct err *err)
{
	const struct pool_group_options options = {
		.caller = caller, .guard = guard, .concurrency = 1, .deadline_us = CLOCK_NEVER};
	struct pool_group *group;
	enum err_code code = pool_group_new(pool, &options, &group, err);

	if (code == ERR_OK)
		pool_group_close(group);
	return code;
}

START_TEST(a_group_that_cannot_be_made_says_why)
{
	struct err err;

	begin();
	caller = caller_new("c", true, false);
	ck_assert_int_eq(guard_new(&config, 0, &guard, &err), ERR_OK);
	ck_assert_int_eq(pool_new(&config, NULL, NULL, &pool, &err), ERR_OK);
	ck_assert_uint_ge(err_check(make_group), 1);
	pool_destroy(pool);
	guard_unref(guard);
	caller_unref(caller);
}
END_TEST

static enum err_code make_guard(struct err *err)
{
	enum err_code code = guard_new(&config, 0, &guard, err);

	if (code == ERR_OK)
		guard_unref(guard);
	return code;
}

static enum err_code make_resolver(struct err *err)
{
	struct resolver *resolver;
	enum err_code code = resolver_new(NULL, NULL, &resolver, err);

	if (code == ERR_OK)
		resolver_destroy(resolver);
	return code;
}

static enum err_code make_transport(struct err *err)
{
	const struct transport_options options = {.epoll = -1};
	struct transport *transport;
	enum err_code code = transport_new(&options, &transport, err);

	if (code == ERR_OK)
		transport_destroy(transport);
	return code;
}

START_TEST(a_part_that_cannot_be_made_says_why)
{
	char entry[] = "10.0.0.5", *entries[] = {entry};

	begin();
	transport_library_init();
	config.targets.allow = config.targets.deny = (struct config_strings){entries, 1};
	ck_assert_uint_ge(err_check(make_guard), 5);
	ck_assert_uint_ge(err_check(make_resolver), 2);
	ck_assert_uint_ge(err_check(make_transport), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/pool");
	TCase *tcase = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_pool_that_cannot_be_made_says_why);
	tcase_add_test(tcase, a_group_that_cannot_be_made_says_why);
	tcase_add_test(tcase, a_part_that_cannot_be_made_says_why);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
