/* code.c - `error.code` of an item's result: one table for the engine, the results, the metrics and
 * the documents. */
#include "common/code.h"

#include "common/err.h"

const char *code_text(enum item_code code)
{
	static const char *const texts[ITEM_CODE_COUNT] = {
#define X(name, text) [ITEM_##name] = text,
		ITEM_CODES(X)
#undef X
	};

	REQUIRE((unsigned)code < ITEM_CODE_COUNT);
	return texts[code];
}

const char *code_reason_text(enum item_reason reason)
{
	static const char *const texts[REASON_COUNT] = {
#define X(name, text) [REASON_##name] = text,
		ITEM_REASONS(X)
#undef X
	};

	REQUIRE((unsigned)reason < REASON_COUNT);
	return texts[reason];
}
