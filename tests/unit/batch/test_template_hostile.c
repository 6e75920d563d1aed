/* test_template_hostile.c - programs that want all time or all memory: they fail alone. */
#include "tests/unit/batch/template_kit.h"

static const char *const hostile[] = {
	"last(range(1e12))",
	"def f: f; f",
	"[recurse(. + 1)] | length",
	"def f: 1 + f; f",
	"[range(1e10)]",
	"reduce range(1e9) as $i (\"x\"; . + .)",
	"(.item | tostring) * 1e9 | length",
	"null | .[536870912] = 1",
	"reduce range(300000) as $i (1; [.]) | contains([1])",
	"reduce range(300000) as $i (1; [.]) | . == [1]",
	"reduce range(300000) as $i (1; [.]) | flatten",
	"reduce range(300000) as $i (1; {a: .}) | . * .",
	"\"a\" * 45 + \"c\" | test(\"^(a|aa)+$\")",
	"[limit(100000000; repeat(1))] | length",
};

START_TEST(a_hostile_program_fails_in_time_and_the_next_ones_succeed)
{
	struct helper_kit kit;
	struct kit_answer bad, good[4];
	struct template *template, *small;
	struct template_answer got;
	uint64_t begun_us, limit_us = KIT_SECOND / 2;

	kit_open(&kit, template_jq_serve, 1);
	small = told(&kit, SMALL);
	template = told(&kit, hostile[_i]);
	ask_item(&kit, &good[0], small, "1", 60 * KIT_SECOND);
	kit_run(&kit, 1);
	begun_us = clock_us();
	ask_item(&kit, &bad, template, "1", limit_us);
	for (size_t i = 1; i < 4; i++)
		ask_item(&kit, &good[i], small, "1", 60 * KIT_SECOND);
	kit_run(&kit, 2);
	ck_assert_uint_lt(clock_us() - begun_us, limit_us + 10 * KIT_SECOND);
	kit_run(&kit, 5);
	got = read_answer(&bad);
	ck_assert_msg(!got.ok, "%.*s", (int)got.text.len, got.text.ptr);
	ck_assert_uint_gt(got.text.len, 10);
	buf_free(&bad.text);
	for (size_t i = 0; i < 4; i++)
		expect(&good[i], true,
			"{\"body\":{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":1}"
			"]"
			"}}");
	template_unref(template);
	template_unref(small);
	kit_close(&kit);
}
END_TEST

START_TEST(a_program_that_takes_all_memory_is_told_so)
{
	struct helper_kit kit;
	struct kit_answer bad, good;
	struct template *template, *small;

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, "reduce range(40) as $i (\"0123456789abcdef\"; . + .)");
	small = told(&kit, ".item");
	ask_item(&kit, &bad, template, "1", 60 * KIT_SECOND);
	ask_item(&kit, &good, small, "1", 60 * KIT_SECOND);
	kit_run(&kit, 2);
	expect(&bad, false, "the template needs more memory than a helper process has");
	expect(&good, true, "1");
	template_unref(template);
	template_unref(small);
	kit_close(&kit);
}
END_TEST

START_TEST(a_program_that_computes_for_seconds_is_ended)
{
	struct helper_kit kit;
	struct kit_answer bad, good;
	struct template *template, *small;

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, "last(range(1e12))");
	small = told(&kit, ".item");
	ask_item(&kit, &bad, template, "1", 120 * KIT_SECOND);
	ask_item(&kit, &good, small, "1", 120 * KIT_SECOND);
	kit_run(&kit, 2);
	expect(&bad, false,
		"the template took too long, crashed, or went past a limit of its process");
	expect(&good, true, "1");
	template_unref(template);
	template_unref(small);
	kit_close(&kit);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_set_timeout(tests, 280);
	tcase_add_loop_test(tests, a_hostile_program_fails_in_time_and_the_next_ones_succeed, 0,
		CHECK_COUNT(hostile));
	if (!KIT_SANITIZED) /* its shadow memory allows no such limit */
		tcase_add_test(tests, a_program_that_takes_all_memory_is_told_so);
	tcase_add_test(tests, a_program_that_computes_for_seconds_is_ended);
	return check_run("template_hostile", tests);
}
