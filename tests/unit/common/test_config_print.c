/* test_config_print.c - a printed configuration: it can be read again, and has no secret. */
#include "common/config.h"

#include "common/mem.h"
#include "tests/harness/check_main.h"
#include "tests/unit/common/endpoint_kit.h"
#include "tests/unit/common/parse.h"

START_TEST(what_is_printed_can_be_read_again)
{
	char v[] = "WEIRD=a\"b\\c${x}\xc3\xa9", *env[] = {v, NULL};
	struct config *first = parse_good(
		"server: {host: 0.0.0.0, port: 0, drain_delay: 1500ms}\n"
		"auth:\n  keys:\n    - {name: a, sha256: [\"" HASH_A "\"], admin: true}\n"
		"    - {name: b, sha256: [\"" HASH_B "\"]}\n"
		"limits: {max_body: 1025}\n"
		"targets: {ports: [], allow: ['${WEIRD}', '$${y}', \"off\"]}\n"
		"upstreams: [{match: 'a:1', ca_file: '/x$y', rate_limit: 7/min, retry_budget: 3%, "
		"breaker: {open: 90s}}]\n"
		"log: {level: off, format: text}\n",
		env);
	struct config *second;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	config_print(first, &a);
	second = parse_good(a.ptr, NULL);
	config_print(second, &b);
	ck_assert_str_eq(a.ptr, b.ptr);
	ck_assert_str_eq(second->targets.allow.items[0], "a\"b\\c${x}\xc3\xa9");
	ck_assert_str_eq(second->targets.allow.items[1], "${y}");
	ck_assert_str_eq(second->upstreams[0].ca_file, "/x$y");
	ck_assert_double_eq(second->upstreams[0].rate_per_s, first->upstreams[0].rate_per_s);
	ck_assert_uint_eq(second->upstreams[0].retry_percent, 3);
	ck_assert_uint_eq(second->upstreams[0].breaker.failures, 5);
	ck_assert_uint_eq(second->upstreams[0].breaker.open_ms, 90000);
	ck_assert_uint_eq(second->targets.port_count, 0);
	ck_assert_uint_eq(second->auth.key_count, 2);
	ck_assert_mem_eq(second->auth.keys[1].sha256[0], first->auth.keys[1].sha256[0], 32);
	ck_assert(second->auth.keys[0].admin && !second->auth.keys[1].admin);
	ck_assert_uint_eq(second->server.drain_delay_ms, 1500);
	ck_assert_int_eq(second->log.level, LOG_OFF);
	buf_free(&a);
	buf_free(&b);
	config_unref(first);
	config_unref(second);
}
END_TEST

START_TEST(secrets_are_masked_when_printed)
{
	struct config *c = parse_good("", NULL);
	struct buf out;

	buf_init(&out, 1 << 20);
	mem_free(c->jobs.webhook_secret);
	c->jobs.webhook_secret = mem_copy("hunter2", 7);
	config_print(c, &out);
	ck_assert_ptr_nonnull(strstr(out.ptr, "webhook_secret: \"***\"\n"));
	ck_assert_ptr_null(strstr(out.ptr, "hunter2"));
	buf_free(&out);
	config_unref(c);
}
END_TEST

