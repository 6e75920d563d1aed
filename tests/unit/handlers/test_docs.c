/* test_docs.c - the API reference of a build without it, and who is sent what lies compressed. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/embedded.h"
#include "handlers/routes.h"
#include "tests/unit/handlers/fake_house.h"

/* As it is built where there is no npm, in place of the library's. */
#undef BATCHGATE_DOCS
#include "handlers/docs.c"

static struct fake_house house;

static void begin(const char *name, const char *value)
{
	fake_house_init(&house);
	house.ex.request.method = "GET";
	if (value)
		fake_house_header(&house, name, value);
}

START_TEST(the_document_comes_whole_behind_a_line_that_says_what_is_missing)
{
	const char *line_end;

	begin("", NULL);
	docs_get_route.run(&house.service, &house.ex);
	ck_assert_uint_eq(house.ex.status, 200);
	ck_assert_str_eq(house.ex.content_type, "text/plain; charset=utf-8");
	ck_assert_int_eq(house.ex.reply.ptr[0], '#');
	line_end = memchr(house.ex.reply.ptr, '\n', house.ex.reply.len);
	ck_assert_ptr_nonnull(memmem(house.ex.reply.ptr, (size_t)(line_end - house.ex.reply.ptr),
		"built without", strlen("built without")));
	ck_assert_uint_eq(house.ex.reply.len - (size_t)(line_end + 1 - house.ex.reply.ptr),
		embedded_openapi_yaml_size);
	ck_assert_mem_eq(line_end + 1, embedded_openapi_yaml, embedded_openapi_yaml_size);
	fake_house_end(&house);
}
END_TEST

START_TEST(there_are_no_files_then)
{
	begin("", NULL);
	house.ex.request.path = "/docs/swagger-ui.css";
	docs_file_get_route.run(&house.service, &house.ex);
	ck_assert_int_eq(house.ex.problem, PROBLEM_NOT_FOUND);
	fake_house_end(&house);
}
END_TEST

static const struct {
	const char *accept;
	bool taken;
} codings[] = {
	{NULL, true},
	{"gzip", true},
	{"GZip;q=0.001", true},
	{"br;q=1.0, gzip", true},
	{" \t, gzip ", true},
	{"*", true},
	{"identity, *;q=0.5", true},
	{"gzip, *;q=0", true},
	{"", false},
	{",,", false},
	{"identity", false},
	{"gzip;q=0", false},
	{"gzip; q=0.000", false},
	{"gzip;q=0, *", false},
	{"*;q=0", false},
	{"gzi", false},
	{"gzipped", false},
	{"x;gzip", false},
};

START_TEST(what_lies_compressed_goes_to_who_takes_it)
{
	struct docs_file file = docs_page;

	file.gzip = true;
	begin("Accept-Encoding", codings[_i].accept);
	docs_reply(&house.ex, &file);
	ck_assert_uint_eq(house.ex.replies, 1);
	ck_assert_uint_eq(house.ex.status, codings[_i].taken ? 200 : 406);
	ck_assert_ptr_nonnull(strstr(house.ex.fields, "Vary: Accept-Encoding;"));
	ck_assert(!strstr(house.ex.fields, "Content-Encoding: gzip;") == !codings[_i].taken);
	fake_house_end(&house);
}
END_TEST

START_TEST(who_has_it_is_told_so_with_every_field)
{
	begin("If-None-Match", docs_page.etag);
	docs_reply(&house.ex, &docs_page);
	ck_assert_uint_eq(house.ex.status, 304);
	ck_assert_str_eq(house.ex.content_type, "");
	ck_assert_ptr_nonnull(strstr(house.ex.fields, docs_page.etag));
	ck_assert_ptr_nonnull(strstr(house.ex.fields, "default-src 'none';"));
	fake_house_end(&house);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docs");
	TCase *tests = tcase_create("docs");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, the_document_comes_whole_behind_a_line_that_says_what_is_missing);
	tcase_add_test(tests, there_are_no_files_then);
	tcase_add_loop_test(tests, what_lies_compressed_goes_to_who_takes_it, 0,
		sizeof codings / sizeof codings[0]);
	tcase_add_test(tests, who_has_it_is_told_so_with_every_field);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
