/* mask.c - secrets in bytes that go out: each becomes "***". */
#include "batch/mask.h"

#include <string.h>

#include "batch/escape.h"

static const char shown[] = "***";

enum { SHOWN_LEN = sizeof shown - 1, STARTS = 3, ESCAPE_LEN = 6 };

/* The next place of each byte that may begin a spelling. */
struct starts {
	char bytes[STARTS];
	char *next[STARTS];
};

/* How many bytes before `end` spell what *secret begins with, which then moves on; 0: none do. */
typedef size_t spell_fn(const char *at, const char *end, const char **secret);

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t as_it_is(const char *at, const char *end, const char **secret)
{
	return at < end && *at == *(*secret)++;
}

static bool is_unit(const char *at, const char *end)
{
	if (end - at < ESCAPE_LEN || at[0] != '\\' || at[1] != 'u')
		return false;
	for (size_t i = 2; i < ESCAPE_LEN; i++)
		if (hex_value(at[i]) < 0)
			return false;
	return true;
}

/* `\ud8…` to `\udb…` begins a pair, `\udc…` to `\udf…` ends one. */
static bool is_surrogate(const char *at, bool first)
{
	int half = hex_value(at[3]);

	return hex_value(at[2]) == 13 && (first ? half >= 8 && half < 12 : half >= 12);
}

static bool is_escape(const char *at, const char *end)
{
	if (end - at < 2)
		return false;
	if (at[1] != 'u')
		return at[1] && strchr("\"\\/bfnrt", at[1]);
	if (!is_unit(at, end) || is_surrogate(at, false))
		return false;
	return !is_surrogate(at, true) ||
	       (is_unit(at + ESCAPE_LEN, end) && is_surrogate(at + ESCAPE_LEN, false));
}

static size_t in_json(const char *at, const char *end, const char **secret)
{
	const char *next = at + 1;
	char decoded[4];
	size_t count = 1;

	if (at == end || (*at == '\\' && !is_escape(at, end)))
		return 0;
	decoded[0] = *at;
	if (*at == '\\')
		count = escape_decode(&next, end, decoded);
	if (strncmp(*secret, decoded, count) != 0)
		return 0;
	*secret += count;
	return (size_t)(next - at);
}

static size_t in_url(const char *at, const char *end, const char **secret)
{
	int byte = (unsigned char)*(*secret)++;

	if (at == end)
		return 0;
	if (end - at >= 3 && *at == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0)
		return hex_value(at[1]) * 16 + hex_value(at[2]) == byte ? 3 : 0;
	return (unsigned char)*at == byte || (*at == '+' && byte == ' ');
}

/* The length of the secret's spelling that begins here; 0: none does. */
static size_t match_as(spell_fn *spell, const char *at, const char *end, const char *secret)
{
	const char *from = at;

	while (*secret) {
		size_t step = spell(at, end, &secret);

		if (step == 0)
			return 0;
		at += step;
	}
	return (size_t)(at - from);
}

static size_t match(const char *at, const char *end, const char *secret)
{
	static spell_fn *const spellings[] = {as_it_is, in_json, in_url};
	size_t longest = 0;

	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		size_t len = match_as(spellings[i], at, end, secret);

		longest = len > longest ? len : longest;
	}
	return longest;
}

/* Each place is found once, so that all of it costs no more than a few looks at the bytes. */
static char *next_start(struct starts *starts, char *at, char *end)
{
	char *first = end;

	for (size_t i = 0; i < STARTS; i++) {
		if (starts->next[i] < at) {
			char *found = memchr(at, starts->bytes[i], (size_t)(end - at));

			starts->next[i] = found ? found : end;
		}
		first = starts->next[i] < first ? starts->next[i] : first;
	}
	return first;
}

static size_t mask_one(const char *secret, char *bytes, size_t len)
{
	char *end = bytes + len, *to = bytes;
	struct starts starts = {{secret[0], '\\', '%'}, {NULL, NULL, NULL}};

	for (char *from = bytes; from < end;) {
		char *start = next_start(&starts, from, end);
		size_t used = match(start, end, secret);

		memmove(to, from, (size_t)(start - from));
		to += start - from;
		from = start + used;
		if (used >= SHOWN_LEN) {
			memcpy(to, shown, SHOWN_LEN);
			to += SHOWN_LEN;
		} else if (start < end) {
			*to++ = *start;
			from = start + 1;
		}
	}
	return (size_t)(to - bytes);
}

size_t mask_bytes(const struct config_strings *secrets, char *bytes, size_t len)
{
	for (size_t i = 0; i < secrets->count; i++)
		if (secrets->items[i][0])
			len = mask_one(secrets->items[i], bytes, len);
	return len;
}
