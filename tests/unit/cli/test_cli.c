/* test_cli.c - key, check and --help: what they print and how they end. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/help.h"
#include "cli/key.h"
#include "common/digest.h"

static char out[1 << 18];
static int kept[3], files[2];

/* Standard output and error go to files, standard input comes from one, until leave(). */
static void enter(const char *input)
{
	char path[] = "/tmp/batchgate-cli-XXXXXX";
	int in = mkstemp(path);

	unlink(path);
	ck_assert_int_eq(write(in, input, strlen(input)), (ssize_t)strlen(input));
	lseek(in, 0, SEEK_SET);
	for (int i = 0; i < 3; i++)
		kept[i] = dup(i);
	for (int i = 0; i < 2; i++) {
		strcpy(path, "/tmp/batchgate-cli-XXXXXX");
		files[i] = mkstemp(path);
		unlink(path);
		fflush(i ? stderr : stdout);
		dup2(files[i], i + 1);
	}
	dup2(in, 0);
	close(in);
	rewind(stdin);
	clearerr(stdin);
}

/* What was written to stdout (0) or stderr (1). */
static const char *leave(int which)
{
	ssize_t len;

	fflush(stdout);
	fflush(stderr);
	len = pread(files[which], out, sizeof out - 1, 0);
	out[len > 0 ? len : 0] = '\0';
	for (int i = 0; i < 3; i++) {
		dup2(kept[i], i);
		close(kept[i]);
	}
	close(files[0]);
	close(files[1]);
	return out;
}

static void cut(const char *from, const char *before, char *ret, size_t size)
{
	const char *at = strstr(from, before);

	ck_assert_ptr_nonnull(at);
	at += strlen(before);
	snprintf(ret, size, "%.*s", (int)strcspn(at, "\n"), at);
}

START_TEST(a_new_key_comes_with_its_hash_and_a_configuration_that_is_taken)
{
	char flag[] = "--name", name[] = "team-b", *argv[] = {flag, name};
	char key[128], hex[128], env[256], *environment[] = {env, NULL};
	char expected[DIGEST_HEX_SIZE];
	uint8_t digest[32];
	const char *yaml;
	struct buf warnings, faults;
	struct config *config = NULL;

	enter("");
	ck_assert_int_eq(key_run(2, argv), 0);
	leave(0);
	cut(out, "key:    ", key, sizeof key);
	cut(out, "sha256: ", hex, sizeof hex);
	cut(out, "environment:\n\n", env, sizeof env);
	ck_assert_int_eq(strncmp(key, "bg_", 3), 0);
	ck_assert_uint_eq(strlen(key), 35);
	digest_sha256(key, strlen(key), digest);
	digest_hex(digest, expected);
	ck_assert_str_eq(hex, expected);
	buf_init(&warnings, 1 << 16);
	buf_init(&faults, 1 << 16);
	yaml = strstr(out, "auth:\n");
	ck_assert_int_eq(config_parse_text("f", yaml, (size_t)(strstr(yaml, "\n\n") - yaml), NULL,
				 &config, &warnings, &faults),
		ERR_OK);
	ck_assert_str_eq(config->auth.keys[0].name, "team-b");
	ck_assert_mem_eq(config->auth.keys[0].sha256[0], digest, 32);
	config_unref(config);
	ck_assert_int_eq(
		config_parse_text("f", "", 0, environment, &config, &warnings, &faults), ERR_OK);
	ck_assert_mem_eq(config->auth.keys[0].sha256[0], digest, 32);
	config_unref(config);
	buf_free(&warnings);
	buf_free(&faults);
}
END_TEST

START_TEST(two_keys_are_not_the_same)
{
	char first[128], second[128];

	enter("");
	ck_assert_int_eq(key_run(0, NULL), 0);
	cut(leave(0), "key:    ", first, sizeof first);
	enter("");
	ck_assert_int_eq(key_run(0, NULL), 0);
	cut(leave(0), "key:    ", second, sizeof second);
	ck_assert_str_ne(first, second);
}
END_TEST

