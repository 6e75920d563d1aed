/* fuzz_template.c - names in a template: what is refused is in the text, and what passes passes
 * again within parentheses.
 *
 * Input: a jq program. */
#include <stdint.h>
#include <string.h>

#include "batch/template_names.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct template_fault fault = {.offset = SIZE_MAX};
	struct buf wrapped;
	bool fine = template_names_check(text, &fault);

	if (!fine) {
		REQUIRE(fault.offset <= size && fault.what[0] != '\0');
		return 0;
	}
	buf_init(&wrapped, size + 8);
	buf_adds(&wrapped, "[[(");
	buf_add(&wrapped, text.ptr, text.len);
	buf_adds(&wrapped, "\n)]]");
	/* Not where brackets were open to the bound already. */
	fine = template_names_check((struct span){wrapped.ptr, wrapped.len}, &fault);
	REQUIRE(fine || strstr(fault.what, "too many brackets"));
	buf_free(&wrapped);
	return 0;
}
