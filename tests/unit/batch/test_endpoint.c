/* test_endpoint.c - the configuration's endpoints made ready: what is refused, and what is kept for
 * how long. */
#include "batch/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "batch/endpoint_use.h"
#include "batch/scan.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

static struct config *config_of(const char *yaml)
{
	struct config *config = NULL;
	struct buf warnings, faults;

	buf_init(&warnings, 1 << 20);
	buf_init(&faults, 1 << 20);
	ck_assert_msg(config_parse_text("f.yaml", yaml, strlen(yaml), NULL, &config, &warnings,
			      &faults) == ERR_OK,
		"%s", faults.ptr);
	buf_free(&warnings);
	buf_free(&faults);
	return config;
}

static enum err_code make(const char *yaml, struct endpoint_set **ret_set, struct buf *faults)
{
	struct config *config = config_of(yaml);
	enum err_code code;

	buf_init(faults, 1 << 20);
	code = endpoint_set_new(config, 8080, ret_set, faults);
	config_unref(config);
	return code;
}

START_TEST(a_set_outlives_the_configuration_that_it_was_made_from)
{
	struct endpoint_set *set = NULL;
	const struct endpoint *endpoint;
	struct buf faults;

	ck_assert_int_eq(make("endpoints: {a: {url: 'http://h/b/?c', headers: {X-A: '1'}, query: "
			      "{q: [1, 2]}}, "
			      "z: {url: 'http://h'}}\n",
				 &set, &faults),
		ERR_OK);
	ck_assert_uint_eq(endpoint_count(set), 2);
	endpoint = endpoint_find(set, "a");
	ck_assert_ptr_eq(endpoint, endpoint_at(set, 0));
	ck_assert_ptr_null(endpoint_find(set, "b"));
	ck_assert_ptr_null(endpoint_find(set, ""));
	ck_assert(scan_check(endpoint->defaults, SCAN_DEPTH_MAX, NULL));
	ck_assert_str_eq(endpoint->url.origin, "http://h:80");
	ck_assert_ptr_null(endpoint->request);
	ck_assert_str_eq(endpoint_at(set, 1)->url.host, "h");
	endpoint_set_unref(endpoint_set_ref(set));
	endpoint_set_unref(set);
	endpoint_set_unref(NULL);
	buf_free(&faults);
}
END_TEST

static const struct {
	const char *yaml;
	bool text;
} types[] = {
	{"{}", false},
	{"{Content-Type: application/json}", false},
	{"{content-type: 'Application/JSON; charset=utf-8'}", false},
	{"{Content-Type: application/vnd.api+json}", false},
	{"{Content-Type: text/csv}", true},
	{"{CONTENT-TYPE: application/jsonl}", true},
	{"{Content-Type: application/xml}", true},
};

START_TEST(a_content_type_that_is_not_json_makes_strings_text)
{
	struct endpoint_set *set = NULL;
	struct buf faults;
	char yaml[256];

	snprintf(yaml, sizeof yaml, "endpoints: {a: {url: 'http://h', headers: %s}}\n",
		types[_i].yaml);
	ck_assert_int_eq(make(yaml, &set, &faults), ERR_OK);
	ck_assert_int_eq(endpoint_at(set, 0)->text_body, types[_i].text);
	endpoint_set_unref(set);
	buf_free(&faults);
}
END_TEST

static const struct {
	const char *yaml, *said;
} bad[] = {
	{"endpoints: {a: {url: 'http://127.0.0.1:8080/'}}\n", "endpoints.a.url: "},
	{"targets: {deny: ['h']}\nendpoints: {a: {url: 'http://h/'}}\n",
		"config:2: endpoints.a.url: "},
	{"endpoints: {a: {url: 'http://010.1.1.1/'}}\n", "endpoints.a.url: "},
	{"endpoints: {a: {url: 'http://h', headers: {Host: x}}}\n", "endpoints.a.headers"},
	{"endpoints: {a: {url: 'http://h', headers: {Content-Length: '1'}}}\n",
		"endpoints.a.headers"},
	{"endpoints: {a: {url: 'http://h', request: '$ENV'}}\n", "endpoint `a`: request: "},
	{"endpoints: {a: {url: 'http://h', response: ' '}}\n", "endpoint `a`: response: "},
	{"endpoints: {a: {url: 'http://h', item_check: {test: 'input'}}}\n",
		"endpoint `a`: item_check: "},
	{"endpoints: {a: {url: 'http://h', fallback: 'import \"x\" as x; 1'}}\n",
		"endpoint `a`: fallback: "},
};

START_TEST(what_cannot_be_an_endpoint_is_a_line_with_its_place)
{
	struct endpoint_set *set = NULL;
	struct buf faults;

	ck_assert_msg(make(bad[_i].yaml, &set, &faults) == ERR_INVALID, "%s", bad[_i].yaml);
	ck_assert_ptr_null(set);
	ck_assert_ptr_nonnull(faults.ptr);
	ck_assert_msg(strstr(faults.ptr, bad[_i].said) != NULL, "%s", faults.ptr);
	ck_assert_int_eq(strncmp(faults.ptr, "config:", 7), 0);
	buf_free(&faults);
}
END_TEST

START_TEST(every_fault_of_every_endpoint_is_told)
{
	struct endpoint_set *set = NULL;
	struct buf faults;
	size_t lines = 0;

	ck_assert_int_eq(make("endpoints: {a: {url: 'http://h', request: '$ENV', response: 'env', "
			      "headers: {Host: x}}, b: {url: 'http://h', fallback: 'input'}}\n",
				 &set, &faults),
		ERR_INVALID);
	for (const char *at = faults.ptr; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_eq(lines, 4);
	buf_free(&faults);
}
END_TEST

START_TEST(each_use_of_an_idempotent_endpoint_has_a_key_of_its_own)
{
	struct endpoint_set *set = NULL;
	struct endpoint_use *uses[3];
	struct buf faults;

	ck_assert_int_eq(make("endpoints: {a: {url: 'http://h', idempotent: true}, b: {url: "
			      "'http://h'}}\n",
				 &set, &faults),
		ERR_OK);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(endpoint_use_new(set, endpoint_at(set, i / 2), &uses[i]), ERR_OK);
	endpoint_set_unref(set); /* the uses hold it */
	ck_assert_uint_eq(strlen(uses[0]->key), 32);
	ck_assert_str_ne(uses[0]->key, uses[1]->key);
	ck_assert_str_eq(uses[2]->key, "");
	ck_assert_uint_eq(uses[0]->defaults_len, uses[0]->endpoint->defaults.len);
	ck_assert_ptr_ne(uses[0]->defaults, uses[0]->endpoint->defaults.ptr);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_gt(endpoint_use_bytes(uses[i]), uses[i]->defaults_len);
		endpoint_use_destroy(uses[i]);
	}
	endpoint_use_destroy(NULL);
	buf_free(&faults);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, a_set_outlives_the_configuration_that_it_was_made_from);
	tcase_add_loop_test(
		tests, a_content_type_that_is_not_json_makes_strings_text, 0, CHECK_COUNT(types));
	tcase_add_loop_test(
		tests, what_cannot_be_an_endpoint_is_a_line_with_its_place, 0, CHECK_COUNT(bad));
	tcase_add_test(tests, every_fault_of_every_endpoint_is_told);
	tcase_add_test(tests, each_use_of_an_idempotent_endpoint_has_a_key_of_its_own);
	return check_run("endpoint", tests);
}
