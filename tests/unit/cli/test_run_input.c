/* test_run_input.c - documents and lines told apart, cut, proved; and the flags. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/run_flags.h"
#include "cli/run_input.h"
#include "cli/run_seen.h"

static struct run_input input;
static struct err err;
static int kept = -1;

/* Standard input becomes a file with this text. */
static enum err_code begin(const char *text, size_t line_max, const char *defaults)
{
	const struct run_input_limits limits = {line_max, 1 << 20, 60};
	int fd = memfd_create("input", 0);

	if (kept < 0)
		kept = dup(0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	lseek(fd, 0, SEEK_SET);
	dup2(fd, 0);
	close(fd);
	ck_assert_int_eq(run_input_open(&input, "-", &err), ERR_OK);
	ck_assert(input.regular);
	return run_input_begin(&input, &limits, defaults, &err);
}

/* The items, "index:line:text" each; `*` for one that is too long, `!` for one that is no JSON. */
static const char *rest(void)
{
	static char out[4096];
	struct run_input_item item;
	char message[256];

	out[0] = '\0';
	for (;;) {
		enum run_input_got got = run_input_next(&input, &item);
		size_t len = strlen(out);

		if (got == RUN_INPUT_GOT_END)
			return out;
		if (got == RUN_INPUT_GOT_MORE) {
			ck_assert_int_eq(run_lines_fill(&input.lines, &err), ERR_OK);
			continue;
		}
		snprintf(out + len, sizeof out - len, "%s%zu:%zu:%s%.*s", len ? " " : "",
			item.index, item.line,
			run_input_prove(&input, &item, message) ? ""
			: item.too_long                         ? "*"
								: "!",
			(int)item.text.len, item.text.ptr);
	}
}

static const char *envelope(void)
{
	return input.envelope.ptr;
}

START_TEST(a_first_line_is_told_apart_by_its_members)
{
	static const struct {
		const char *line;
		enum run_input_kind kind;
	} rows[] = {{"{}", RUN_INPUT_HEAD}, {" {\"defaults\":{}} ", RUN_INPUT_HEAD},
		{"{\"options\":{}}", RUN_INPUT_HEAD}, {"{\"foo\":1}", RUN_INPUT_HEAD},
		{"{\"url\":\"x\",\"options\":{}}", RUN_INPUT_HEAD},
		{"{\"url\":\"x\"}", RUN_INPUT_ITEM}, {"{\"id\":1}", RUN_INPUT_ITEM},
		{"{\"body\":{\"items\":[]},\"foo\":1}", RUN_INPUT_ITEM},
		{"{\"\\u0075rl\":\"x\"}", RUN_INPUT_ITEM}, {"{\"retry\":{}}", RUN_INPUT_ITEM},
		{"{\"items\":[]}", RUN_INPUT_DOCUMENT},
		{"{\"url\":\"x\",\"items\":5}", RUN_INPUT_DOCUMENT}, {"{", RUN_INPUT_DOCUMENT},
		{"[]", RUN_INPUT_DOCUMENT}, {"\"url\"", RUN_INPUT_DOCUMENT},
		{"{} {}", RUN_INPUT_DOCUMENT}, {"nonsense", RUN_INPUT_DOCUMENT}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(run_input_classify(span_of(rows[i].line), false, 60) == rows[i].kind,
			"%s", rows[i].line);
}
END_TEST

START_TEST(lines_are_items_by_their_order_and_blank_ones_do_not_count)
{
	for (int again = 0; again < 2; again++) {
		if (again)
			ck_assert(run_input_restart(&input));
		else
			ck_assert_int_eq(
				begin("\n{ }\n\n1\r\n \t \n{\"a\":[]}\nx\n5", 100, NULL), ERR_OK);
		ck_assert_str_eq(envelope(), "{\"items\":[] }");
		ck_assert_str_eq(rest(), "0:4:1 1:6:{\"a\":[]} 2:7:!x 3:8:5");
	}
	run_input_free(&input);
	ck_assert_int_eq(begin("{\"url\":1}\n2\n", 100, NULL), ERR_OK);
	ck_assert_str_eq(envelope(), "{\"items\":[]}");
	ck_assert_str_eq(rest(), "0:1:{\"url\":1} 1:2:2");
	run_input_free(&input);
	ck_assert_int_eq(begin("{\"options\":{\"label\":\"x\"}}", 100, NULL), ERR_OK);
	ck_assert_str_eq(envelope(), "{\"items\":[],\"options\":{\"label\":\"x\"}}");
	ck_assert_str_eq(rest(), "");
	run_input_free(&input);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_dropped_while_it_is_read)
{
	static char text[400000];
	char *at = text;

	at += sprintf(at, "{}\n1\n");
	memset(at, 'x', 300000);
	at += 300000;
	at += sprintf(at, "\n22\n1234567\n12345678\n");
	memset(at, 'y', 60000);
	at[60000] = '\0';
	ck_assert_int_eq(begin(text, 7, NULL), ERR_OK);
	ck_assert_str_eq(rest(), "0:2:1 1:3:* 2:4:22 3:5:1234567 4:6:* 5:7:*");
	ck_assert_uint_lt(input.lines.capacity, 300000);
	run_input_free(&input);
}
END_TEST

START_TEST(a_document_is_read_whole_and_its_items_are_members)
{
	const char *text = "\n{\"items\":\n [1, {\"a\":2}],\n\"options\":{}}\n";

	ck_assert_int_eq(begin(text, 3, NULL), ERR_OK);
	ck_assert(input.document);
	ck_assert_uint_eq(input.skipped_lines, 1);
	ck_assert_str_eq(envelope(), text + 1);
	run_input_items(&input, SPAN("[1, {\"a\":2}]"));
	ck_assert_str_eq(rest(), "0:0:1 1:0:{\"a\":2}");
	ck_assert(run_input_restart(&input));
	ck_assert_str_eq(rest(), "0:0:1 1:0:{\"a\":2}");
	run_input_free(&input);
}
END_TEST

START_TEST(with_defaults_every_line_is_an_item)
{
	ck_assert_int_eq(begin("\n{}\n{\"options\":{}}\n", 100, "{\"timeout_ms\":5}"), ERR_OK);
	ck_assert_str_eq(envelope(), "{\"items\":[],\"defaults\":{\"timeout_ms\":5}}");
	ck_assert_str_eq(rest(), "0:2:{} 1:3:{\"options\":{}}");
	run_input_free(&input);
	ck_assert_int_eq(begin("", 100, "{}"), ERR_OK);
	ck_assert_str_eq(rest(), "");
	run_input_free(&input);
	ck_assert_int_eq(begin("", 100, "{\n x"), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "line 2, column 2: "));
	ck_assert_str_eq(input.head, "--defaults");
	run_input_free(&input);
	ck_assert_int_eq(begin("{\"items\":[]}", 100, "{}"), ERR_INVALID);
	run_input_free(&input);
}
END_TEST

START_TEST(an_empty_input_is_none)
{
	ck_assert_int_eq(begin(" \n\r\n", 100, NULL), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "empty"));
	run_input_free(&input);
}
END_TEST

