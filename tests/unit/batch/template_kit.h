/* template_kit.h - templates given to a helper process, and what it answers. */
#ifndef TESTS_UNIT_BATCH_TEMPLATE_KIT_H
#define TESTS_UNIT_BATCH_TEMPLATE_KIT_H
#include "batch/template.h"
#include "batch/template_jq.h"
#include "tests/harness/check_main.h"
#include "tests/unit/pool/helper_kit.h"

#define SMALL "{body: {model: \"x\", messages: [{role: \"user\", content: .item}]}}"

static inline enum err_code make(const char *text, struct template **ret_template, struct err *err)
{
	const struct template_source source = {
		"rewrite", TEMPLATE_RESPONSE, span_of(text), "gate.yaml", 12, 6};

	return template_new(&source, ret_template, err);
}

static inline struct template *made(const char *text)
{
	struct template *template;
	struct err err;

	ck_assert_msg(make(text, &template, &err) == ERR_OK, "%s", err.detail);
	return template;
}

static inline void ask_parts(struct helper_kit *kit, struct kit_answer *answer,
	const struct template *template, const struct template_part *parts, size_t count,
	uint64_t limit_us)
{
	char *bytes;
	size_t len;

	kit_answer_init(answer, kit);
	ck_assert_int_eq(template_question(template, parts, count, 1u << 20, &bytes, &len), ERR_OK);
	ck_assert_int_eq(kit_try_ask(kit, answer, bytes, len, limit_us, CLOCK_NEVER), ERR_OK);
}

static inline void ask_item(struct helper_kit *kit, struct kit_answer *answer,
	const struct template *template, const char *item, uint64_t limit_us)
{
	const struct template_part part = {"item", span_of(item)};

	ask_parts(kit, answer, template, &part, 1, limit_us);
}

static inline struct template *told(struct helper_kit *kit, const char *text)
{
	struct template *template = made(text);

	ck_assert_int_eq(
		helper_tell(kit->set, template_id(template), template_text(template), clock_us()),
		ERR_OK);
	return template;
}

static inline struct template_answer read_answer(const struct kit_answer *answer)
{
	ck_assert_uint_eq(answer->times, 1);
	return template_read(answer->outcome, (struct span){answer->text.ptr, answer->text.len});
}

static inline void expect(struct kit_answer *answer, bool ok, const char *text)
{
	struct template_answer got = read_answer(answer);

	ck_assert_msg(got.ok == ok && strlen(text) == got.text.len &&
			      memcmp(text, got.text.ptr, got.text.len) == 0,
		"%d %.*s, expected %s", got.ok, (int)got.text.len, got.text.ptr, text);
	buf_free(&answer->text);
}
#endif
