/* test_metrics.c - the text Prometheus reads: well-formed line by line, complete, stable, bounded.
 */
#include "common/metrics.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/check_main.h"

static const struct metrics_sample samples[] = {
	{"batchgate_in_flight", "Calls in flight.", METRICS_GAUGE, NULL, NULL, 3},
	{"batchgate_upstream_in_flight", "By \\ upstream.\nTwo lines.", METRICS_GAUGE, "upstream",
		"*.example.com", 2},
	{"batchgate_upstream_in_flight", "By \\ upstream.\nTwo lines.", METRICS_GAUGE, "upstream",
		"we\"ird\\\n", 0.5},
	{"batchgate_upstream_tries_total", "By upstream.", METRICS_COUNTER, "upstream", "a", 4e14},
	{"batchgate_upstream_tries_total", "By upstream.", METRICS_COUNTER, "upstream", "b", 7},
};

static char *render(struct buf *out)
{
	buf_init(out, 1 << 20);
	metrics_render(out, samples, sizeof samples / sizeof *samples);
	ck_assert(!out->failed);
	return out->ptr;
}

static double value_of(const char *text, const char *series)
{
	size_t len = strlen(series);

	for (const char *line = text; line && *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, series, len) == 0 && line[len] == ' ')
			return strtod(line + len, NULL);
	return -1;
}

static const char *skip_name(const char *at)
{
	ck_assert(isalpha((unsigned char)*at) || *at == '_');
	while (isalnum((unsigned char)*at) || *at == '_')
		at++;
	return at;
}

static const char *skip_labels(const char *at)
{
	do {
		at = skip_name(at + 1);
		ck_assert(at[0] == '=' && at[1] == '"');
		for (at += 2; *at != '"'; at++) {
			ck_assert(*at != '\n' && *at != '\0');
			if (*at == '\\') {
				at++;
				ck_assert(*at == '\\' || *at == '"' || *at == 'n');
			}
		}
		at++;
	} while (*at == ',');
	ck_assert_int_eq(*at, '}');
	return at + 1;
}

/* Checks one sample against the family its TYPE line named. */
static void check_sample(const char *line, const char *family, const char *type)
{
	const char *at = skip_name(line);
	size_t len = (size_t)(at - line), family_len = strlen(family);
	char *end;

	ck_assert_msg(len >= family_len && strncmp(line, family, family_len) == 0,
		"%s stands under %s", line, family);
	if (strcmp(type, "histogram") == 0)
		ck_assert(strncmp(line + family_len, "_bucket", 7) == 0 ||
			  strncmp(line + family_len, "_sum", 4) == 0 ||
			  strncmp(line + family_len, "_count", 6) == 0);
	else
		ck_assert_uint_eq(len, family_len);
	if (*at == '{')
		at = skip_labels(at);
	ck_assert_int_eq(*at, ' ');
	strtod(at + 1, &end);
	ck_assert(end > at + 1 && *end == '\0');
}

START_TEST(every_line_is_well_formed_and_stands_under_its_family)
{
	char family[128] = "", type[32] = "", seen[64][128];
	size_t families = 0;
	struct buf out;

	metrics_batch("", 200);
	metrics_batch("na\"me", 200);
	for (char *line = strtok(render(&out), "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			ck_assert_int_eq(sscanf(line, "# HELP %127s", family), 1);
			for (size_t i = 0; i < families; i++)
				ck_assert_str_ne(seen[i], family);
			strcpy(seen[families++], family);
			type[0] = '\0';
		} else if (*line == '#') {
			char name[128];

			ck_assert_int_eq(sscanf(line, "# TYPE %127s %31s", name, type), 2);
			ck_assert_str_eq(name, family);
		} else {
			ck_assert_str_ne(type, "");
			check_sample(line, family, type);
		}
	}
	ck_assert_uint_ge(families, 14);
	buf_free(&out);
}
END_TEST

START_TEST(every_item_code_is_there_even_where_none_happened)
{
	struct buf out;
	char series[128];

	render(&out);
	for (int code = 0; code < ITEM_CODE_COUNT; code++) {
		snprintf(series, sizeof series, "batchgate_items_total{code=\"%s\"}",
			code_text((enum item_code)code));
		ck_assert_msg(value_of(out.ptr, series) >= 0, "%s", series);
	}
	buf_free(&out);
}
END_TEST

START_TEST(counters_count)
{
	struct buf before, after;

	render(&before);
	metrics_add(METRIC_ATTEMPTS, 5);
	metrics_item(ITEM_TIMEOUT);
	metrics_batch("fine", 503);
	metrics_batch("fine", 503);
	render(&after);
	ck_assert_double_eq(value_of(after.ptr, "batchgate_attempts_total"),
		value_of(before.ptr, "batchgate_attempts_total") + 5);
	ck_assert_double_eq(value_of(after.ptr, "batchgate_items_total{code=\"timeout\"}"),
		value_of(before.ptr, "batchgate_items_total{code=\"timeout\"}") + 1);
	ck_assert_double_eq(
		value_of(after.ptr, "batchgate_batches_total{endpoint=\"fine\",status=\"503\"}"),
		2);
	ck_assert_double_eq(
		value_of(after.ptr, "batchgate_upstream_in_flight{upstream=\"*.example.com\"}"), 2);
	buf_free(&before);
	buf_free(&after);
}
END_TEST

