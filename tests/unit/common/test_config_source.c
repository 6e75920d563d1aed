/* test_config_source.c - where a setting comes from: flags, the environment, the file, and which of
 * them wins. */
#include "common/config.h"

#include <stdio.h>

#include "tests/harness/check_main.h"
#include "tests/unit/common/parse.h"

START_TEST(flags_win_over_environment_over_file)
{
	char port[] = "BATCHGATE_SERVER_PORT=2", items[] = "BATCHGATE_LIMITS_MAX_ITEMS=20",
	     *env[] = {port, items, NULL};
	char path[64], config_flag[] = "--config", port_flag[] = "--server-port=3";
	char *argv[] = {config_flag, path, port_flag};
	struct config *c;

	write_file(path, "server: {port: 1}\nlimits: {max_items: 10, max_body: 3MiB}\n");
	c = load_good(3, argv, env);
	ck_assert_uint_eq(c->server.port, 3);
	ck_assert_uint_eq(c->limits.max_items, 20);
	ck_assert_uint_eq(c->limits.max_body, 3u << 20);
	ck_assert_str_eq(c->path, path);
	config_unref(c);
	unlink(path);
}
END_TEST

START_TEST(flags_take_a_value_with_or_without_equals_and_booleans_stand_alone)
{
	char a[] = "--pool-threads", b[] = "4", d[] = "--targets-allow-private",
	     e[] = "--targets-public", f[] = "false", g[] = "--targets-ports=1,2,3",
	     h[] = "--targets-allow= a.b:1 , c ", i[] = "--log-redact=";
	char *argv[] = {a, b, d, e, f, g, h, i};
	struct config *c = load_good(8, argv, NULL);

	ck_assert_uint_eq(c->pool.threads, 4);
	ck_assert(c->targets.allow_private && !c->targets.public_addresses);
	ck_assert_uint_eq(c->targets.port_count, 3);
	ck_assert_uint_eq(c->targets.ports[2], 3);
	ck_assert_uint_eq(c->targets.allow.count, 2);
	ck_assert_str_eq(c->targets.allow.items[0], "a.b:1");
	ck_assert_str_eq(c->targets.allow.items[1], "c");
	ck_assert_uint_eq(c->log.redact.count, 0);
	config_unref(c);
}
END_TEST

START_TEST(who_only_asks_the_server_needs_nothing_of_the_file_but_its_address)
{
	char variable[] = "BATCHGATE_SERVER_PORT=81", junk[] = "BATCHGATE_AUTH_KEYS=junk", path[64],
	     config_flag[80], unknown[] = "--server-prot=1", large[] = "--limits-max-body=600MiB",
	     *argv[] = {config_flag, unknown}, *with_large[] = {config_flag, large},
	     *env[] = {variable, junk, NULL};
	struct config *c = NULL;

	write_file(path, "server: {host: 0.0.0.0, port: 80, header_timeout: \"${NOT_SET}\"}\n"
			 "auth: {keys: [{name: a, sha256: [\"${NOT_SET}\"]}]}\n"
			 "jobs: {webhook_secret: \"${file:/no/such/file}\"}\n"
			 "endpoints: {x: {url: \"${NOT_SET}\"}}\n"
			 "limits: {memory: 1GiB}\n");
	snprintf(config_flag, sizeof config_flag, "--config=%s", path);
	ck_assert_int_eq(config_load_address(1, argv, env, &c, &warnings, &faults), ERR_OK);
	ck_assert_str_eq(c->server.host, "0.0.0.0");
	ck_assert_uint_eq(c->server.port, 81);
	ck_assert_uint_eq(c->auth.key_count, 0);
	config_unref(c);
	ck_assert_int_eq(config_load_address(2, with_large, env, &c, &warnings, &faults), ERR_OK);
	config_unref(c);
	ck_assert_int_eq(config_load(1, argv, env, &c, &warnings, &faults), ERR_INVALID);
	buf_clear(&faults);
	ck_assert_int_eq(config_load_address(2, argv, env, &c, &warnings, &faults), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(faults.ptr, "--server-prot: unknown flag"));
	unlink(path);
	buf_clear(&faults);
	write_file(path, "server: {host: \"a b\", port: \"${NOT_SET}\"}\n");
	snprintf(config_flag, sizeof config_flag, "--config=%s", path);
	ck_assert_int_eq(config_load_address(1, argv, env, &c, &warnings, &faults), ERR_INVALID);
	ck_assert_ptr_nonnull(
		strstr(faults.ptr, ":1: server.port: the environment has no NOT_SET"));
	ck_assert_ptr_nonnull(strstr(faults.ptr, ":1: server.host: \"a b\" is no address"));
	unlink(path);
}
END_TEST

