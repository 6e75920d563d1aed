/* fuzz_field.c - header lines and Retry-After: what passes cannot end the line it stands in, and
 * waits are bounded.
 *
 * Input: "name: value", or a Retry-After value. */
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "pool/field.h"
#include "pool/httpdate.h"

#define NOW_MS 1700000000000ull
#define YEAR_MS (365ull * 24 * 3600 * 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_field(struct span all)
{
	const char *colon = all.len ? memchr(all.ptr, ':', all.len) : NULL;
	struct span name = {all.ptr, colon ? (size_t)(colon - all.ptr) : all.len}, value = {0};

	if (colon)
		value = span_trim((struct span){colon + 1, all.len - name.len - 1});
	if (field_check(name, value) != REASON_NONE)
		return;
	REQUIRE(name.len > 0 && name.len + value.len <= FIELD_MAX_BYTES);
	for (size_t i = 0; i < name.len; i++)
		REQUIRE(name.ptr[i] > ' ' && name.ptr[i] < 0x7F && name.ptr[i] != ':' &&
			name.ptr[i] != ';');
	for (size_t i = 0; i < value.len; i++)
		REQUIRE(!memchr("\r\n\0\x7f", value.ptr[i], 4));
	REQUIRE(!span_equals_nocase(name, "host") && !span_equals_nocase(name, "content-length") &&
		!span_equals_nocase(name, "transfer-encoding"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = {(const char *)data, size};
	enum http_method method;
	uint64_t ms;

	check_field(all);
	if (field_parse_retry_after(all, NOW_MS, &ms))
		REQUIRE(ms <= YEAR_MS);
	if (field_parse_retry_after_ms(all, &ms))
		REQUIRE(ms <= YEAR_MS);
	(void)httpdate_parse(all, NOW_MS, &ms);
	if (method_parse(all, &method))
		REQUIRE(span_equals(all, method_text(method)));
	return 0;
}