START_TEST(hash_reads_a_key_and_prints_only_its_hash)
{
	char flag[] = "--hash", *argv[] = {flag};

	enter("abc\r\n");
	ck_assert_int_eq(key_run(1, argv), 0);
	ck_assert_str_eq(
		leave(0), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
	enter("a b\n");
	ck_assert_int_eq(key_run(1, argv), 2);
	ck_assert_ptr_nonnull(strstr(leave(1), "usage: batchgate key"));
	enter("");
	ck_assert_int_eq(key_run(1, argv), 2);
	ck_assert_ptr_nonnull(strstr(leave(1), "no key on standard input"));
}
END_TEST

START_TEST(wrong_usage_of_key_ends_with_two)
{
	char a[] = "--nam", b[] = "--name=a b", c[] = "--name=anonymous", d[] = "--name",
	     e[] = "team-b", hash[] = "--hash", key[] = "bg_0123", *table[] = {a, b, c, d},
	     *plain = e, *given[] = {hash, e}, *alone = key;
	const char *said;

	for (size_t i = 0; i < 4; i++) {
		enter("");
		ck_assert_int_eq(key_run(1, &table[i]), 2);
		ck_assert_ptr_nonnull(strstr(leave(1), "usage: batchgate key"));
	}
	enter("");
	ck_assert_int_eq(key_run(1, &plain), 2);
	ck_assert_ptr_nonnull(strstr(leave(1), "did you mean --name team-b?"));
	enter("");
	ck_assert_int_eq(key_run(1, &table[3]), 2);
	ck_assert_ptr_nonnull(strstr(leave(1), "--name: needs a value"));
	for (int i = 0; i < 2; i++) { /* a key is not for everybody's eyes */
		enter("");
		ck_assert_int_eq(i ? key_run(1, &alone) : key_run(2, given), 2);
		said = leave(1);
		ck_assert_ptr_nonnull(strstr(said, "reads the key from standard input"));
		ck_assert_ptr_null(strstr(said, i ? key : e));
	}
}
END_TEST

static enum err_code refuse(struct config *config, struct forker *forker, struct buf *faults)
{
	(void)forker;
	for (int i = 1; i <= 2; i++)
		buf_addf(faults, "%s: \"%s\" is no target (%d)\n", config->targets.allow_place,
			config->targets.allow.items[0], i);
	return ERR_INVALID;
}

START_TEST(check_says_ok_prints_or_names_the_faults)
{
	char port[] = "--server-port=x", allow[] = "--targets-allow=q", print[] = "--print";
	char near[] = "--prnt", *typo[] = {near};
	char *bad[] = {port}, *good[] = {allow, print};

	enter("");
	ck_assert_int_eq(check_run(0, NULL, NULL, NULL, NULL), 0);
	ck_assert_str_eq(leave(0), "ok: no file: listens on 127.0.0.1 port 8080, keys 0, upstreams "
				   "1, endpoints 0, in flight at most 256\n");
	enter("");
	ck_assert_int_eq(check_run(1, bad, NULL, NULL, NULL), 2);
	ck_assert_str_eq(leave(1), "--server-port: \"x\" is not a whole number\n");
	enter("");
	ck_assert_int_eq(check_run(1, typo, NULL, NULL, NULL), 2);
	ck_assert_str_eq(
		leave(1), "batchgate check: --prnt: unknown flag; did you mean --print?\n");
	enter("");
	ck_assert_int_eq(check_run(2, good, NULL, NULL, NULL), 0);
	ck_assert_ptr_nonnull(strstr(leave(0), "\n  allow: [\"q\"]\n"));
	enter("");
	ck_assert_int_eq(check_run(2, good, NULL, refuse, NULL), 2);
	ck_assert_str_eq(leave(1), "--targets-allow: \"q\" is no target (1)\n"
				   "--targets-allow: \"q\" is no target (2)\n");
}
END_TEST

START_TEST(help_teaches_a_first_call_the_exit_codes_and_settings)
{
	enter("");
	help_print(stdout);
	leave(0);
	ck_assert_ptr_nonnull(strstr(out, "curl --json"));
	ck_assert_ptr_nonnull(strstr(out, "Exit codes:"));
	ck_assert_ptr_nonnull(strstr(out, "batchgate check"));
	ck_assert_ptr_nonnull(strstr(out, "pool.max_in_flight"));
}
END_TEST

START_TEST(each_command_tells_its_own_usage_flags_and_an_example)
{
	for (enum command_id id = 0; id < COMMAND_COUNT; id++) {
		char usage[64], first[64];

		snprintf(usage, sizeof usage, "Usage:\n  batchgate %s", command_table[id].name);
		enter("");
		help_print_command(id, stdout);
		leave(0);
		snprintf(first, sizeof first, "batchgate %s - %.9s", command_table[id].name,
			command_table[id].help);
		ck_assert_int_eq(strncmp(out, first, strlen(first)), 0);
		ck_assert_ptr_nonnull(strstr(out, usage));
		ck_assert_ptr_nonnull(strstr(out, "Examples:\n  "));
		ck_assert_ptr_nonnull(strstr(strstr(out, "Examples:\n  "), "batchgate"));
		ck_assert_ptr_null(strstr(out, "pool.max_in_flight"));
		for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++)
			if (command_flags[i].command == id)
				ck_assert_ptr_nonnull(strstr(out, command_flags[i].name));
		ck_assert_int_eq(
			strstr(out, "--config FILE") != NULL, command_table[id].takes_settings);
		ck_assert_ptr_nonnull(strstr(out, "  --help"));
		ck_assert_ptr_nonnull(strstr(out, "Exit codes:\n"));
		ck_assert_int_eq(strstr(out, "--retry-failed") != NULL, id == COMMAND_RUN);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli");
	TCase *tcase = tcase_create("cli");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_new_key_comes_with_its_hash_and_a_configuration_that_is_taken);
	tcase_add_test(tcase, two_keys_are_not_the_same);
	tcase_add_test(tcase, hash_reads_a_key_and_prints_only_its_hash);
	tcase_add_test(tcase, wrong_usage_of_key_ends_with_two);
	tcase_add_test(tcase, check_says_ok_prints_or_names_the_faults);
	tcase_add_test(tcase, help_teaches_a_first_call_the_exit_codes_and_settings);
	tcase_add_test(tcase, each_command_tells_its_own_usage_flags_and_an_example);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
