/* proof.c - is a text strict RFC 8259 JSON, and if not, where not?
 *
 * One pass, no recursion: `expect` says what may come next, a bit for each open bracket says of
 * which kind it is. */
#include "batch/proof.h"

#include <string.h>

#include "batch/escape.h"
#include "common/utf8.h"

enum {
	NESTING_MAX = 1024
}; /* whatever depth_max says: the kinds of open brackets are kept as bits */

enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_NAME, EXPECT_NAME_OR_END, EXPECT_NEXT };

struct check {
	const char *at, *end;
	const char *bad, *what; /* the fault */
	unsigned depth, depth_max;
	enum expect expect;
	uint64_t objects[NESTING_MAX / 64]; /* bit of a level: it is an object */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool refuse(struct check *c, const char *at, const char *what)
{
	c->bad = at;
	c->what = at == c->end ? "the text ends too early" : what;
	return false;
}

/* True where one of eight bytes is not plain ASCII text of a string: control, quote, backslash, or
 * >= 0x80. */
static bool has_special(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');

	return ((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & highs) != 0;
}

static const char *skip_plain(const char *at, const char *end)
{
	uint64_t word;

	while (end - at >= 8) {
		memcpy(&word, at, 8);
		if (has_special(word))
			break;
		at += 8;
	}
	while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
		*at != '\\')
		at++;
	return at;
}

static bool check_unicode_escape(struct check *c)
{
	const char *escape = c->at - 2; /* c->at is behind the `u` */
	unsigned unit, low;

	if (!escape_hex4(&c->at, c->end, &unit))
		return refuse(c, c->at, "four hexadecimal digits must follow \\u");
	if (unit < 0xD800 || unit > 0xDFFF)
		return true;
	if (unit >= 0xDC00)
		return refuse(c, escape, "a low surrogate without a high one before it");
	for (const char *next = "\\u"; *next; next++, c->at++) {
		if (c->at == c->end || *c->at != *next)
			return refuse(c, c->at == c->end ? c->end : escape,
				"a high surrogate without a low one behind it");
	}
	if (!escape_hex4(&c->at, c->end, &low))
		return refuse(c, c->at, "four hexadecimal digits must follow \\u");
	if (low < 0xDC00 || low > 0xDFFF)
		return refuse(c, escape, "a high surrogate without a low one behind it");
	return true;
}

static bool check_escape(struct check *c)
{
	c->at++;
	if (c->at == c->end)
		return refuse(c, c->at, "");
	if (*c->at == 'u') {
		c->at++;
		return check_unicode_escape(c);
	}
	if (*c->at == '\0' || !strchr("\"\\/bfnrt", *c->at))
		return refuse(c, c->at, "not an escape that JSON knows");
	c->at++;
	return true;
}

static bool check_string(struct check *c)
{
	c->at++;
	for (;;) {
		size_t len;

		c->at = skip_plain(c->at, c->end);
		if (c->at == c->end)
			return refuse(c, c->at, "");
		if (*c->at == '"') {
			c->at++;
			return true;
		}
		if (*c->at == '\\') {
			if (!check_escape(c))
				return false;
			continue;
		}
		if ((unsigned char)*c->at < 0x20)
			return refuse(c, c->at, "a control character must be escaped in a string");
		len = utf8_char(c->at, (size_t)(c->end - c->at));
		if (len == 0)
			return refuse(c, c->at, "not valid UTF-8");
		c->at += len;
	}
}

static bool check_digits(struct check *c)
{
	if (c->at == c->end || !is_digit(*c->at))
		return refuse(c, c->at, "a digit must stand here");
	while (c->at < c->end && is_digit(*c->at))
		c->at++;
	return true;
}

static bool check_number(struct check *c)
{
	if (*c->at == '-')
		c->at++;
	if (c->at < c->end && *c->at == '0') {
		c->at++;
		if (c->at < c->end && is_digit(*c->at))
			return refuse(c, c->at, "a number must not begin with 0");
	} else if (!check_digits(c)) {
		return false;
	}
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		if (!check_digits(c))
			return false;
	}
	if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
		c->at++;
		if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
			c->at++;
		return check_digits(c);
	}
	return true;
}

