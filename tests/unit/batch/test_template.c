/* test_template.c - templates: what is refused, what an evaluation gives, and what input reaches
 * jq. */
#include "batch/template_check.h"
#include "tests/unit/batch/template_kit.h"

START_TEST(a_name_is_refused_with_file_line_and_column)
{
	struct template *template;
	struct err err;

	ck_assert_int_eq(make("{a: 1,\n b: env}", &template, &err), ERR_INVALID);
	ck_assert_str_eq(err.detail, "gate.yaml:13:11: endpoint `rewrite`: response: `env` is not "
				     "allowed in a template");
	ck_assert_int_eq(make(" \n", &template, &err), ERR_INVALID);
}
END_TEST

START_TEST(a_program_has_at_most_16_kib)
{
	struct template *template;
	struct err err;
	char text[TEMPLATE_TEXT_MAX + 2];

	memset(text, ' ', sizeof text);
	text[0] = '.';
	text[TEMPLATE_TEXT_MAX] = '\0';
	ck_assert_int_eq(make(text, &template, &err), ERR_OK);
	template_unref(template);
	text[TEMPLATE_TEXT_MAX] = ' ';
	text[TEMPLATE_TEXT_MAX + 1] = '\0';
	ck_assert_int_eq(make(text, &template, &err), ERR_LIMIT);
}
END_TEST

START_TEST(what_does_not_compile_is_refused_with_its_line)
{
	static const struct {
		const char *text, *detail;
	} tests[] = {
		{SMALL, NULL},
		{"{a: 1,\n b: %}", "gate.yaml:13:"},
		{".a +", "gate.yaml:12:"},
		{"def f: 1; f(2)", "f/1 is not defined"},
		{"$nothing", "$nothing is not defined"},
	};
	struct template_checker *checker;
	struct helper_kit kit;
	struct err err;

	kit_start(&kit, template_jq_serve);
	ck_assert_int_eq(template_checker_new(kit.forker, &checker, &err), ERR_OK);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		struct template *template = made(tests[i].text);
		enum err_code code = template_check(checker, template, &err);

		ck_assert_int_eq(code, tests[i].detail ? ERR_INVALID : ERR_OK);
		if (tests[i].detail)
			ck_assert_msg(
				strstr(err.detail, tests[i].detail) != NULL, "%s", err.detail);
		template_unref(template);
	}
	template_checker_destroy(checker);
	forker_stop(kit.forker);
}
END_TEST

struct eval_case {
	const char *text, *item;
	bool ok;
	const char *answer;
};

static const struct eval_case eval_cases[] = {
	{SMALL, "\"hi\"", true,
		"{\"body\":{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
		"}"},
	{".item", " [1, 2.5, -10.5, true, false, null, {\"b\": 1, \"a\": []}] ", true,
		"[1,2.5,-10.5,true,false,null,{\"b\":1,\"a\":[]}]"},
	{".item", "\"\\u0000\\n\\\"\\\\\xc3\xa9\\ud83d\\ude00\"", true,
		"\"\\u0000\\n\\\"\\\\\xc3\xa9\xf0\x9f\x98\x80\""},
	{".item | test(\"^a+$\")", "\"aaa\"", true, "true"},
	{".item | gsub(\"a\"; \"b\")", "\"aaa\"", true, "\"bbb\""},
	{"\"2015-03-05T23:51:47Z\" | fromdate", "1", true, "1425599507"},
	{"1425599507 | strftime(\"%Y %H\")", "1", true, "\"2015 23\""},
	{"now > 1500000000", "1", true, "true"},
	{"nan, infinite | tojson | length > 0", "1", false,
		"the template gives more than one output"},
	{"nan", "1", true, "null"},
	{"empty", "1", false, "the template gives no output"},
	{".item[]", "[1,2]", false, "the template gives more than one output"},
	{"error(\"x\")", "1", false, "x"},
	{"error({a: 1})", "1", false, "{\"a\":1}"},
	{"1, error(\"late\")", "1", false, "late"},
	{".item | error", "\"a\\nb\\u0007c\"", false, "a b c"},
	{".item[0]", "{}", false, "Cannot index object with number"},
	{".item", "", false, "`item` cannot be given to a template: the text ends too early"},
	{"[range(200000)]", "1", false, "the template's output is too large"},
	{"reduce range(200) as $i (1; [.])", "1", false,
		"the template's output is nested too deeply"},
};

