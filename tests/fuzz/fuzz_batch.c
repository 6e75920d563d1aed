/* fuzz_batch.c - any bytes as a request: it is refused with a problem that renders, or every item
 * gets its one result and the document is JSON with the results in order; all memory is given back.
 * The input is also what the upstreams answer. */
#include <stdlib.h>

#include "batch/scan.h"
#include "tests/unit/batch/kit.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fail_unless(bool cond)
{
	if (!cond)
		abort();
}

static void check_result(struct span result, size_t index)
{
	struct scan_walk walk;
	struct scan_member member;
	char text[32];

	snprintf(text, sizeof text, "%zu", index);
	scan_begin(&walk, result);
	fail_unless(scan_next(&walk, &member) && scan_name_is(member.name, "index") &&
		    span_equals(member.value, text));
	fail_unless(scan_next(&walk, &member) && scan_name_is(member.name, "id"));
	fail_unless(scan_next(&walk, &member) && scan_name_is(member.name, "success"));
}

static void check_document(struct kit *kit, size_t step)
{
	struct batch_summary summary;
	struct scan_walk walk, results;
	struct scan_member member;
	char *text = kit_document(kit, step);
	struct span document = {text, strlen(text)};
	size_t count = 0;

	fail_unless(scan_check(document, 70, NULL) && !memchr(text, '\n', document.len - 1));
	scan_begin(&walk, scan_trim(document));
	fail_unless(scan_next(&walk, &member) && scan_name_is(member.name, "results"));
	scan_begin(&results, member.value);
	while (scan_next(&results, &member))
		check_result(member.value, count++);
	batch_summary(kit->batch, &summary);
	fail_unless(summary.total == count && summary.succeeded + summary.failed == count &&
		    kit->reported == count);
	mem_free(text);
}

static void end_calls(const unsigned char *data, size_t size)
{
	static const char *const types[] = {
		"application/json", "text/plain", NULL, "application/problem+json; x=y"};

	for (size_t i = 0; i < fakepool.count; i++) {
		const struct request *request = &fakepool.calls[i]->request;

		fail_unless(request->url.text && request->header_count >= 1 &&
			    request->timeout_us >= 1000);
		for (size_t k = 0; k < request->header_count; k++)
			fail_unless(!strpbrk(request->headers[k], "\r\n"));
		if (i % 5 == 4) {
			fakepool_fail(fakepool.calls[i], ITEM_CONNECT_FAILED, REASON_NONE);
			continue;
		}
		fakepool_answer(
			fakepool.calls[i], (struct fakepool_answer){i % 3 ? 503 : 200, types[i % 4],
						   (const char *)data, size,
						   "server: x\nset-cookie: a\nset-cookie: b\n"});
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct kit kit;
	struct buf out;

	kit_init(&kit);
	kit.config->limits.max_items = 64;
	kit.config->limits.max_batch_response = 4096;
	if (kit_parse_bytes(&kit, (const char *)data, size, "00-11-22-01") == ERR_OK) {
		fail_unless(kit_start(&kit) == ERR_OK);
		end_calls(data, size);
		fail_unless(kit.completed == 1 && fakepool.groups_open == 0);
		check_document(&kit, 1 + size % 64);
	} else {
		fail_unless(kit.code == ERR_INVALID && problem_status(kit.problem.code) >= 400);
		buf_init(&out, SIZE_MAX / 2);
		problem_render(&kit.problem, "r", &out);
		fail_unless(scan_check((struct span){out.ptr, out.len}, 8, NULL));
		buf_free(&out);
	}
	kit_free(&kit);
	return 0;
}