START_TEST(samples_of_others_have_the_type_that_was_said)
{
	struct buf out;

	render(&out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "\n# TYPE batchgate_in_flight gauge\n"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "\n# TYPE batchgate_upstream_in_flight gauge\n"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "\n# TYPE batchgate_upstream_tries_total counter\n"));
	ck_assert_ptr_nonnull(strstr(
		out.ptr, "\nbatchgate_upstream_tries_total{upstream=\"a\"} 400000000000000\n"));
	ck_assert_ptr_nonnull(
		strstr(out.ptr, "\nbatchgate_upstream_tries_total{upstream=\"b\"} 7\n"));
	ck_assert_ptr_nonnull(strstr(out.ptr, "{upstream=\"we\\\"ird\\\\\\n\"} 0.5\n"));
	buf_free(&out);
}
END_TEST

START_TEST(histograms_are_cumulative_and_their_edges_belong_to_the_bucket)
{
	struct buf out;

	metrics_observe_us(METRIC_QUEUE_WAIT, 0);
	metrics_observe_us(METRIC_QUEUE_WAIT, 1000);
	metrics_observe_us(METRIC_QUEUE_WAIT, 1001);
	metrics_observe_us(METRIC_QUEUE_WAIT, 300000000);
	metrics_observe_us(METRIC_QUEUE_WAIT, 400000000);
	render(&out);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_queue_wait_seconds_bucket{le=\"0.001\"}"), 2);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_queue_wait_seconds_bucket{le=\"0.0025\"}"), 3);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_queue_wait_seconds_bucket{le=\"120\"}"), 3);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_queue_wait_seconds_bucket{le=\"300\"}"), 4);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_queue_wait_seconds_bucket{le=\"+Inf\"}"), 5);
	ck_assert_double_eq(value_of(out.ptr, "batchgate_queue_wait_seconds_count"), 5);
	ck_assert(fabs(value_of(out.ptr, "batchgate_queue_wait_seconds_sum") - 700.002001) < 1e-9);
	buf_free(&out);
}
END_TEST

START_TEST(two_renders_of_the_same_are_the_same_and_sorted)
{
	struct buf a, b;

	metrics_batch("zz", 200);
	metrics_batch("aa", 503);
	metrics_batch("aa", 200);
	render(&a);
	render(&b);
	ck_assert_str_eq(a.ptr, b.ptr);
	ck_assert(strstr(a.ptr, "endpoint=\"aa\",status=\"200\"") <
		  strstr(a.ptr, "endpoint=\"aa\",status=\"503\""));
	ck_assert(
		strstr(a.ptr, "endpoint=\"aa\",status=\"503\"") < strstr(a.ptr, "endpoint=\"zz\""));
	buf_free(&a);
	buf_free(&b);
}
END_TEST

static void *count_items(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		metrics_item(ITEM_INTERNAL);
		metrics_batch("threads", 200);
		metrics_observe_us(METRIC_ITEM, 10);
	}
	return arg;
}

START_TEST(several_threads_lose_no_count)
{
	pthread_t threads[4];
	struct buf out;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_items, NULL), 0);
	render(&out);
	buf_free(&out);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	render(&out);
	ck_assert_double_eq(value_of(out.ptr, "batchgate_items_total{code=\"internal\"}"), 4000);
	ck_assert_double_eq(
		value_of(out.ptr, "batchgate_batches_total{endpoint=\"threads\",status=\"200\"}"),
		4000);
	ck_assert_double_eq(value_of(out.ptr, "batchgate_item_seconds_count"), 4000);
	buf_free(&out);
}
END_TEST

START_TEST(the_table_of_batches_is_bounded_and_its_sum_stays_right)
{
	struct buf out;
	size_t rows = 0;
	double sum = 0;
	char name[100];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "bound%d", i);
		metrics_batch(name, 299);
	}
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	metrics_batch(name, 299);
	render(&out);
	for (char *line = strtok(out.ptr, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "batchgate_batches_total{", 24) == 0) {
			rows++;
			if (strstr(line, "\"299\""))
				sum += strtod(strrchr(line, ' '), NULL);
		}
	ck_assert_uint_le(rows, 600);
	ck_assert_double_eq(sum, 2001);
	buf_free(&out);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, every_line_is_well_formed_and_stands_under_its_family);
	tcase_add_test(tests, every_item_code_is_there_even_where_none_happened);
	tcase_add_test(tests, counters_count);
	tcase_add_test(tests, samples_of_others_have_the_type_that_was_said);
	tcase_add_test(tests, histograms_are_cumulative_and_their_edges_belong_to_the_bucket);
	tcase_add_test(tests, two_renders_of_the_same_are_the_same_and_sorted);
	tcase_add_test(tests, several_threads_lose_no_count);
	tcase_add_test(tests, the_table_of_batches_is_bounded_and_its_sum_stays_right);
	return check_run("metrics", tests);
}
