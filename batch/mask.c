/* mask.c - secrets in bytes that go out: each becomes "***". */
#include "batch/mask.h"

#include <string.h>

static const char shown[] = "***";

enum { SHOWN_LEN = sizeof shown - 1 };

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes of `at` spell the secret's byte `c`: itself, escaped as JSON allows, or
 * percent-encoded; 0: none. */
static size_t spells(const char *at, size_t len, char c)
{
	if (len > 0 && at[0] == c)
		return 1;
	if (len >= 2 && at[0] == '\\' && at[1] == c && (c == '"' || c == '\\' || c == '/'))
		return 2;
	if (len >= 3 && at[0] == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0 &&
		hex_value(at[1]) * 16 + hex_value(at[2]) == (unsigned char)c)
		return 3;
	return 0;
}

/* Where a spelling of `c` may begin. */
static char *find(char *at, size_t len, char c)
{
	char *plain = memchr(at, c, len);
	size_t before = plain ? (size_t)(plain - at) : len;
	char *escaped = strchr("\"\\/", c) ? memchr(at, '\\', before) : NULL;
	char *encoded = memchr(at, '%', escaped ? (size_t)(escaped - at) : before);

	return encoded ? encoded : escaped ? escaped : plain;
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
		char *next = find(bytes + from, len - from, secret[0]);
		size_t used, skip;

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
