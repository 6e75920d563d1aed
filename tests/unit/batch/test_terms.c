/* test_terms.c - what a batch's or a feed's items have in common: what callers may see of an
 * answer, which guard and bounds hold, and that memory is counted. */
#include "batch/terms.h"
#include "tests/harness/check_main.h"
#include "tests/unit/batch/kit.h"

static struct kit kit;
static struct terms terms;
static struct config_endpoint config;
static struct endpoint endpoint;
static struct endpoint_use use;
static char name[] = "score";

static void begin(void)
{
	const struct batch_env env = {kit.config, kit.guard, NULL, &kit.budget};
	struct err err;

	terms_init(&terms, &env, kit.caller);
	config = (struct config_endpoint){.name = name};
	endpoint = (struct endpoint){.config = &config};
	use = (struct endpoint_use){.endpoint = &endpoint};
	ck_assert_int_eq(guard_new(kit.config, 0, &endpoint.guard, &err), ERR_OK);
}

static void end(void)
{
	guard_unref(endpoint.guard);
	terms_free(&terms);
}

/* Only an endpoint that exposes its errors shows headers, and bodies of failures. */
START_TEST(a_caller_sees_of_a_named_answer_what_the_operator_lets_it_see)
{
	static const struct {
		bool named, exposes, asked, headers, errors;
	} rows[] = {
		{false, false, false, false, false},
		{false, false, true, true, false},
		{true, false, false, false, false},
		{true, false, true, false, false},
		{true, true, false, false, true},
		{true, true, true, true, true},
	};

	kit_init(&kit);
	begin();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct result_view view;

		config.expose_errors = rows[i].exposes;
		terms.use = rows[i].named ? &use : NULL;
		terms.options.include_headers = rows[i].asked;
		terms.options.include_timing = !rows[i].asked;
		terms.options.include_body = INCLUDE_FAILED;
		view = terms_view(&terms, i, SPAN("7"), NULL);
		ck_assert_uint_eq(view.index, i);
		ck_assert(span_equals(view.id, "7"));
		ck_assert(view.named == rows[i].named);
		ck_assert(view.include_headers == rows[i].headers);
		ck_assert(view.expose_errors == rows[i].errors);
		ck_assert(view.include_timing == !rows[i].asked);
		ck_assert_int_eq(view.include_body, INCLUDE_FAILED);
		ck_assert(!view.fallback_used && view.result.len == 0);
	}
	end();
	kit_free(&kit);
}
END_TEST

START_TEST(what_a_task_made_is_shown)
{
	const struct task task = {.result = SPAN("[1]"), .fallback_used = true};
	struct result_view view;

	kit_init(&kit);
	begin();
	terms.use = &use;
	view = terms_view(&terms, 0, SPAN("null"), &task);
	ck_assert(view.fallback_used && span_equals(view.result, "[1]"));
	end();
	kit_free(&kit);
}
END_TEST

START_TEST(an_endpoint_brings_its_guard_and_its_bounds)
{
	struct pool_group_options group;

	kit_init(&kit);
	begin();
	terms.options.concurrency = 3;
	terms.options.rate_per_s = 0.5;
	terms.options.stop_on_error = true;
	group = terms_group(&terms, 77);
	ck_assert_ptr_eq(group.caller, kit.caller);
	ck_assert_ptr_eq(group.guard, kit.guard);
	ck_assert_ptr_null(group.endpoint);
	ck_assert(group.concurrency == 3 && group.rate_per_s == 0.5 && group.stop_on_error);
	ck_assert_uint_eq(group.deadline_us, 77);
	ck_assert_ptr_eq(terms_item_env(&terms, NULL, NULL).guard, kit.guard);
	terms.use = &use;
	group = terms_group(&terms, 77);
	ck_assert_ptr_eq(group.guard, endpoint.guard);
	ck_assert_str_eq(group.endpoint, name);
	ck_assert_ptr_eq(terms_item_env(&terms, NULL, NULL).guard, endpoint.guard);
	ck_assert_ptr_eq(terms_task_env(&terms).item.use, &use);
	ck_assert_ptr_eq(terms_task_env(&terms).caller, kit.caller);
	end();
	kit_free(&kit);
}
END_TEST

static size_t render(struct result_view view, const struct outcome *outcome, enum err_code expected)
{
	struct result_measure measure;
	enum err_code code;
	char *bytes;
	size_t len;

	result_measure(&view, outcome, &measure);
	code = terms_render(&terms, &view, outcome, &measure, &bytes, &len);
	ck_assert_int_eq(code, expected);
	ck_assert_uint_eq(mem_used(&kit.budget), code == ERR_OK ? mem_block(measure.bytes) : 0);
	if (code == ERR_OK) {
		mem_free(bytes);
		mem_give(&kit.budget, mem_block(measure.bytes));
	}
	return mem_block(measure.bytes);
}

START_TEST(a_rendered_result_is_charged_and_nothing_is_where_there_is_no_room)
{
	struct outcome outcome = {.status = 200};
	char body[4000];
	size_t charged;

	kit_init(&kit);
	begin();
	memset(body, 'x', sizeof body); /* not one that is made on the stack */
	buf_init(&outcome.body, SIZE_MAX / 2);
	ck_assert_int_eq(buf_add(&outcome.body, body, sizeof body), ERR_OK);
	charged = render(terms_view(&terms, 0, SPAN("null"), NULL), &outcome, ERR_OK);
	kit.budget.limit = charged;
	render(terms_view(&terms, 0, SPAN("null"), NULL), &outcome, ERR_OK);
	kit.budget.limit = charged - 1;
	render(terms_view(&terms, 0, SPAN("null"), NULL), &outcome, ERR_LIMIT);
	kit.budget.limit = charged;
	mem_fail_at(1);
	render(terms_view(&terms, 0, SPAN("null"), NULL), &outcome, ERR_NOMEM);
	mem_fail_at(0);
	buf_free(&outcome.body);
	end();
	kit_free(&kit);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_caller_sees_of_a_named_answer_what_the_operator_lets_it_see,
		what_a_task_made_is_shown, an_endpoint_brings_its_guard_and_its_bounds,
		a_rendered_result_is_charged_and_nothing_is_where_there_is_no_room};

	return check_main("terms", tests, sizeof tests / sizeof *tests);
}
