/* test_template.c - templates: which names they may use, and what becomes of hostile ones in a
 * confined helper process. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "batch/template_check.h"
#include "batch/template_jq.h"
#include "batch/template_names.h"
#include "pool/confine.h"
#include "tests/unit/pool/helper_kit.h"

#define SMALL "{body: {model: \"x\", messages: [{role: \"user\", content: .item}]}}"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* ---- names ---- */

struct name_case {
	const char *text;
	long offset; /* of what is refused; -1: nothing is */
};

static const struct name_case name_cases[] = {
	{SMALL, -1},
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

static enum err_code make(const char *text, struct template **ret_template, struct err *err)
{
	const struct template_source source = {
		"rewrite", TEMPLATE_RESPONSE, span_of(text), "gate.yaml", 12, 6};

	return template_new(&source, ret_template, err);
}

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

/* ---- compiling ---- */

static struct template *made(const char *text)
{
	struct template *template;
	struct err err;

	ck_assert_msg(make(text, &template, &err) == ERR_OK, "%s", err.detail);
	return template;
}

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

/* ---- evaluating ---- */

static void ask_parts(struct helper_kit *kit, struct kit_answer *answer,
	const struct template *template, const struct template_part *parts, size_t count,
	uint64_t limit_us)
{
	char *bytes;
	size_t len;

	kit_answer_init(answer, kit);
	ck_assert_int_eq(template_question(template, parts, count, 1u << 20, &bytes, &len), ERR_OK);
	ck_assert_int_eq(kit_try_ask(kit, answer, bytes, len, limit_us, CLOCK_NEVER), ERR_OK);
}

static void ask_item(struct helper_kit *kit, struct kit_answer *answer,
	const struct template *template, const char *item, uint64_t limit_us)
{
	const struct template_part part = {"item", span_of(item)};

	ask_parts(kit, answer, template, &part, 1, limit_us);
}

static struct template *told(struct helper_kit *kit, const char *text)
{
	struct template *template = made(text);

	ck_assert_int_eq(
		helper_tell(kit->set, template_id(template), template_text(template), clock_us()),
		ERR_OK);
	return template;
}

static struct template_answer read_answer(const struct kit_answer *answer)
{
	ck_assert_uint_eq(answer->times, 1);
	return template_read(answer->outcome, (struct span){answer->text.ptr, answer->text.len});
}

static void expect(struct kit_answer *answer, bool ok, const char *text)
{
	struct template_answer got = read_answer(answer);

	ck_assert_msg(got.ok == ok && strlen(text) == got.text.len &&
			      memcmp(text, got.text.ptr, got.text.len) == 0,
		"%d %.*s, expected %s", got.ok, (int)got.text.len, got.text.ptr, text);
	buf_free(&answer->text);
}

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

/* ---- hostile programs ---- */

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

START_TEST(a_template_that_was_dropped_is_no_more_and_others_are_untouched)
{
	struct helper_kit kit;
	struct kit_answer answers[2];
	struct template *first, *second;

	kit_open(&kit, template_jq_serve, 1);
	first = told(&kit, "1");
	second = told(&kit, "2");
	helper_drop(kit.set, template_id(first), clock_us());
	ask_item(&kit, &answers[0], first, "1", 20 * KIT_SECOND);
	ask_item(&kit, &answers[1], second, "1", 20 * KIT_SECOND);
	kit_run(&kit, 2);
	expect(&answers[0], false, "there is no such template any more");
	expect(&answers[1], true, "2");
	template_unref(first);
	template_unref(second);
	kit_close(&kit);
}
END_TEST

START_TEST(a_thousand_evaluations_get_one_right_answer_each_whoever_is_killed)
{
	struct helper_kit kit;
	struct kit_answer *answers = mem_new(1000 * sizeof *answers);
	struct template *template;
	uint32_t random = 99;
	size_t killed = 0, right = 0;

	kit_open(&kit, template_jq_serve, 2);
	template = told(&kit, "{n: (.item + 1)}");
	for (size_t i = 0; i < 1000; i++) {
		char item[32];

		snprintf(item, sizeof item, "%zu", i);
		ask_item(&kit, &answers[i], template, item, 60 * KIT_SECOND);
	}
	while (kit.answered < 1000) {
		pid_t pids[KIT_CHILDREN_MAX];
		size_t count;

		random = random * 1664525 + 1013904223;
		if (random >> 27 == 0 && (count = kit_children(forker_pid(kit.forker), pids)) > 0)
			killed += kill(pids[(random >> 8) % count], SIGKILL) == 0;
		kit_turn(&kit, KIT_SECOND);
	}
	for (size_t i = 0; i < 1000; i++) {
		struct template_answer got = read_answer(&answers[i]);
		char expected[32];

		snprintf(expected, sizeof expected, "{\"n\":%zu}", i + 1);
		right += got.ok;
		if (got.ok)
			expect(&answers[i], true, expected);
		else
			ck_assert_int_eq(answers[i].outcome, HELPER_DIED);
		buf_free(&answers[i].text);
	}
	ck_assert_uint_gt(killed, 2);
	ck_assert_uint_ge(right + killed, 1000);
	mem_free(answers);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

/* ---- walls ---- */

static size_t count_open(pid_t pid)
{
	char path[64];
	size_t count = 0;
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (!folder) { /* not dumpable, and we are not root: that is a wall too */
		ck_assert_int_eq(errno, EACCES);
		return 1 + SANITIZED;
	}
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

static size_t environment_bytes(pid_t pid)
{
	char path[64];
	size_t count = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (!file) {
		ck_assert_int_eq(errno, EACCES);
		return 0;
	}
	while ((c = getc(file)) != EOF)
		count += c != '\0';
	fclose(file);
	return count;
}

START_TEST(a_helper_has_one_descriptor_and_nothing_of_the_environment)
{
	struct helper_kit kit;
	pid_t pids[KIT_CHILDREN_MAX];
	int extra = dup(STDERR_FILENO);

	kit_open(&kit, template_jq_serve, 2);
	kit_run_until_ready(&kit, 2);
	ck_assert_uint_eq(kit_children(forker_pid(kit.forker), pids), 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(count_open(pids[i]), 1 + SANITIZED);
		ck_assert_uint_eq(environment_bytes(pids[i]), 0);
	}
	ck_assert_uint_eq(environment_bytes(forker_pid(kit.forker)), 0);
	close(extra);
	kit_close(&kit);
}
END_TEST

/* Walls are tried by code that does what no jq program should get as far as: a helper that was
 * taken over. */
static void trespass_serve(int fd)
{
	char remarks[CONFINE_REMARKS_SIZE];
	struct servant servant;
	struct helper_frame frame;
	struct span bytes;
	long got = -1;

	if (!confine_process(fd, 256u << 20, remarks))
		_exit(1);
	servant_init(&servant, CONFINE_FD);
	if (!servant_ready(&servant, remarks))
		_exit(1);
	while (servant_next(&servant, &frame, &bytes)) {
		if (frame.kind != HELPER_ASK)
			continue;
		switch (bytes.ptr[0]) {
		case 'f':
			got = fork();
			break;
		case 'o':
			got = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
			break;
		case 's':
			got = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			break;
		case 'x':
			got = execve("/bin/true", (char *[]){NULL}, (char *[]){NULL});
			break;
		case 'k':
			got = kill(getppid(), 0);
			break;
		case 'm':
			got = mprotect((void *)((uintptr_t)&frame & ~(uintptr_t)4095), 4096,
				PROT_READ | PROT_WRITE | PROT_EXEC);
			break;
		default:
			got = 0;
		}
		if (!servant_answer(&servant, frame.id, SPAN(""),
			    got >= 0 ? SPAN("done") : SPAN("refused")))
			_exit(1);
	}
}

START_TEST(a_helper_that_was_taken_over_reaches_nothing)
{
	static const char tries[] = "fosxkm";
	struct helper_kit kit;
	struct kit_answer answer;

	kit_open(&kit, trespass_serve, 1);
	for (size_t i = 0; tries[i]; i++) {
		kit_answer_init(&answer, &kit);
		ck_assert_int_eq(kit_try_ask(&kit, &answer, mem_copy(tries + i, 1), 1,
					 20 * KIT_SECOND, CLOCK_NEVER),
			ERR_OK);
		kit_run(&kit, i + 1);
		ck_assert_uint_eq(answer.times, 1);
		ck_assert_msg(answer.outcome == HELPER_DIED ||
				      (SANITIZED && span_equals((struct span){answer.text.ptr,
									answer.text.len},
							    "refused")),
			"%c: %s (%s)", tries[i], answer.text.ptr ? answer.text.ptr : "",
			kit.remarks);
		buf_free(&answer.text);
	}
	ck_assert_str_eq(kit.remarks, "");
	kit_close(&kit);
}
END_TEST

/* ---- what the program makes of answers ---- */

START_TEST(what_a_helper_says_is_proved)
{
	const struct {
		struct span answer;
		bool ok;
	} tests[] = {{SPAN("\1[1]"), true}, {SPAN("\1"), true}, {SPAN("\1[1"), false},
		{SPAN("\1[1]\n\"x\":"), false}, {SPAN("\1\"\xff\""), false}, {SPAN(""), false},
		{SPAN("\3[1]"), false}, {SPAN("\2why"), false}, {SPAN("\2\xff"), false}};

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		struct template_answer got = template_read(HELPER_OK, tests[i].answer);

		ck_assert_int_eq(got.ok, tests[i].ok);
		ck_assert(got.ok || got.text.len > 0);
	}
	for (int outcome = HELPER_LATE; outcome <= HELPER_UNAVAILABLE; outcome++)
		ck_assert(!template_read((enum helper_outcome)outcome, SPAN("\1[1]")).ok);
}
END_TEST

/* The serving within this process, where a sanitizer sees what jq is given and what is left. */
static void *serve_here(void *fd)
{
	struct servant servant;

	servant_init(&servant, *(const int *)fd);
	template_jq_loop(&servant, "here");
	servant_free(&servant);
	close(*(const int *)fd);
	return NULL;
}

static void say(int fd, enum helper_kind kind, uint64_t id, const char *bytes, size_t len)
{
	const struct helper_frame frame = {(uint32_t)len, kind, id};

	ck_assert_int_eq((int)send(fd, &frame, sizeof frame, MSG_NOSIGNAL), (int)sizeof frame);
	if (len > 0)
		ck_assert_int_eq((int)send(fd, bytes, len, MSG_NOSIGNAL), (int)len);
}

static struct helper_frame hear(int fd, char *bytes, size_t size)
{
	struct helper_frame frame;

	ck_assert_int_eq((int)recv(fd, &frame, sizeof frame, MSG_WAITALL), (int)sizeof frame);
	ck_assert_uint_lt(frame.len, size);
	ck_assert_int_eq((int)recv(fd, bytes, frame.len, MSG_WAITALL), (int)frame.len);
	bytes[frame.len] = '\0';
	return frame;
}

START_TEST(serving_leaves_nothing_behind)
{
	const struct template_part part = {"item", SPAN("[\"a\", {\"b\": 1.5}]")};
	static const char *const programs[] = {
		SMALL, "empty", "1, 2", "error(\"x\")", ".item[1].b", "{a: [.item, .item]}"};
	enum { PROGRAMS = sizeof programs / sizeof *programs };
	pthread_t thread;
	char bytes[1024], *question;
	size_t len;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_here, &ends[1]), 0);
	ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).kind, HELPER_READY);
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct template *template = made(programs[i]);
		struct span text = template_text(template);

		say(ends[0], HELPER_TELL, template_id(template), text.ptr, text.len);
		ck_assert_int_eq(
			template_question(template, &part, 1, 4096, &question, &len), ERR_OK);
		say(ends[0], HELPER_ASK, i, question, len);
		mem_free(question);
		ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).id, i);
		ck_assert_int_eq(bytes[0], i == 0 || i > 3 ? 1 : 2);
		ck_assert_int_eq(template_compile_question(template, &question, &len), ERR_OK);
		say(ends[0], HELPER_ASK, i, question, len);
		mem_free(question);
		ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).len, 1);
		if (i % 2)
			say(ends[0], HELPER_DROP, template_id(template), NULL, 0);
		template_unref(template);
	}
	say(ends[0], HELPER_ASK, 99, "short", 5);
	ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).id, 99);
	ck_assert_int_eq(bytes[0], 2);
	close(ends[0]);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch/template");
	TCase *tcase = tcase_create("template");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 280);
	tcase_add_loop_test(tcase, names_are_judged_wherever_they_stand, 0,
		sizeof name_cases / sizeof *name_cases);
	tcase_add_test(tcase, brackets_nest_up_to_a_bound);
	tcase_add_test(tcase, a_name_is_refused_with_file_line_and_column);
	tcase_add_test(tcase, a_program_has_at_most_16_kib);
	tcase_add_test(tcase, what_does_not_compile_is_refused_with_its_line);
	tcase_add_loop_test(tcase, an_evaluation_gives_exactly_one_output_or_says_why_not, 0,
		sizeof eval_cases / sizeof *eval_cases);
	tcase_add_test(tcase, parts_become_members_of_the_input);
	tcase_add_test(tcase, a_reason_is_cut_and_stays_text);
	tcase_add_test(tcase, input_is_proved_before_jq_sees_it);
	tcase_add_test(tcase, a_huge_input_passes_or_fails_alone);
	tcase_add_loop_test(tcase, a_hostile_program_fails_in_time_and_the_next_ones_succeed, 0,
		sizeof hostile / sizeof *hostile);
	if (!SANITIZED) /* its shadow memory allows no such limit */
		tcase_add_test(tcase, a_program_that_takes_all_memory_is_told_so);
	tcase_add_test(tcase, a_program_that_computes_for_seconds_is_ended);
	tcase_add_test(tcase, a_template_that_was_dropped_is_no_more_and_others_are_untouched);
	tcase_add_test(tcase, a_thousand_evaluations_get_one_right_answer_each_whoever_is_killed);
	tcase_add_test(tcase, a_helper_has_one_descriptor_and_nothing_of_the_environment);
	tcase_add_test(tcase, a_helper_that_was_taken_over_reaches_nothing);
	tcase_add_test(tcase, what_a_helper_says_is_proved);
	tcase_add_test(tcase, serving_leaves_nothing_behind);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