START_TEST(what_is_printed_can_be_read_again_and_has_no_secret)
{
	struct config *first = parse_good(full_endpoint, endpoint_env), *second;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	config_print(first, &a);
	ck_assert_ptr_nonnull(
		strstr(a.ptr, "endpoints:\n"
			      "  rewrite:\n"
			      "    description: \"Rewrite\"\n"
			      "    method: \"PUT\"\n"
			      "    url: \"http://10.0.0.1:9000/***/v1/chat?key=***\"\n"
			      "    headers:\n"
			      "      Authorization: \"***\"\n"
			      "      X-Plain: \"***\"\n"
			      "    query:\n"
			      "      a: \"1\"\n"
			      "      \"b c\": [\"x***y\", \"$$z\"]\n"
			      "      none: []\n"
			      "    params:\n"
			      "      strategy:\n"
			      "        type: string\n"
			      "        enum: [\"a\", \"b\"]\n"
			      "        default: \"a\"\n"
			      "        description: \"Which\"\n"
			      "      size:\n"
			      "        type: integer\n"
			      "    request: |\n"
			      "      {body: .item, n: $__loc__.line}\n"
			      "    response: |-\n"
			      "      .body\n"
			      "    fallback: |-\n"
			      "      \"${KEY}\"\n"
			      "    concurrency: 10\n"
			      "    rate_limit: 3500/min\n"
			      "    timeout: 1m\n"
			      "    max_items: 100\n"
			      "    idempotent: true\n"
			      "    expose_errors: false\n"
			      "    retry:\n"
			      "      max_attempts: 3\n"
			      "      backoff: 1s\n"
			      "      max_backoff: 2s\n"
			      "      retry_on: [429, 503]\n"
			      "    item_check:\n"
			      "      test: |-\n"
			      "        .item\n"
			      "      message: \"no item\"\n"
			      "  plain:\n"));
	ck_assert_ptr_null(strstr(a.ptr, "s3cr3t"));
	ck_assert_ptr_null(strstr(a.ptr, "1234"));
	second = parse_good(a.ptr, endpoint_env);
	config_print(second, &b);
	ck_assert_str_eq(a.ptr, b.ptr);
	ck_assert_str_eq(second->endpoints[0].fallback.text, "\"${KEY}\"");
	ck_assert_uint_eq(second->endpoints[0].request.indent, 6);
	buf_free(&a);
	buf_free(&b);
	config_unref(first);
	config_unref(second);
}
END_TEST

/* As `request: "…"`. */
static const char *const hard_programs[] = {"  a", "a  ", "a\\n\\n", "\\na", "a\\n  ", " ", "\\n",
	"#", "- a", "a: b", "\\u2028", "a\\n\\u2029b", "a\\uFEFF", "\\uFFFE", "\\ta", "a\\n\\tb",
	"a\\n   \\nb", "a\\n\\n\\nb\\n", "...", "a\\n---\\nb", "\\\"${X}\\\" $$ \\\\", "a\\n%b",
	"|\\na"};

START_TEST(every_program_is_printed_as_what_it_was)
{
	struct config *first, *second;
	struct buf text, printed;

	buf_init(&text, 1 << 16);
	buf_init(&printed, 1 << 20);
	buf_addf(&text,
		"endpoints: {x: {url: 'http://a', item_check: {test: \"%s\"}, params: {p: {type: "
		"array, default: [\"%s\"]}}}}\n",
		hard_programs[_i], strchr(hard_programs[_i], '$') ? "" : hard_programs[_i]);
	first = parse_good(text.ptr, endpoint_env);
	config_print(first, &printed);
	second = parse_good(printed.ptr, endpoint_env);
	ck_assert_str_eq(first->endpoints[0].item_check.text, second->endpoints[0].item_check.text);
	ck_assert_str_eq(
		first->endpoints[0].params[0].fallback, second->endpoints[0].params[0].fallback);
	config_unref(first);
	config_unref(second);
	buf_free(&text);
	buf_free(&printed);
}
END_TEST

START_TEST(a_rate_is_printed_as_what_it_was)
{
	static const char *const rates[] = {
		"1/s", "1/min", "1/h", "7/h", "61/min", "3601/h", "1000000000/h", "999999999/min"};

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct buf text, printed, wanted;
		struct config *first, *second;

		buf_init(&text, 1 << 16);
		buf_init(&wanted, 1 << 16);
		buf_init(&printed, 1 << 20);
		buf_addf(&text, "endpoints: {x: {url: 'http://a', rate_limit: %s}}\n", rates[i]);
		buf_addf(&wanted, "rate_limit: %s\n", rates[i]);
		first = parse_good(text.ptr, endpoint_env);
		config_print(first, &printed);
		second = parse_good(printed.ptr, endpoint_env);
		ck_assert_ptr_nonnull(strstr(printed.ptr, wanted.ptr));
		ck_assert_double_eq(
			first->endpoints[0].rate_per_s, second->endpoints[0].rate_per_s);
		config_unref(first);
		config_unref(second);
		buf_free(&text);
		buf_free(&wanted);
		buf_free(&printed);
	}
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_printed_can_be_read_again);
	tcase_add_test(tests, secrets_are_masked_when_printed);
	tcase_add_test(tests, what_is_printed_can_be_read_again_and_has_no_secret);
	tcase_add_loop_test(
		tests, every_program_is_printed_as_what_it_was, 0, CHECK_COUNT(hard_programs));
	tcase_add_test(tests, a_rate_is_printed_as_what_it_was);
	return check_run("config_print", tests);
}
