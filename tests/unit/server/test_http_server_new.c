/* test_http_server_new.c - what the HTTP front is made of: what cannot be made says why. */
#include <check.h>
#include <string.h>
#include <sys/resource.h>

#include "server/auth.h"
#include "server/http_server.h"
#include "server/watcher.h"
#include "tests/unit/common/err_check.h"

static const struct route *const routes[] = {NULL};
static uint8_t hash[32];
static char host[] = "127.0.0.1", name[] = "team";
static struct config_key key = {.name = name, .sha256 = &hash, .sha256_count = 1, .ad_hoc = true};
static struct config config;

static void set_up(void)
{
	config = (struct config){.server = {.host = host, .max_connections = 4}};
	config.auth.keys = &key;
	config.auth.key_count = 1;
	config.auth.allow_anonymous = true;
	atomic_init(&config.refs, 1);
}

static enum err_code make_server(struct err *err)
{
	const struct http_server_options options = {.config = &config, .routes = routes};
	struct http_server *server;
	enum err_code code = http_server_new(&options, &server, err);

	if (code == ERR_OK)
		http_server_destroy(server);
	ck_assert_uint_eq(atomic_load(&config.refs), 1);
	return code;
}

static enum err_code make_watcher(struct err *err)
{
	struct watcher *watcher;
	enum err_code code = watcher_new(4, &watcher, err);

	if (code == ERR_OK)
		watcher_destroy(watcher);
	return code;
}

static enum err_code make_auth(struct err *err)
{
	struct auth *auth;
	enum err_code code = auth_new(&config, &auth, err);

	if (code == ERR_OK)
		auth_destroy(auth);
	return code;
}

START_TEST(without_memory_the_sentence_says_so)
{
	ck_assert_uint_ge(err_check(make_auth), 5);
	ck_assert_uint_ge(err_check(make_watcher), 3);
	ck_assert_uint_ge(err_check(make_server), 7); /* itself, its policy, the keys */
}
END_TEST

/* None is left: those that are open keep their numbers. */
static enum err_code without_files(enum err_code (*make)(struct err *err), struct err *err)
{
	struct rlimit before, none;
	enum err_code code;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	code = make(err);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	return code;
}

START_TEST(without_a_free_file_the_sentence_and_the_code_say_so)
{
	struct err err = err_check_begin();

	err_check_told(&err, without_files(make_server, &err));
	ck_assert_int_eq(err.code, ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.detail, "Too many open files"));
	err = err_check_begin();
	err_check_told(&err, without_files(make_watcher, &err));
	ck_assert_int_eq(err.code, ERR_IO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server/http_server_new");
	TCase *tcase = tcase_create("http_server_new");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, without_memory_the_sentence_says_so);
	tcase_add_test(tcase, without_a_free_file_the_sentence_and_the_code_say_so);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