START_TEST(where_targets_came_from_is_remembered)
{
	char flag[] = "--targets-deny=a", variable[] = "BATCHGATE_TARGETS_DENY=b", path[64];
	char config_flag[80], *argv[] = {config_flag, flag}, *env[] = {variable, NULL};
	char place[128];
	struct config *c = parse_good("targets:\n  ports: [80]\n  allow:\n    - x\n", env);

	ck_assert_str_eq(c->targets.allow_place, "f.yaml:3: targets.allow");
	ck_assert_str_eq(
		c->targets.deny_place, "environment: BATCHGATE_TARGETS_DENY: targets.deny");
	config_unref(c);
	write_file(path, "\ntargets: {allow: [x], deny: [y]}\n");
	snprintf(config_flag, sizeof config_flag, "--config=%s", path);
	snprintf(place, sizeof place, "%s:2: targets.allow", path);
	c = load_good(2, argv, env);
	ck_assert_str_eq(c->targets.allow_place, place);
	ck_assert_str_eq(c->targets.deny_place, "--targets-deny");
	config_unref(c);
	unlink(path);
	c = parse_good("", NULL);
	ck_assert_str_eq(c->targets.allow_place, "targets.allow");
	config_unref(c);
}
END_TEST

START_TEST(wrong_flags_and_variables_are_faults_with_their_names)
{
	char a[] = "--server-prot=1", b[] = "stray", d[] = "--server-port=x",
	     e[] = "--pool-threads", f[] = "--auth-keys=a:b", g[] = "--port=9", h[] = "x.yaml",
	     i[] = "--confg=x";
	char *argv[] = {a, b, d, f, g, h, i, e}, v[] = "BATCHGATE_LOG_LEVEL=loud",
	     *env[] = {v, NULL};
	struct config *config = NULL;

	ck_assert_int_eq(config_load(8, argv, env, &config, &warnings, &faults), ERR_INVALID);
	ck_assert_str_eq(fault_text(), "environment: BATCHGATE_LOG_LEVEL: log.level: \"loud\" is "
				       "not one of debug, info, warn, error, off\n"
				       "--server-prot: unknown flag; did you mean --server-port?\n"
				       "stray: an argument that is no flag; see --help\n"
				       "--server-port: \"x\" is not a whole number\n"
				       "--auth-keys: is not 64 hex digits; `batchgate key --hash` "
				       "reads a key and prints its SHA-256\n"
				       "--port: unknown flag; did you mean --server-port?\n"
				       "x.yaml: an argument that is no flag; did you mean --config "
				       "x.yaml?\n"
				       "--confg: unknown flag; did you mean --config?\n"
				       "--pool-threads: needs a value: --pool-threads=VALUE\n");
}
END_TEST

START_TEST(unknown_variables_and_kubernetes_ones_are_ignored_with_a_warning)
{
	char a[] = "BATCHGATE_SERVER_PROT=1", b[] = "BATCHGATE_SERVER_PORT=tcp://10.0.0.1:80",
	     d[] = "BATCHGATE_PORT=tcp://x", e[] = "OTHER=1", *env[] = {a, b, d, e, NULL};
	struct config *c = parse_good("", env);

	ck_assert_uint_eq(c->server.port, 8080);
	ck_assert_str_eq(warnings.ptr,
		"environment: BATCHGATE_SERVER_PROT: ignored: unknown name; did you mean "
		"BATCHGATE_SERVER_PORT?\n"
		"environment: BATCHGATE_SERVER_PORT: ignored: its value begins tcp://\n"
		"environment: BATCHGATE_PORT: ignored: its value begins tcp://\n");
	config_unref(c);
}
END_TEST

START_TEST(keys_from_the_environment_replace_those_of_the_file)
{
	char v[] = "BATCHGATE_AUTH_KEYS=a:" HASH_A ", b:" HASH_B ",", *env[] = {v, NULL};
	struct config *c = parse_good(
		"auth: {keys: [{name: old, sha256: [\"" HASH_A "\"], admin: true}]}", env);

	ck_assert_uint_eq(c->auth.key_count, 2);
	ck_assert_str_eq(c->auth.keys[0].name, "a");
	ck_assert_str_eq(c->auth.keys[1].name, "b");
	ck_assert(c->auth.keys[1].ad_hoc && !c->auth.keys[1].admin);
	ck_assert_uint_eq(c->auth.keys[1].sha256[0][0], 0xff);
	config_unref(c);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_a_fault)
{
	char flag[] = "--config=/nonexistent/x.yaml", *argv[] = {flag};
	struct config *config = NULL;

	ck_assert_int_eq(config_load(1, argv, NULL, &config, &warnings, &faults), ERR_INVALID);
	ck_assert_str_eq(
		fault_text(), "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, flags_win_over_environment_over_file);
	tcase_add_test(tests, flags_take_a_value_with_or_without_equals_and_booleans_stand_alone);
	tcase_add_test(tests, who_only_asks_the_server_needs_nothing_of_the_file_but_its_address);
	tcase_add_test(tests, where_targets_came_from_is_remembered);
	tcase_add_test(tests, wrong_flags_and_variables_are_faults_with_their_names);
	tcase_add_test(tests, unknown_variables_and_kubernetes_ones_are_ignored_with_a_warning);
	tcase_add_test(tests, keys_from_the_environment_replace_those_of_the_file);
	tcase_add_test(tests, a_file_that_is_not_there_is_a_fault);
	return check_run("config_source", tests);
}
