/* test_limits.c - open files are raised to what may be had, and refused where that is not enough.
 */
#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/openfiles.h"
#include "server/http_server.h"
#include "server/limits.h"

enum { DEFAULT_CONNECTIONS = 4096, DEFAULT_IN_FLIGHT = 256 };

static struct rlimit before;

static void keep_limit(void)
{
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
}

static void restore_soft_limit(void)
{
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static struct config config_for(unsigned connections, unsigned in_flight)
{
	struct config config;

	memset(&config, 0, sizeof config);
	config.server.max_connections = connections;
	config.pool.max_in_flight = in_flight;
	config.pool.threads = 1;
	return config;
}

START_TEST(the_soft_limit_of_open_files_becomes_the_hard_one)
{
	struct config config = config_for(1, 1);
	struct rlimit files = before;
	struct err err;

	files.rlim_cur = files.rlim_max / 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(limits_open_files(&config, &err), ERR_OK);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_uint_eq(files.rlim_cur, files.rlim_max);
}
END_TEST

START_TEST(a_configuration_that_cannot_fit_is_refused_with_the_figures)
{
	struct config config = config_for(UINT_MAX, 1);
	struct err err;

	ck_assert_int_eq(limits_open_files(&config, &err), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.detail, "server.max_connections 4294967295"));
	ck_assert_ptr_nonnull(strstr(err.detail, "pool.max_in_flight 1"));
	ck_assert_ptr_nonnull(strstr(err.detail, "ulimit -Hn"));
	ck_assert_ptr_nonnull(strstr(err.detail, "lower server.max_connections (to "));
	ck_assert_uint_lt(strlen(err.detail), sizeof err.detail - 1);
}
END_TEST

START_TEST(nothing_to_lower_to_is_not_proposed)
{
	struct config config = config_for(100, UINT_MAX);
	struct err err;

	ck_assert_int_eq(limits_open_files(&config, &err), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.detail, "lower server.max_connections or pool."));
}
END_TEST

/* Lowers the hard limit for good: runs where Check forks, or last. */
START_TEST(the_connections_that_are_turned_away_are_counted_too)
{
	struct config config = config_for(DEFAULT_CONNECTIONS, DEFAULT_IN_FLIGHT);
	struct rlimit files;
	const char *most;
	struct err err;

	files.rlim_cur = files.rlim_max = 4096; /* what a kernel gives without systemd */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(limits_open_files(&config, &err), ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.detail, "the hard limit is 4096"));
	most = strstr(err.detail, "(to ");
	ck_assert_ptr_nonnull(most);
	config.server.max_connections = (unsigned)strtoul(most + 4, NULL, 10);
	ck_assert_int_eq(limits_open_files(&config, &err), ERR_OK);
	ck_assert_uint_le(http_server_connection_limit(config.server.max_connections), 4096);
	ck_assert_uint_gt(http_server_connection_limit(config.server.max_connections), 4096 - 512);
	ck_assert_uint_eq(config.pool.idle_files, 0);
	config.server.max_connections++;
	ck_assert_int_eq(limits_open_files(&config, &err), ERR_LIMIT);
}
END_TEST

static size_t idle_files(unsigned connections, unsigned threads)
{
	struct config config = config_for(connections, 1);
	struct err err;

	config.pool.threads = threads;
	ck_assert_int_eq(limits_open_files(&config, &err), ERR_OK);
	return config.pool.idle_files;
}

/* Lowers the hard limit for good, too. */
START_TEST(idle_connections_get_half_of_what_is_left)
{
	struct rlimit files = {.rlim_cur = 4000, .rlim_max = 4000};
	size_t few;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	few = idle_files(1001, 1);
	ck_assert_uint_gt(few, 0);
	ck_assert_uint_lt(few, 4000 / 2);
	ck_assert_uint_eq(idle_files(1, 1), few + 500);
	ck_assert_uint_lt(idle_files(1001, 4), few / 4);
	ck_assert_uint_gt(idle_files(1001, 4), 0);
}
END_TEST

START_TEST(idle_connections_are_bounded_where_files_are_not)
{
	struct config config = config_for(1, 1);

	ck_assert_uint_eq(openfiles_idle(&config, SIZE_MAX), 2048);
	config.pool.threads = 2;
	ck_assert_uint_eq(openfiles_idle(&config, SIZE_MAX), 2048);
	config.pool.threads = 16;
	ck_assert_uint_eq(openfiles_idle(&config, SIZE_MAX), 256);
	ck_assert_uint_eq(openfiles_idle(&config, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server/limits");
	TCase *soft = tcase_create("soft limit"), *hard = tcase_create("hard limit");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(soft, keep_limit, restore_soft_limit);
	tcase_add_test(soft, the_soft_limit_of_open_files_becomes_the_hard_one);
	tcase_add_test(soft, a_configuration_that_cannot_fit_is_refused_with_the_figures);
	tcase_add_test(soft, nothing_to_lower_to_is_not_proposed);
	tcase_add_test(soft, idle_connections_are_bounded_where_files_are_not);
	tcase_add_test(hard, the_connections_that_are_turned_away_are_counted_too);
	tcase_add_test(hard, idle_connections_get_half_of_what_is_left);
	suite_add_tcase(suite, soft);
	suite_add_tcase(suite, hard);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
