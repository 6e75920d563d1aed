/* test_template_time.c - what an evaluation costs in CPU, program and helper process together,
 * beside a bare loop over libjq in the same run. */
#include <jq.h>
#include <sys/resource.h>

#include "batch/template.h"
#include "batch/template_jq.h"
#include "tests/unit/pool/helper_kit.h"

#define PROGRAM "{body: {model: \"x\", messages: [{role: \"user\", content: .item}]}}"

enum { BODY_BYTES = 1000, EVALUATIONS = 5000, AHEAD = 8, TRIES = 5, COST_MAX_US = 60 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 10 }; /* what a sanitizer makes of our part; libjq is not instrumented */
#else
enum { SLOWER = 1 };
#endif

static double cpu_us(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void make_body(char body[BODY_BYTES])
{
	for (size_t i = 0; i < BODY_BYTES; i++)
		body[i] = i % 7 == 0 ? ' ' : 'a';
	body[0] = body[BODY_BYTES - 1] = '"';
}

static double bare_us(const char *body)
{
	jq_state *jq = jq_init();
	double begun;

	ck_assert_int_ne(jq_compile(jq, PROGRAM), 0);
	begun = cpu_us(RUSAGE_SELF);
	for (size_t i = 0; i < EVALUATIONS; i++) {
		jq_start(jq,
			jv_object_set(
				jv_object(), jv_string("item"), jv_parse_sized(body, BODY_BYTES)),
			0);
		jv_free(jv_dump_string(jq_next(jq), 0));
		jv_free(jq_next(jq));
	}
	begun = cpu_us(RUSAGE_SELF) - begun;
	jq_teardown(&jq);
	return begun / EVALUATIONS;
}

static void run(struct helper_kit *kit, const struct template *template, const char *body)
{
	const struct template_part parts[] = {
		{"item", {body, BODY_BYTES}}, {"index", SPAN("7")}, {"params", SPAN("{}")}};
	static struct kit_answer answers[EVALUATIONS];
	size_t asked = 0, end = kit->answered + EVALUATIONS, begin = kit->answered;

	while (kit->answered < end) {
		for (; asked < EVALUATIONS && asked - (kit->answered - begin) < AHEAD; asked++) {
			char *bytes;
			size_t len;

			kit_answer_init(&answers[asked], kit);
			ck_assert_int_eq(
				template_question(template, parts, 3, 1u << 20, &bytes, &len),
				ERR_OK);
			ck_assert_int_eq(kit_try_ask(kit, &answers[asked], bytes, len,
						 10 * KIT_SECOND, CLOCK_NEVER),
				ERR_OK);
		}
		kit_turn(kit, KIT_SECOND);
	}
	for (size_t i = 0; i < EVALUATIONS; i++) {
		ck_assert_int_eq(answers[i].outcome, HELPER_OK);
		ck_assert_uint_gt(answers[i].text.len, BODY_BYTES);
		buf_free(&answers[i].text);
	}
}

/* The helper's time is known once it and the forker are reaped: its start and compiling are
 * in it. */
static double helper_us(const struct template *template, const char *body)
{
	struct helper_kit kit;
	double own = cpu_us(RUSAGE_SELF), children = cpu_us(RUSAGE_CHILDREN);

	kit_open(&kit, template_jq_serve, 1);
	ck_assert_int_eq(
		helper_tell(kit.set, template_id(template), template_text(template), clock_us()),
		ERR_OK);
	run(&kit, template, body);
	kit_close(&kit);
	return (cpu_us(RUSAGE_SELF) - own + cpu_us(RUSAGE_CHILDREN) - children) / EVALUATIONS;
}

START_TEST(a_small_evaluation_costs_at_most_60_us_where_the_bare_library_does_not_cost_more)
{
	const struct template_source source = {
		"bench", TEMPLATE_REQUEST, span_of(PROGRAM), "gate.yaml", 1, 0};
	struct template *template;
	char body[BODY_BYTES];
	double best = 1e9, bare = 0, allowed = 0;

	make_body(body);
	ck_assert_int_eq(template_new(&source, &template, NULL), ERR_OK);
	for (size_t i = 0; i < TRIES && best > allowed; i++) {
		double now = helper_us(template, body);

		bare = bare_us(body);
		allowed = SLOWER * (bare > COST_MAX_US ? bare : COST_MAX_US);
		best = now < best ? now : best;
	}
	printf("%.1f us an evaluation, bare libjq loop %.1f us\n", best, bare);
	ck_assert_msg(best <= allowed, "%.1f us, %.1f are allowed", best, allowed);
	template_unref(template);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch/template_time");
	TCase *tcase = tcase_create("time");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase,
		a_small_evaluation_costs_at_most_60_us_where_the_bare_library_does_not_cost_more);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