static bool check_word(struct check *c, const char *word)
{
	for (; *word; word++, c->at++) {
		if (c->at == c->end || *c->at != *word)
			return refuse(c, c->at, "not a JSON value");
	}
	return true;
}

static bool open_bracket(struct check *c)
{
	uint64_t bit = (uint64_t)1 << (c->depth % 64);
	bool object = *c->at == '{';

	if (c->depth == c->depth_max)
		return refuse(c, c->at, "too many brackets are open at once");
	if (c->depth % 64 == 0)
		c->objects[c->depth / 64] = 0;
	if (object)
		c->objects[c->depth / 64] |= bit;
	else
		c->objects[c->depth / 64] &= ~bit;
	c->depth++;
	c->at++;
	c->expect = object ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
	return true;
}

static bool in_object(const struct check *c)
{
	return c->objects[(c->depth - 1) / 64] >> ((c->depth - 1) % 64) & 1;
}

static bool close_bracket(struct check *c)
{
	c->depth--;
	c->at++;
	c->expect = EXPECT_NEXT;
	return true;
}

static bool check_value(struct check *c)
{
	bool can_end = c->expect == EXPECT_VALUE_OR_END;

	c->expect = EXPECT_NEXT;
	switch (*c->at) {
	case '{':
	case '[':
		return open_bracket(c);
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	case ']':
		return can_end ? close_bracket(c) : refuse(c, c->at, "a value must stand here");
	default:
		if (*c->at == '-' || is_digit(*c->at))
			return check_number(c);
		return refuse(c, c->at, "a value must stand here");
	}
}

static bool check_name(struct check *c)
{
	if (*c->at == '}' && c->expect == EXPECT_NAME_OR_END)
		return close_bracket(c);
	if (*c->at != '"')
		return refuse(c, c->at, "a name in quotes must stand here");
	if (!check_string(c))
		return false;
	while (c->at < c->end && is_space(*c->at))
		c->at++;
	if (c->at == c->end || *c->at != ':')
		return refuse(c, c->at, "a colon must stand here");
	c->at++;
	c->expect = EXPECT_VALUE;
	return true;
}

/* Behind a value that stands in a container. */
static bool check_next(struct check *c)
{
	bool object = in_object(c);

	if (*c->at == ',') {
		c->at++;
		c->expect = object ? EXPECT_NAME : EXPECT_VALUE;
		return true;
	}
	if (*c->at == (object ? '}' : ']'))
		return close_bracket(c);
	return refuse(
		c, c->at, object ? "a comma or } must stand here" : "a comma or ] must stand here");
}

static bool check_text(struct check *c)
{
	for (;;) {
		bool ok;

		while (c->at < c->end && is_space(*c->at))
			c->at++;
		if (c->expect == EXPECT_NEXT && c->depth == 0)
			return c->at == c->end ||
			       refuse(c, c->at, "nothing may stand behind the value");
		if (c->at == c->end)
			return refuse(c, c->at, "");
		if (c->expect == EXPECT_NEXT)
			ok = check_next(c);
		else if (c->expect == EXPECT_NAME || c->expect == EXPECT_NAME_OR_END)
			ok = check_name(c);
		else
			ok = check_value(c);
		if (!ok)
			return false;
	}
}

bool proof_find(struct span text, unsigned depth_max, size_t *ret_offset, const char **ret_what)
{
	struct check c;
	bool ok;

	c.at = text.len ? text.ptr : "";
	c.end = c.at + text.len;
	c.depth = 0;
	c.depth_max = depth_max < NESTING_MAX ? depth_max : NESTING_MAX;
	c.expect = EXPECT_VALUE;
	if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0)
		ok = refuse(&c, c.at, "a byte order mark must not stand before JSON");
	else
		ok = check_text(&c);
	if (ok)
		return true;
	*ret_offset = text.len - (size_t)(c.end - c.bad);
	*ret_what = c.what;
	return false;
}
