/* mask.c - secrets in bytes that go out: each becomes "***". */
#include "batch/mask.h"

#include <string.h>

static const char shown[] = "***";

enum { SHOWN_LEN = sizeof shown - 1, SPELLING_MAX = 2 };

/* How many bytes of `at` spell the secret's byte `c`: itself, or escaped as JSON allows; 0: none.
 */
static size_t spells(const char *at, size_t len, char c)
{
	if (len >= SPELLING_MAX && at[0] == '\\' && at[1] == c &&
		(c == '"' || c == '\\' || c == '/'))
		return SPELLING_MAX;
	return len > 0 && at[0] == c ? 1 : 0;
}

/* The length of the secret's spelling that begins here; 0: none does. */
static size_t match(const char *at, size_t len, const char *secret)
{
	size_t used = 0;

	for (; *secret; secret++) {
		size_t step = spells(at + used, len - used, *secret);

		if (step == 0)
			return 0;
		used += step;
	}
	return used;
}

static size_t mask_one(const char *secret, char *bytes, size_t len)
{
	size_t from = 0, to = 0;

	while (from < len) {
		char *next = memchr(bytes + from, secret[0], len - from);
		char *escaped =
			strchr("\"\\/", secret[0]) ? memchr(bytes + from, '\\', len - from) : NULL;
		size_t used, skip;

		if (escaped && (!next || escaped < next))
			next = escaped;
		skip = next ? (size_t)(next - bytes) - from : len - from;
		if (to != from)
			memmove(bytes + to, bytes + from, skip);
		from += skip;
		to += skip;
		if (from == len)
			break;
		used = match(bytes + from, len - from, secret);
		if (used >= SHOWN_LEN) {
			memcpy(bytes + to, shown, SHOWN_LEN);
			to += SHOWN_LEN;
			from += used;
		} else {
			bytes[to++] = bytes[from++];
		}
	}
	return to;
}

size_t mask_bytes(const struct config_strings *secrets, char *bytes, size_t len)
{
	for (size_t i = 0; i < secrets->count; i++)
		if (secrets->items[i][0])
			len = mask_one(secrets->items[i], bytes, len);
	return len;
}
