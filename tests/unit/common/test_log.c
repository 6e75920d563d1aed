/* test_log.c - log lines: both formats, redaction, hostile values, several threads. */
#include "common/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/metrics.h"
#include "common/utf8.h"
#include "tests/harness/check_main.h"

static char text[1 << 22];
static int kept_stderr, capture;

/* From here to end_capture, standard error goes to an unnamed file. */
static void begin_capture(void)
{
	char path[] = "/tmp/batchgate-log-XXXXXX";

	capture = mkstemp(path);
	ck_assert_int_ge(capture, 0);
	unlink(path);
	kept_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(capture, STDERR_FILENO), 0);
}

static const char *end_capture(void)
{
	ssize_t len;

	ck_assert_int_ge(dup2(kept_stderr, STDERR_FILENO), 0);
	close(kept_stderr);
	len = pread(capture, text, sizeof text - 1, 0);
	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	close(capture);
	return text;
}

START_TEST(a_json_line_has_time_level_event_and_fields)
{
	const char *line;

	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	begin_capture();
	log_info("batch", LOG_S("id", "a\"b\n"), LOG_U("items", 3), LOG_MS("duration_ms", 12400),
		LOG_B("ok", true), LOG_S("absent", NULL));
	line = end_capture();
	ck_assert_int_eq(strncmp(line, "{\"time\":\"20", 11), 0);
	ck_assert_str_eq(strchr(line, 'Z'),
		"Z\",\"level\":\"info\",\"event\":\"batch\",\"id\":\"a\\\"b\\n\",\"items\":3,"
		"\"duration_ms\":12.4,\"ok\":true}\n");
}
END_TEST

START_TEST(a_text_line_quotes_only_what_needs_it)
{
	const char *line;

	log_configure(LOG_INFO, LOG_TEXT, NULL, 0);
	begin_capture();
	log_warn("slow_client", LOG_S("a", "plain-1/2"), LOG_S("b", "two words"), LOG_S("c", ""),
		LOG_S("d", "x=\"\\"), LOG_S("e", "\x1b[31m\x7f\xc2\x9b"),
		LOG_S("f", "\xc3\xa9\xff"), LOG_U("n", 1), LOG_S("g", "a\nb"));
	line = end_capture();
	ck_assert_str_eq(strchr(line, 'Z'),
		"Z WARN  slow_client a=plain-1/2 b=\"two words\" c=\"\" d=\"x=\\\"\\\\\" "
		"e=\"\\u001b[31m\\u007f\\u009b\" "
		"f=\"\xc3\xa9\xef\xbf\xbd\" n=1 g=\"a\\nb\"\n");
}
END_TEST

START_TEST(redacted_names_are_hidden_whatever_their_case_and_type)
{
	const char *const names[] = {"authorization", "X-Api-Key"};
	const char *line;

	log_configure(LOG_INFO, LOG_JSON, names, 2);
	begin_capture();
	log_info("e", LOG_S("Authorization", "Bearer x"), LOG_U("x-api-key", 424242424242),
		LOG_S("authorization2", "seen"));
	line = end_capture();
	ck_assert_ptr_nonnull(strstr(line, "\"Authorization\":\"[redacted]\",\"x-api-key\":\"["
					   "redacted]\",\"authorization2\":\"seen\"}"));
	ck_assert_ptr_null(strstr(line, "Bearer"));
	ck_assert_ptr_null(strstr(line, "424242"));
}
END_TEST

START_TEST(levels_below_the_configured_one_write_nothing)
{
	log_configure(LOG_WARN, LOG_JSON, NULL, 0);
	begin_capture();
	log_debug("no", LOG_U("n", 1));
	log_info("no", LOG_U("n", 1));
	log_error("yes", LOG_U("n", 1));
	ck_assert(!log_enabled(LOG_INFO) && log_enabled(LOG_WARN));
	end_capture();
	ck_assert_ptr_null(strstr(text, "\"no\""));
	ck_assert_ptr_nonnull(strstr(text, "\"yes\""));
	log_configure(LOG_OFF, LOG_JSON, NULL, 0);
	begin_capture();
	log_error("none", LOG_U("n", 1));
	ck_assert_str_eq(end_capture(), "");
}
END_TEST

START_TEST(a_long_value_is_cut_at_a_character)
{
	static char value[20001];
	const char *line, *begin, *end;

	value[0] = 'x'; /* so that the 8 KiB end in the middle of a character */
	for (size_t i = 1; i + 2 < sizeof value; i += 2)
		memcpy(value + i, "\xc3\xa9", 2);
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	begin_capture();
	log_info("long", LOG_S("v", value));
	line = end_capture();
	begin = strstr(line, "\"v\":\"") + 5;
	end = strstr(begin, "...[cut]\"}\n");
	ck_assert_ptr_nonnull(end);
	ck_assert_int_eq(end - begin, 8191);
	ck_assert(utf8_valid(begin, (size_t)(end - begin)));
	ck_assert_ptr_null(strstr(begin, "\xef\xbf\xbd"));
}
END_TEST

START_TEST(bad_utf8_becomes_replacement_characters)
{
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	begin_capture();
	log_info("e", LOG_S("v", "a\xff\xc3z\xed\xa0\x80"));
	end_capture();
	ck_assert(utf8_valid(text, strlen(text)));
	ck_assert_ptr_nonnull(strstr(text, "a\xef\xbf\xbd"));
}
END_TEST

