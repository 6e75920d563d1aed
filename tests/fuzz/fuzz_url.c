/* fuzz_url.c - the gate for URLs: what passes is stable, bounded, and read alike by all who read
 * it.
 *
 * Input: a URL, and behind the first NUL a Location that answers it. */
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "pool/guard.h"
#include "pool/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct url *url)
{
	struct url again = {0};
	bool nomem;
	size_t len = strlen(url->text);

	REQUIRE(len <= URL_MAX_BYTES &&
		strncmp(url->text, url->https ? "https://" : "http://", 7) == 0);
	for (const char *at = url->text; *at; at++)
		REQUIRE(*at > ' ' && *at < 0x7F && !strchr("\"#<>\\^`{|}", *at));
	REQUIRE(strlen(url->host) >= 1 && strlen(url->host) <= 253 && url->port > 0);
	for (const char *at = url->host; *at; at++)
		REQUIRE(!strchr("@/?%[]", *at) && (url->literal || *at != ':') &&
			!(*at >= 'A' && *at <= 'Z'));
	REQUIRE(url_parse(span_of(url->text), (struct span){0}, &again, &nomem) == REASON_NONE);
	REQUIRE(strcmp(again.text, url->text) == 0 && url_same_origin(&again, url));
	url_free(&again);
	if (url->literal)
		(void)guard_classify(&url->address.sa);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *nul = size ? memchr(text, 0, size) : NULL;
	size_t len = nul ? (size_t)(nul - text) : size;
	struct url url = {0}, hop = {0};
	bool nomem;

	if (url_parse((struct span){text, len}, (struct span){0}, &url, &nomem) != REASON_NONE &&
		url_parse(SPAN("https://example.com/a/b?c"), (struct span){0}, &url, &nomem) !=
			REASON_NONE)
		return 0;
	check(&url);
	if (nul) {
		struct span location = {nul + 1, size - len - 1};

		if (url_follow(&url, location, &hop, &nomem) == REASON_NONE) {
			check(&hop);
			REQUIRE(hop.https || !url.https);
		}
	}
	url_free(&hop);
	url_free(&url);
	return 0;
}
