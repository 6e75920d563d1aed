/* toy_helper.h - a helper process in place of jq that does what its question says; and the asking.
 *
 * e TEXT: says TEXT; n ID: says the note; b LEN: says as much; d: dies; h: hangs; l: leaves;
 * w: answers another question than the one asked; i: says who it is; v: what its environment is */
#ifndef TESTS_UNIT_POOL_TOY_HELPER_H
#define TESTS_UNIT_POOL_TOY_HELPER_H
#include "tests/unit/pool/helper_kit.h"

void toy_serve(int fd); /* for forker_start */

static inline void ask(struct helper_kit *kit, struct kit_answer *answer, const char *text)
{
	kit_answer_init(answer, kit);
	ck_assert_int_eq(kit_try_ask(kit, answer, mem_copy(text, strlen(text)), strlen(text),
				 30 * KIT_SECOND, CLOCK_NEVER),
		ERR_OK);
}

static inline void expect(struct kit_answer *answer, enum helper_outcome outcome, const char *text)
{
	ck_assert_uint_eq(answer->times, 1);
	ck_assert_int_eq(answer->outcome, outcome);
	ck_assert_str_eq(answer->text.ptr ? answer->text.ptr : "", text);
	buf_free(&answer->text);
}

static inline void ask_of(struct helper_kit *kit, struct kit_answer *answer, const void *caller,
	const void *asker, uint64_t note, const char *text)
{
	struct helper_question question = {.caller = caller,
		.asker = asker,
		.note = note,
		.bytes = mem_copy(text, strlen(text)),
		.len = strlen(text),
		.limit_us = 5 * KIT_SECOND,
		.deadline_us = CLOCK_NEVER,
		.done = kit_on_done,
		.arg = answer};

	kit_answer_init(answer, kit);
	ck_assert_int_eq(helper_ask(kit->set, &question, clock_us(), NULL), ERR_OK);
}

static inline void ask_as(struct helper_kit *kit, struct kit_answer *answer, const void *asker,
	uint64_t note, const char *text)
{
	ask_of(kit, answer, NULL, asker, note, text);
}
#endif
