/* test_router.c - which route answers, what Allow says, whose origin may read, and what a request
 * id is. */
#include <stdlib.h>
#include <string.h>

#include "server/cors.h"
#include "server/request_id.h"
#include "server/router.h"
#include "tests/harness/check_main.h"

static const struct route list = {.method = "GET", .path = "/v1/jobs"},
			  make = {.method = "POST", .path = "/v1/jobs"},
			  one = {.method = "GET", .path = "/v1/jobs/{id}"},
			  drop = {.method = "DELETE", .path = "/v1/jobs/{id}"},
			  results = {.method = "GET", .path = "/v1/jobs/{id}/results"},
			  special = {.method = "GET", .path = "/v1/jobs/special"};
static const struct route *const routes[] = {&one, &list, &make, &drop, &results, &special, NULL};

static const struct route *find(const char *method, const char *path, enum router_result want)
{
	enum router_result result;
	const struct route *route = router_find(routes, method, path, &result);

	ck_assert_int_eq(result, want);
	return route;
}

START_TEST(a_route_is_found_by_method_and_path)
{
	ck_assert_ptr_eq(find("GET", "/v1/jobs", ROUTER_FOUND), &list);
	ck_assert_ptr_eq(find("POST", "/v1/jobs", ROUTER_FOUND), &make);
	ck_assert_ptr_eq(find("GET", "/v1/jobs/7", ROUTER_FOUND), &one);
	ck_assert_ptr_eq(find("GET", "/v1/jobs/special", ROUTER_FOUND), &special);
	ck_assert_ptr_eq(find("DELETE", "/v1/jobs/special", ROUTER_FOUND), &drop);
	ck_assert_ptr_eq(find("GET", "/v1/jobs/7/results", ROUTER_FOUND), &results);
	ck_assert_ptr_eq(find("HEAD", "/v1/jobs", ROUTER_FOUND), &list);
}
END_TEST

START_TEST(what_is_nearly_a_path_is_none)
{
	static const char *const paths[] = {"/", "", "/v1", "/v1/jobs/", "/v1/jobs//results",
		"/v1/jobs/7/", "/v1/jobs/7/result", "/v1/jobs/7/results/", "/v1/Jobs", "/v1/jobsx",
		"/v1/jobs/a/b"};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		ck_assert_ptr_null(find("GET", paths[i], ROUTER_NO_PATH));
	ck_assert_ptr_null(find("OPTIONS", "/nowhere", ROUTER_NO_PATH));
}
END_TEST

START_TEST(another_method_of_a_path_is_told_apart_from_no_path)
{
	static const char *const methods[] = {"PUT", "get", "TRACE", "HEADX", ""};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		ck_assert_ptr_nonnull(find(methods[i], "/v1/jobs", ROUTER_NO_METHOD));
	find("HEAD", "/v1/jobs/7/results", ROUTER_FOUND);
	find("POST", "/v1/jobs/7", ROUTER_NO_METHOD);
	find("OPTIONS", "/v1/jobs", ROUTER_OPTIONS);
}
END_TEST

START_TEST(allow_lists_every_method_of_the_path)
{
	struct buf allow;

	buf_init(&allow, 100);
	router_allow(routes, "/v1/jobs", &allow);
	ck_assert_str_eq(allow.ptr, "GET, HEAD, POST, OPTIONS");
	buf_clear(&allow);
	router_allow(routes, "/v1/jobs/7", &allow);
	ck_assert_str_eq(allow.ptr, "GET, HEAD, DELETE, OPTIONS");
	buf_free(&allow);
}
END_TEST

START_TEST(a_request_id_is_the_clients_only_where_it_is_harmless)
{
	char id[REQUEST_ID_MAX + 1], other[REQUEST_ID_MAX + 1], long_id[REQUEST_ID_MAX + 2];
	static const char *const bad[] = {"", "a b", "a\"", "a/b", "\xc3\xa9", "a\nb", "<x>"};

	request_id_choose("Az0._-", id);
	ck_assert_str_eq(id, "Az0._-");
	memset(long_id, 'x', sizeof long_id);
	long_id[REQUEST_ID_MAX] = '\0';
	request_id_choose(long_id, id);
	ck_assert_str_eq(id, long_id);
	long_id[REQUEST_ID_MAX] = 'x';
	long_id[REQUEST_ID_MAX + 1] = '\0';
	ck_assert(!request_id_valid(long_id));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		request_id_choose(bad[i], id);
		ck_assert_uint_eq(strlen(id), 32);
		ck_assert(request_id_valid(id));
	}
	request_id_choose(NULL, id);
	request_id_choose(NULL, other);
	ck_assert_str_ne(id, other);
}
END_TEST

START_TEST(an_origin_may_read_only_where_it_is_listed)
{
	char *names[] = {(char *)(uintptr_t) "https://a.example", (char *)(uintptr_t) "*"};
	struct config_strings none = {names, 0}, exact = {names, 1}, any = {names + 1, 1};

	ck_assert_ptr_null(cors_origin(&none, "https://a.example"));
	ck_assert(!cors_varies(&none));
	ck_assert_str_eq(cors_origin(&exact, "https://a.example"), "https://a.example");
	ck_assert_ptr_null(cors_origin(&exact, "https://a.example.evil"));
	ck_assert_ptr_null(cors_origin(&exact, NULL));
	ck_assert(cors_varies(&exact));
	ck_assert_str_eq(cors_origin(&any, "null"), "*");
	ck_assert(!cors_varies(&any));
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, a_route_is_found_by_method_and_path);
	tcase_add_test(tests, what_is_nearly_a_path_is_none);
	tcase_add_test(tests, another_method_of_a_path_is_told_apart_from_no_path);
	tcase_add_test(tests, allow_lists_every_method_of_the_path);
	tcase_add_test(tests, a_request_id_is_the_clients_only_where_it_is_harmless);
	tcase_add_test(tests, an_origin_may_read_only_where_it_is_listed);
	return check_run("router", tests);
}