START_TEST(an_evaluation_gives_exactly_one_output_or_says_why_not)
{
	const struct eval_case *test = &eval_cases[_i];
	struct helper_kit kit;
	struct kit_answer answer;
	struct template *template;

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, test->text);
	ask_item(&kit, &answer, template, test->item, 20 * KIT_SECOND);
	kit_run(&kit, 1);
	if (test->item[0] == '\0') { /* what exactly is wrong, the scanner says */
		ck_assert(!read_answer(&answer).ok);
		ck_assert(
			strstr(answer.text.ptr, "`item` cannot be given to a template: ") != NULL);
		buf_free(&answer.text);
	} else {
		expect(&answer, test->ok, test->answer);
	}
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

START_TEST(parts_become_members_of_the_input)
{
	const struct template_part parts[] = {{"item", SPAN("{\"a\": [1]}")}, {"index", SPAN("7")},
		{"params", SPAN("{\"s\": \"t\"}")}};
	struct helper_kit kit;
	struct kit_answer answer;
	struct template *template;

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, "[.item.a[0], .index, .params.s, (keys | length)]");
	ask_parts(&kit, &answer, template, parts, 3, 20 * KIT_SECOND);
	kit_run(&kit, 1);
	expect(&answer, true, "[1,7,\"t\",3]");
	template_unref(template);
	kit_close(&kit);
}
END_TEST

START_TEST(a_reason_is_cut_and_stays_text)
{
	struct helper_kit kit;
	struct kit_answer answer;
	struct template *template;
	struct template_answer got;

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, "error(\"\xc3\xa9\" * 5000)");
	ask_item(&kit, &answer, template, "1", 20 * KIT_SECOND);
	kit_run(&kit, 1);
	got = read_answer(&answer);
	ck_assert(!got.ok);
	ck_assert_uint_eq(got.text.len, 300);
	buf_free(&answer.text);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

static char *brackets(size_t depth)
{
	char *text = mem_new(2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	return text;
}

START_TEST(input_is_proved_before_jq_sees_it)
{
	static const char *const wrong[] = {
		"{", "nan", "[1,]", "\"\\ud800\"", "1 2", "'a'", "\"\xff\"", "01", "{\"a\":1}}"};
	enum { WRONG = sizeof wrong / sizeof *wrong };
	struct helper_kit kit;
	struct kit_answer answers[WRONG + 3];
	struct template *template;
	char *deep = brackets(61), *deepest = brackets(100000), *fits = brackets(60);

	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, ".item | type");
	for (size_t i = 0; i < WRONG; i++)
		ask_item(&kit, &answers[i], template, wrong[i], 20 * KIT_SECOND);
	ask_item(&kit, &answers[WRONG], template, deep, 20 * KIT_SECOND);
	ask_item(&kit, &answers[WRONG + 1], template, deepest, 20 * KIT_SECOND);
	ask_item(&kit, &answers[WRONG + 2], template, fits, 20 * KIT_SECOND);
	kit_run(&kit, WRONG + 3);
	for (size_t i = 0; i < WRONG + 2; i++) {
		ck_assert_int_eq(answers[i].outcome, HELPER_OK);
		ck_assert(!read_answer(&answers[i]).ok);
		ck_assert(strstr(answers[i].text.ptr, "`item` cannot be given to a template: "));
		buf_free(&answers[i].text);
	}
	expect(&answers[WRONG + 2], true, "\"array\"");
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	mem_free(deep);
	mem_free(deepest);
	mem_free(fits);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

START_TEST(a_huge_input_passes_or_fails_alone)
{
	struct helper_kit kit;
	struct kit_answer large, tiny;
	struct template *template;
	size_t len = 8u << 20;
	char *text = mem_new(len + 1);

	memset(text, 'a', len);
	text[0] = text[len - 1] = '"';
	kit_open(&kit, template_jq_serve, 1);
	template = told(&kit, ".item | length");
	ask_item(&kit, &large, template, text, 60 * KIT_SECOND);
	ask_item(&kit, &tiny, template, "\"abc\"", 20 * KIT_SECOND);
	kit_run(&kit, 2);
	expect(&large, true, "8388606");
	expect(&tiny, true, "3");
	mem_free(text);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_set_timeout(tests, 280);
	tcase_add_test(tests, a_name_is_refused_with_file_line_and_column);
	tcase_add_test(tests, a_program_has_at_most_16_kib);
	tcase_add_test(tests, what_does_not_compile_is_refused_with_its_line);
	tcase_add_loop_test(tests, an_evaluation_gives_exactly_one_output_or_says_why_not, 0,
		CHECK_COUNT(eval_cases));
	tcase_add_test(tests, parts_become_members_of_the_input);
	tcase_add_test(tests, a_reason_is_cut_and_stays_text);
	tcase_add_test(tests, input_is_proved_before_jq_sees_it);
	tcase_add_test(tests, a_huge_input_passes_or_fails_alone);
	return check_run("template", tests);
}
