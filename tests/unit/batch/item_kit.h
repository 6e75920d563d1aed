/* item_kit.h - a batch of one item: the request that it became, or why it became none. */
#ifndef TESTS_UNIT_BATCH_ITEM_KIT_H
#define TESTS_UNIT_BATCH_ITEM_KIT_H
#include "tests/unit/batch/kit.h"
#include "tests/unit/batch/kit_main.h"

#define E "\"url\":\"http://e.com/\""

static struct kit kit;

/* Parses and starts a batch with this one item and these defaults (NULL: none). */
static inline void run(const char *item, const char *defaults)
{
	struct buf text;

	fakepool_reset();
	kit.completed = kit.reported = 0;
	buf_init(&text, SIZE_MAX / 2);
	ck_assert_int_eq(buf_addf(&text, "{\"defaults\":%s,\"items\":[%s]}",
				 defaults ? defaults : "{}", item),
		ERR_OK);
	ck_assert_msg(kit_parse_bytes(&kit, text.ptr, text.len, NULL) == ERR_OK, "%s: %s", text.ptr,
		kit.problem.detail);
	ck_assert_int_eq(kit_start(&kit), ERR_OK);
	buf_free(&text);
}

static inline void end_all(void)
{
	for (size_t i = 0; i < fakepool.count; i++)
		fakepool_answer(fakepool.calls[i], (struct fakepool_answer){.status = 204});
	ck_assert_uint_eq(kit.completed, 1);
}

/* The one call's request; the test ends it with end_all. */
static inline const struct request *request_of(const char *item, const char *defaults)
{
	run(item, defaults);
	ck_assert_msg(fakepool.count == 1, "%s: %s", item, kit.last_message);
	return &fakepool.calls[0]->request;
}

static inline bool has_line(const struct request *request, const char *line)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (strcmp(request->headers[i], line) == 0)
			return true;
	}
	return false;
}

static inline bool has_name(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (strncasecmp(request->headers[i], name, strlen(name)) == 0)
			return true;
	}
	return false;
}

static inline void assert_refused(
	const char *item, const char *defaults, const char *code, const char *reason)
{
	char *document, expected[128];

	run(item, defaults);
	ck_assert_msg(fakepool.count == 0, "%s was taken", item);
	document = kit_document(&kit, 100);
	snprintf(expected, sizeof expected,
		"\"reason\":\"%s\",\"retryable\":false,\"sent\":false},\"attempts\":0,\"duration_"
		"ms\":0.0}",
		reason);
	ck_assert_msg(
		strstr(document, expected) != NULL, "%s: %s not in %s", item, expected, document);
	snprintf(expected, sizeof expected, "\"error\":{\"code\":\"%s\"", code);
	ck_assert_msg(
		strstr(document, expected) != NULL, "%s: %s not in %s", item, expected, document);
	mem_free(document);
}
#endif
