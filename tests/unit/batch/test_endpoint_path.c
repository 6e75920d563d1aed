/* test_endpoint_path.c - the URL of a named endpoint's call: the operator's, and the item's path
 * below it. */
#include "batch/endpoint_path.h"

#include <string.h>

#include "batch/scan.h"
#include "common/mem.h"
#include "pool/url.h"
#include "tests/harness/check_main.h"

static enum err_code join(const char *url, struct span path, struct buf *out, struct fault *fault)
{
	ck_assert_msg(scan_check(path, SCAN_DEPTH_MAX, NULL), "%.*s", (int)path.len, path.ptr);
	buf_init(out, URL_MAX_BYTES);
	fault_init(fault, NULL, "");
	return endpoint_path_join(span_of(url), path, out, fault);
}

static const struct {
	const char *url, *path, *wanted; /* NULL: refused */
} table[] = {
	{"http://a", "\"x\"", "http://a/x"},
	{"http://a/", "\"/x\"", "http://a/x"},
	{"http://a/b", "\"x/y\"", "http://a/b/x/y"},
	{"http://a/b///", "\"x/\"", "http://a/b/x/"},
	{"http://a/b/?q=1", "\"x\"", "http://a/b/x?q=1"},
	{"http://a?q=1/2", "\"x\"", "http://a/x?q=1/2"},
	{"http://a/b/", "\"\"", "http://a/b/"},
	{"http://a/b/?q", "[]", "http://a/b/?q"},
	{"http://a", "\"@evil\"", "http://a/@evil"},
	{"http://a", "\":80\"", "http://a/:80"},
	{"http://a", "\".evil\"", "http://a/.evil"},
	{"http://a", "\"\\u0061\\/b\"", "http://a/a/b"},
	{"http://a", "\"a%20b;c=1\"", "http://a/a%20b;c=1"},
	{"http://a", "[\"a b\", \"\xc3\xa9\", 7, -1.5e3, \"a?b#c\"]",
		"http://a/a%20b/%C3%A9/7/-1.5e3/a%3Fb%23c"},
	{"http://a", "[\"%41\"]", "http://a/%2541"},
	{"http://a", "[\"...\"]", "http://a/..."},
	/* refused */
	{"http://a/b", "\"..\"", NULL},
	{"http://a/b", "\"/..\"", NULL},
	{"http://a/b", "\"../c\"", NULL},
	{"http://a/b", "\"c/..\"", NULL},
	{"http://a/b", "\"c/../d\"", NULL},
	{"http://a/b", "\".\"", NULL},
	{"http://a/b", "\"c/./d\"", NULL},
	{"http://a/b", "\"%2e%2E\"", NULL},
	{"http://a/b", "\".%2e/c\"", NULL},
	{"http://a/b", "\"%2e\"", NULL},
	{"http://a/b", "\"..;c\"", NULL},
	{"http://a/b", "\"c/%2e.;x=1/d\"", NULL},
	{"http://a/b", "\"//c\"", NULL},
	{"http://a/b", "\"c//d\"", NULL},
	{"http://a/b", "\"/\\/c\"", NULL},
	{"http://a/b", "\"\\\\c\"", NULL},
	{"http://a/b", "\"%5c\"", NULL},
	{"http://a/b", "\"%2F\"", NULL},
	{"http://a/b", "\"%252e\"", NULL},
	{"http://a/b", "\"%25\"", NULL},
	{"http://a/b", "\"%00\"", NULL},
	{"http://a/b", "\"%0d%0a\"", NULL},
	{"http://a/b", "\"%7F\"", NULL},
	{"http://a/b", "\"%c0%ae\"", NULL},
	{"http://a/b", "\"%C1%9c\"", NULL},
	{"http://a/b", "\"%\"", NULL},
	{"http://a/b", "\"%2\"", NULL},
	{"http://a/b", "\"%zz\"", NULL},
	{"http://a/b", "\"c?d\"", NULL},
	{"http://a/b", "\"c#d\"", NULL},
	{"http://a/b", "\"c d\"", NULL},
	{"http://a/b", "\"c\\r\\nd\"", NULL},
	{"http://a/b", "\"c\\u0000\"", NULL},
	{"http://a/b", "\"\\u007f\"", NULL},
	{"http://a/b", "\"\xc3\xa9\"", NULL},
	{"http://a/b", "\"http://evil/\"", NULL},
	{"http://a/b", "[\"..\"]", NULL},
	{"http://a/b", "[\"c\", \"%2E.\"]", NULL},
	{"http://a/b", "[\"\"]", NULL},
	{"http://a/b", "[\"c/d\"]", NULL},
	{"http://a/b", "[\"c\\\\d\"]", NULL},
	{"http://a/b", "[\"..%2fc\"]", NULL},
	{"http://a/b", "[\"%2E%2E%5C\"]", NULL},
	{"http://a/b", "[\"\\n\"]", NULL},
	{"http://a/b", "[null]", NULL},
	{"http://a/b", "[[\"c\"]]", NULL},
	{"http://a/b", "[{\"c\":1}]", NULL},
	{"http://a/b", "[true]", NULL},
	{"http://a/b", "{\"c\":1}", NULL},
	{"http://a/b", "null", NULL},
	{"http://a/b", "1", NULL},
};

