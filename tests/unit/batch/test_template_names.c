/* test_template_names.c - templates: which names a program may use, found without running it. */
#include "batch/template_names.h"

#include <string.h>

#include "tests/harness/check_main.h"

struct name_case {
	const char *text;
	long offset; /* of what is refused; -1: nothing is */
};

static const struct name_case name_cases[] = {
	{"{body: {model: \"x\", messages: [{role: \"user\", content: .item}]}}", -1},
	{".", -1},
	{".input", -1},
	{".env.input", -1},
	{"..|.env?", -1},
	{"{env: 1}", -1},
	{"{input}", -1},
	{"{a: 1, input, env: 2}", -1},
	{"{if: 1, end: 2, def: 3, and: 4}", -1},
	{"{\"env\": 1, \"a b\": .input}", -1},
	{"\"input\"", -1},
	{"\"\\\"input\"", -1},
	{"\"env \\(.env) input\"", -1},
	{"\"a\\(\"b\\(.item)c\")d\" | ascii_downcase", -1},
	{"# input\n.", -1},
	{". # env", -1},
	{". as $env | $env", -1},
	{". as {input: $x} | $x", -1},
	{". as [$a, {env: $b}] | $a + $b", -1},
	{"def f(g; $x): g + $x + x; f(1; 2)", -1},
	{"def input_of: .item; input_of", -1},
	{"reduce .item[] as $i (0; . + $i)", -1},
	{"foreach .item[] as $i (0; . + $i; [$i, .])", -1},
	{"label $out | 1, break $out", -1},
	{"if .item then 1 elif 2 then 3 else 4 end", -1},
	{"{a: (if .item, 1 then 2 else 3 end), b: 1}", -1},
	{"try error(\"x\") catch .", -1},
	{".item | @base64 \"x\\(.)\"", -1},
	{"$__loc__", -1},
	{"now | todate", -1},
	{".[1:2] | .[.a:]", -1},
	{"1.5e3 + .5 + 1. + 1e+2", -1},
	{".item?.a?//\"none\"", -1},
	{"\"\xc3\xa9\"", -1},
	{"env", 0},
	{"  $ENV", 3},
	{"$ ENV", 2},
	{"$__prog_args", 1},
	{"input", 0},
	{"[inputs]", 1},
	{".a | debug", 5},
	{"debug(1)", 0},
	{"stderr", 0},
	{"input_filename", 0},
	{"input_line_number", 0},
	{"halt", 0},
	{"1, halt_error", 3},
	{"get_search_list", 0},
	{"modulemeta", 0},
	{"localtime", 0},
	{"builtins", 0},
	{"import \"a\" as $d; .", 0},
	{"include \"a\"; .", 0},
	{"a::b", 0},
	{"_modify(.a; 1)", 0},
	{"nothing_of_jq", 0},
	{"{a: input}", 4},
	{"{a: 1 | input, b: 2}", 8},
	{"{(env): 1}", 2},
	{"{\"\\(env)\": 1}", 4},
	{"{a: if 1, input then 2 else 3 end}", 10},
	{"{a: try input, b: 1}", 8},
	{".[env:]", 2},
	{".[1:input]", 4},
	{"\"\\(env)\"", 3},
	{"\"a\\(\"b\\(env)\")\"", 8},
	{"\"\\u0041\\(env)\"", 9},
	{"\"\\u(env)\" | env", 12},
	{"\"\\\\\" | env", 7},
	{"..env", 2},
	{"1.env", 2},
	{"1eenv", 1},
	{"# a\nenv", 4},
	{"# a \\\n\"\nenv\n\"", 0},
	{"# \"\r env #\"", 3},
	{"1 env", 2},
	{"@text env", 6},
	{"def env: 1; env", 4},
	{"(def input: 1; 2) | input", 5},
	{"def f(env): env; f(1)", 6},
	{"def f($input): input; f(1)", 7},
	{"def _f: 1; _f", 4},
	{"{a: def f: 1, input; f}", 4},
	{"\"open", 0},
	{"(.a", 3},
	{".a)", 2},
	{"{a: end}", 4},
	{"\"a\x01\"", 2},
	{"\xff", 0},
};

START_TEST(names_are_judged_wherever_they_stand)
{
	const struct name_case *test = &name_cases[_i];
	struct template_fault fault = {.offset = 0};
	bool fine = template_names_check(span_of(test->text), &fault);

	ck_assert_msg(
		fine == (test->offset < 0), "%s: %s", test->text, fine ? "taken" : fault.what);
	if (!fine)
		ck_assert_msg(fault.offset == (size_t)test->offset, "%s: %s at %zu, not %ld",
			test->text, fault.what, fault.offset, test->offset);
}
END_TEST

START_TEST(brackets_nest_up_to_a_bound)
{
	struct template_fault fault;
	char text[2 * 300 + 1];

	for (size_t depth = 256; depth <= 257; depth++) {
		memset(text, '(', depth);
		memset(text + depth, ')', depth);
		text[depth] = '1';
		text[2 * depth] = '\0';
		text[2 * depth - 1] = ')';
		ck_assert_int_eq(template_names_check((struct span){text, depth}, &fault), 0);
		ck_assert_uint_eq(fault.offset, depth > 256 ? 256 : depth);
	}
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_loop_test(
		tests, names_are_judged_wherever_they_stand, 0, CHECK_COUNT(name_cases));
	tcase_add_test(tests, brackets_nest_up_to_a_bound);
	return check_run("template_names", tests);
}