START_TEST(without_memory_a_line_still_says_that_one_is_lost)
{
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	begin_capture();
	mem_fail_at(1);
	log_info("e", LOG_U("n", 1));
	mem_fail_at(0);
	ck_assert_str_eq(end_capture(), "{\"level\":\"error\",\"event\":\"log_line_lost\"}\n");
}
END_TEST

START_TEST(without_memory_for_a_new_list_the_old_one_keeps_hiding)
{
	const char *const names[] = {"secret"};

	log_configure(LOG_INFO, LOG_JSON, names, 1);
	mem_fail_at(1);
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	mem_fail_at(0);
	begin_capture();
	log_info("e", LOG_S("secret", "x1y2"));
	ck_assert_ptr_null(strstr(end_capture(), "x1y2"));
}
END_TEST

static void *write_lines(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_info("thread", LOG_S("secret", "x1y2"), LOG_S("name", arg));
	return NULL;
}

START_TEST(a_reload_while_others_write_loses_no_line_and_shows_no_secret)
{
	const char *const names[] = {"secret", "other"};
	char name[] = "n";
	pthread_t threads[4];
	size_t lines = 0;

	log_configure(LOG_INFO, LOG_JSON, names, 2);
	begin_capture();
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, name), 0);
	for (int i = 0; i < 200; i++)
		log_configure(LOG_INFO, i % 2 ? LOG_JSON : LOG_TEXT, names, 1 + (size_t)i % 2);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (const char *c = end_capture(); *c; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 2000);
	ck_assert_ptr_null(strstr(text, "x1y2"));
}
END_TEST

static unsigned long lines_lost(void)
{
	static const char name[] = "\nbatchgate_log_lines_lost_total ";
	struct buf out;
	unsigned long lost;

	buf_init(&out, 1 << 20);
	metrics_render(&out, NULL, 0);
	lost = strtoul(strstr(out.ptr, name) + sizeof name - 1, NULL, 10);
	buf_free(&out);
	return lost;
}

/* Writes lines of `value` into `fd` from several threads until some were lost, then one more when
 * the reader has woken up. Gives back how many lines came through whole. */
static size_t flood(int reader, int writer, char *value)
{
	static char got[1 << 22];
	pthread_t threads[4];
	size_t len = 0, whole = 0;
	ssize_t n;

	kept_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(writer, STDERR_FILENO), 0);
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	do {
		for (int i = 0; i < 4; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, value), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	} while (lines_lost() == 0);
	fcntl(reader, F_SETFL, O_NONBLOCK);
	while ((n = read(reader, got + len, sizeof got - len)) > 0)
		len += (size_t)n;
	log_info("last", LOG_U("n", 1));
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	n = read(reader, got + len, sizeof got - len);
	ck_assert_int_gt(n, 0);
	len += (size_t)n;
	got[len] = '\0';
	ck_assert_ptr_nonnull(strstr(got, "\"event\":\"last\",\"n\":1}\n"));
	for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n")) {
		ck_assert_msg(*line == '{', "in the middle of another line: %.80s", line);
		whole += strcmp(line + strlen(line) - 2, "\"}") == 0;
	}
	return whole;
}

START_TEST(a_reader_that_has_stopped_loses_lines_and_stops_nobody)
{
	static char value[6000]; /* more than fits into a pipe at once */
	int ends[2];

	memset(value, 'v', _i ? sizeof value - 1 : 100);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_uint_ge(flood(ends[0], ends[1], value), 8);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_socket_that_nobody_reads_is_no_different)
{
	char value[] = "value";
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_uint_ge(flood(ends[0], ends[1], value), 100);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_terminal_finds_nothing_to_obey_in_a_json_line_either)
{
	log_configure(LOG_INFO, LOG_JSON, NULL, 0);
	begin_capture();
	log_info("e", LOG_S("v", "a\x1b[31m\x7f\xc2\x80\xc2\x9f\xc2\xa0\"\\\t\n"));
	ck_assert_ptr_nonnull(strstr(end_capture(),
		"\"v\":\"a\\u001b[31m\\u007f\\u0080\\u009f\xc2\xa0\\\"\\\\\\u0009\\n\"}\n"));
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, a_json_line_has_time_level_event_and_fields);
	tcase_add_test(tests, a_text_line_quotes_only_what_needs_it);
	tcase_add_test(tests, redacted_names_are_hidden_whatever_their_case_and_type);
	tcase_add_test(tests, levels_below_the_configured_one_write_nothing);
	tcase_add_test(tests, a_long_value_is_cut_at_a_character);
	tcase_add_test(tests, bad_utf8_becomes_replacement_characters);
	tcase_add_test(tests, without_memory_a_line_still_says_that_one_is_lost);
	tcase_add_test(tests, without_memory_for_a_new_list_the_old_one_keeps_hiding);
	tcase_add_loop_test(tests, a_reader_that_has_stopped_loses_lines_and_stops_nobody, 0, 2);
	tcase_add_test(tests, a_socket_that_nobody_reads_is_no_different);
	tcase_add_test(tests, a_terminal_finds_nothing_to_obey_in_a_json_line_either);
	tcase_add_test(tests, a_reload_while_others_write_loses_no_line_and_shows_no_secret);
	return check_run("log", tests);
}
