/* batch_kit.h - a batch of one kit: parsed and started, and its document looked into. */
#ifndef TESTS_UNIT_BATCH_BATCH_KIT_H
#define TESTS_UNIT_BATCH_BATCH_KIT_H
#include "batch/scan.h"
#include "tests/unit/batch/kit.h"
#include "tests/unit/batch/kit_main.h"

#define E "\"url\":\"http://e.com/\""

static struct kit kit;

static inline void start(const char *text)
{
	fakepool_reset();
	kit.completed = kit.reported = kit.reported_failed = 0;
	memset(kit.codes, 0, sizeof kit.codes);
	ck_assert_msg(kit_parse(&kit, text) == ERR_OK, "%s: %s", text, kit.problem.detail);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
}

static inline void assert_document_has(const char *text)
{
	char *document = kit_document(&kit, 13);

	ck_assert_msg(strstr(document, text) != NULL, "%s not in %s", text, document);
	ck_assert(scan_check(span_of(document), 70, NULL));
	mem_free(document);
}
#endif