START_TEST(seen_remembers_results_ids_failures_and_what_is_lost)
{
	static struct run_seen seen;

	ck_assert(!run_seen_has(&seen, 5) && !run_seen_lost(&seen, 5));
	ck_assert_int_eq(run_seen_put(&seen, 5, SPAN("\"a\""), false), ERR_OK);
	ck_assert_int_eq(run_seen_put(&seen, 70000, SPAN("null"), true), ERR_OK);
	ck_assert_int_eq(run_seen_put(&seen, 5, SPAN("\"a\""), false), ERR_BUSY);
	ck_assert_int_eq(run_seen_put(&seen, RUN_SEEN_MAX, SPAN("1"), false), ERR_LIMIT);
	ck_assert_int_eq(run_seen_lose(&seen, RUN_SEEN_MAX), ERR_LIMIT);
	ck_assert(run_seen_has(&seen, 5) && run_seen_has(&seen, 70000) && !run_seen_has(&seen, 6));
	ck_assert(run_seen_matches(&seen, 5, SPAN("\"a\"")));
	ck_assert(!run_seen_matches(&seen, 5, SPAN("\"b\"")) &&
		  !run_seen_matches(&seen, 6, SPAN("")));
	ck_assert(run_seen_failed(&seen, 70000) && !run_seen_failed(&seen, 5));
	ck_assert_uint_eq(seen.count, 2);
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert_uint_eq(seen.beyond, 70001);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(run_seen_lose(&seen, 9), ERR_OK);
	ck_assert(run_seen_lost(&seen, 9) && seen.lost == 1);
	run_seen_find(&seen, 9);
	run_seen_find(&seen, 9);
	run_seen_find(&seen, 1 << 29);
	ck_assert(!run_seen_lost(&seen, 9) && seen.lost == 0);
	run_seen_free(&seen);
}
END_TEST

START_TEST(flags_are_read_in_both_forms_and_settings_are_kept_for_the_configuration)
{
	char texts[][32] = {"--concurrency", "5", "in", "--timeout=90s", "--retries=0",
		"--rate-limit", "60/min", "--pool-threads=2", "--config", "c.yaml",
		"--targets-allow-private", "--quiet"};
	char *argv[12];
	struct run_flags flags;

	for (size_t i = 0; i < 12; i++)
		argv[i] = texts[i];
	ck_assert_int_eq(run_flags_read(12, argv, &flags, &err), ERR_OK);
	ck_assert_str_eq(flags.file, "in");
	ck_assert_uint_eq(flags.concurrency, 5);
	ck_assert_uint_eq(flags.timeout_ms, 90000);
	ck_assert_uint_eq(flags.max_attempts, 1);
	ck_assert(flags.rate_per_s > 0.99 && flags.rate_per_s < 1.01 && flags.quiet);
	ck_assert_int_eq(flags.setting_count, 4);
	ck_assert_str_eq(flags.settings[2], "c.yaml");
	run_flags_free(&flags);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("run_input");
	TCase *tcase = tcase_create("run_input");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_first_line_is_told_apart_by_its_members);
	tcase_add_test(tcase, lines_are_items_by_their_order_and_blank_ones_do_not_count);
	tcase_add_test(tcase, a_line_that_is_too_long_is_dropped_while_it_is_read);
	tcase_add_test(tcase, a_document_is_read_whole_and_its_items_are_members);
	tcase_add_test(tcase, with_defaults_every_line_is_an_item);
	tcase_add_test(tcase, an_empty_input_is_none);
	tcase_add_test(tcase, seen_remembers_results_ids_failures_and_what_is_lost);
	tcase_add_test(
		tcase, flags_are_read_in_both_forms_and_settings_are_kept_for_the_configuration);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
