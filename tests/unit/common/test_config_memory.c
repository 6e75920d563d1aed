/* test_config_memory.c - a configuration that is loaded while memory ends: nothing is lost. */
#include "common/config.h"

#include "common/mem.h"
#include "tests/harness/check_main.h"
#include "tests/unit/common/endpoint_kit.h"
#include "tests/unit/common/parse.h"

START_TEST(without_memory_a_load_ends_with_an_error_and_loses_nothing)
{
	char v[] = "BATCHGATE_TARGETS_DENY=a,b", k[] = "BATCHGATE_AUTH_KEYS=n:" HASH_B,
	     *env[] = {v, k, NULL};
	const char *text =
		"server: {host: \"${H:-localhost}\"}\n"
		"auth: {keys: [{name: a, sha256: [\"" HASH_A "\"]}]}\n"
		"targets: {ports: [1, 2], allow: [x, y]}\nupstreams: [{match: z, ca_file: \"\"}]\n";
	bool done = false;
	unsigned long n;

	for (n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse(text, env, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(code, done ? ERR_OK : ERR_NOMEM);
		config_unref(config);
	}
	ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(a_faulty_load_without_memory_is_an_error_too)
{
	bool done = false;

	for (unsigned long n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse("server: {prot: 1, port: x}\nauth: {keys: [{name: a}, {sha256: "
			     "[b]}]}\nupstreams: [{match: /}]\n",
			NULL, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert(code == ERR_INVALID || code == ERR_NOMEM);
		ck_assert_ptr_null(config);
	}
}
END_TEST

START_TEST(without_memory_a_load_with_endpoints_ends_with_an_error_and_loses_nothing)
{
	bool done = false;
	unsigned long n;

	for (n = 1; !done; n++) {
		struct config *config = NULL;
		enum err_code code;

		buf_free(&warnings);
		buf_free(&faults);
		mem_fail_at(n);
		code = parse(full_endpoint, endpoint_env, &config);
		done = !mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(code, done ? ERR_OK : ERR_NOMEM);
		config_unref(config);
	}
	ck_assert_uint_gt(n, 200);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, without_memory_a_load_ends_with_an_error_and_loses_nothing);
	tcase_add_test(tests, a_faulty_load_without_memory_is_an_error_too);
	tcase_add_test(
		tests, without_memory_a_load_with_endpoints_ends_with_an_error_and_loses_nothing);
	return check_run("config_memory", tests);
}