START_TEST(a_path_goes_below_the_operators_url_or_is_refused)
{
	struct buf out;
	struct fault fault;
	enum err_code code = join(table[_i].url, span_of(table[_i].path), &out, &fault);

	if (table[_i].wanted) {
		ck_assert_msg(code == ERR_OK, "%s: %s", table[_i].path, fault.message);
		ck_assert_uint_eq(out.len, strlen(table[_i].wanted));
		ck_assert_mem_eq(out.ptr, table[_i].wanted, out.len);
	} else {
		ck_assert_msg(code == ERR_INVALID, "%s became %.*s", table[_i].path, (int)out.len,
			out.ptr);
		ck_assert_ptr_nonnull(strstr(fault.message, "path"));
	}
	buf_free(&out);
}
END_TEST

static struct span repeat(const char *head, char c, size_t count, const char *tail, struct buf *out)
{
	buf_init(out, SIZE_MAX / 2);
	buf_adds(out, head);
	for (size_t i = 0; i < count; i++)
		buf_add_char(out, c);
	buf_adds(out, tail);
	return (struct span){out->ptr, out->len};
}

START_TEST(a_path_that_is_too_long_is_a_limit_and_one_that_just_fits_is_not)
{
	static const size_t base = sizeof "http://a/" - 1;
	struct buf text, out;
	struct fault fault;

	for (size_t over = 0; over < 2; over++)
		for (size_t list = 0; list < 2; list++) {
			struct span path = repeat(list ? "[\"" : "\"", 'x',
				URL_MAX_BYTES - base + over, list ? "\"]" : "\"", &text);

			ck_assert_int_eq(
				join("http://a", path, &out, &fault), over ? ERR_LIMIT : ERR_OK);
			buf_free(&out);
			buf_free(&text);
		}
}
END_TEST

/* Whatever two bytes an item puts between others, the call stays below the operator's path. */
START_TEST(no_two_bytes_lead_out_of_the_operators_path)
{
	struct buf out;
	struct fault fault;

	for (unsigned a = 0x20; a < 0x7f; a++)
		for (unsigned b = 0x20; b < 0x7f; b++) {
			char path[16];
			size_t len = 0;

			path[len++] = '"';
			for (unsigned i = 0; i < 2; i++) {
				unsigned c = i ? b : a;

				if (c == '"' || c == '\\')
					path[len++] = '\\';
				path[len++] = (char)c;
			}
			path[len++] = '"';
			if (join("http://a/b", (struct span){path, len}, &out, &fault) == ERR_OK) {
				ck_assert_msg(strncmp(out.ptr, "http://a/b/", 11) == 0 ||
						      strcmp(out.ptr, "http://a/b") == 0,
					"%s", out.ptr);
				ck_assert_ptr_null(strstr(out.ptr + 8, "//"));
				ck_assert_ptr_null(strstr(out.ptr, ".."));
			}
			buf_free(&out);
		}
}
END_TEST

START_TEST(what_is_below_has_the_origin_and_the_whole_path)
{
	static const struct {
		const char *base, *url;
		bool below;
	} rows[] = {
		{"http://h/a/b?k=1", "http://h/a/b/c?k=1", true},
		{"http://h/a/b?k=1", "http://h/a/b?k=1&i=2", true},
		{"http://h/a/b/", "http://h/a/b/c", true},
		{"http://h", "http://h/", true},
		{"http://h", "http://h/x?y", true},
		{"http://h/a/b", "http://h/a/bc", false},
		{"http://h/a/b", "http://h/a", false},
		{"http://h/a", "http://i/a/b", false},
		{"http://h/a", "https://h/a/b", false},
		{"http://h/a", "http://h:81/a/b", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct url base, url;
		bool nomem = false;

		ck_assert_int_eq(
			url_parse(span_of(rows[i].base), (struct span){NULL, 0}, &base, &nomem),
			REASON_NONE);
		ck_assert_int_eq(
			url_parse(span_of(rows[i].url), (struct span){NULL, 0}, &url, &nomem),
			REASON_NONE);
		ck_assert_msg(endpoint_path_is_below(&base, &url) == rows[i].below, "%s %s",
			rows[i].base, rows[i].url);
		url_free(&base);
		url_free(&url);
	}
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_loop_test(
		tests, a_path_goes_below_the_operators_url_or_is_refused, 0, CHECK_COUNT(table));
	tcase_add_test(tests, a_path_that_is_too_long_is_a_limit_and_one_that_just_fits_is_not);
	tcase_add_test(tests, no_two_bytes_lead_out_of_the_operators_path);
	tcase_add_test(tests, what_is_below_has_the_origin_and_the_whole_path);
	return check_run("endpoint_path", tests);
}
