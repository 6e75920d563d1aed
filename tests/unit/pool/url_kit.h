/* url_kit.h - parses a URL for tests. */
#ifndef TESTS_UNIT_POOL_URL_KIT_H
#define TESTS_UNIT_POOL_URL_KIT_H
#include <check.h>

#include "pool/url.h"

static const struct span nothing;

static inline enum item_reason parse(const char *text, struct url *ret_url)
{
	bool nomem = true;
	enum item_reason reason = url_parse(span_of(text), nothing, ret_url, &nomem);

	ck_assert(!nomem);
	return reason;
}
#endif
