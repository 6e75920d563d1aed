/* test_accept.c - what a client wants back, and what it sends. */
#include <string.h>

#include "server/accept.h"
#include "tests/harness/check_main.h"

static const char *const all[] = {
	"application/json", "application/x-ndjson", "text/event-stream", "text/plain", NULL};

#define JSON all[0]
#define NDJSON all[1]
#define EVENTS all[2]
#define TEXT all[3]

static const struct {
	const char *accept;
	const char *const *want; /* NULL: nothing fits */
} choices[] = {
	{NULL, &JSON},
	{"", &JSON},
	{" , ", &JSON},
	{"*/*", &JSON},
	{"text/*", &EVENTS},
	{"TEXT/Plain", &TEXT},
	{"application/x-ndjson", &NDJSON},
	{"text/plain, application/json", &JSON},
	{"text/plain, application/json;q=0.9", &TEXT},
	{"text/plain;q=0.5, application/x-ndjson;q=0.501", &NDJSON},
	{"*/*;q=0.1, text/plain", &TEXT},
	{"*/*, application/json;q=0", &NDJSON},
	{"application/*;q=0.2, application/json;q=0.1, */*;q=0.15", &NDJSON},
	{"application/json;q=0, */*;q=0", NULL},
	{"image/png", NULL},
	{"image/png, */*;q=0.001", &JSON},
	{"application/json;charset=\"a,b;q=0\";q=0.4, text/plain;q=0.3", &JSON},
	{"application/json;q=1.5", NULL},
	{"application/json;q=0.1234", NULL},
	{"application/json;q=-1", NULL},
	{"application/json;q=", NULL},
	{"application/json ; Q=0.7 , text/plain;q=0.6", &JSON},
	{"garbage", NULL},
	{"text", NULL},
	{"text/", NULL},
	{"/*", NULL},
	{"\"text/plain", NULL},
};

START_TEST(the_best_of_what_there_is_gets_chosen)
{
	const char *chosen = accept_choose(choices[_i].accept, all);

	if (choices[_i].want)
		ck_assert_msg(chosen == *choices[_i].want, "%s: %s", choices[_i].accept,
			chosen ? chosen : "none");
	else
		ck_assert_msg(chosen == NULL, "%s: %s", choices[_i].accept, chosen);
}
END_TEST

static const struct {
	const char *type;
	enum accept_type verdict;
} types[] = {
	{NULL, ACCEPT_TYPE_MISSING},
	{"", ACCEPT_TYPE_MISSING},
	{" ", ACCEPT_TYPE_MISSING},
	{"application/json", ACCEPT_TYPE_OK},
	{"Application/JSON; charset=UTF-8", ACCEPT_TYPE_OK},
	{"application/json;charset=\"utf-8\";x=y", ACCEPT_TYPE_OK},
	{"application/json;charset=utf-16", ACCEPT_TYPE_CHARSET},
	{"application/json;charset=", ACCEPT_TYPE_CHARSET},
	{"application/vnd.api+json", ACCEPT_TYPE_OK},
	{"image/svg+json", ACCEPT_TYPE_OK},
	{"application/+json", ACCEPT_TYPE_OTHER},
	{"+json", ACCEPT_TYPE_OTHER},
	{"a/b/c+json", ACCEPT_TYPE_OTHER},
	{"application/json5", ACCEPT_TYPE_OTHER},
	{"application/x-www-form-urlencoded", ACCEPT_TYPE_OTHER},
	{"text/plain", ACCEPT_TYPE_OTHER},
	{"application/x-ndjson", ACCEPT_TYPE_NDJSON},
	{"application/json, text/plain", ACCEPT_TYPE_OTHER},
};

START_TEST(only_json_in_utf_8_is_taken)
{
	ck_assert_msg(accept_type_check(types[_i].type, "application/json") == types[_i].verdict,
		"%s", types[_i].type);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_loop_test(tests, the_best_of_what_there_is_gets_chosen, 0, CHECK_COUNT(choices));
	tcase_add_loop_test(tests, only_json_in_utf_8_is_taken, 0, CHECK_COUNT(types));
	return check_run("accept", tests);
}
