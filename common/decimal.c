/* decimal.c - JSON numbers as text: their form, and whether two of them are the same number. */
#include "common/decimal.h"

#define EXPONENT_MAX INT64_C(100000000000000000)

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

/* Behind the part before the point; NULL where there is none. */
static const char *skip_integer(struct span text)
{
	const char *at = text.ptr, *end = text.ptr + text.len, *digits;

	if (at < end && *at == '-')
		at++;
	digits = at;
	at = skip_digits(at, end);
	return at == digits || (*digits == '0' && at - digits > 1) ? NULL : at;
}

bool decimal_is_integer(struct span text)
{
	return skip_integer(text) == text.ptr + text.len && text.len > 0;
}

bool decimal_is(struct span text)
{
	const char *end = text.ptr + text.len, *at = skip_integer(text), *digits;

	if (at && at < end && *at == '.') {
		digits = ++at;
		at = skip_digits(at, end);
		if (at == digits)
			return false;
	}
	if (at && at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		digits = at;
		at = skip_digits(at, end);
		if (at == digits)
			return false;
	}
	return at == end && text.len > 0;
}

struct parts { /* 0.DIGITS * 10^exponent */
	bool negative;
	const char *first, *last; /* its digits without zeros around them, a point among them; NULL:
				     it is 0 */
	int64_t exponent;
};

static int64_t read_exponent(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	int64_t n = 0;

	for (at += at < end && (*at == '-' || *at == '+'); at < end && n < EXPONENT_MAX; at++)
		n = n * 10 + (*at - '0');
	n = n > EXPONENT_MAX ? EXPONENT_MAX : n;
	return negative ? -n : n;
}

static struct parts cut(struct span text)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	struct parts parts = {.negative = *at == '-'};
	bool point = false;

	for (at += parts.negative; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			point = true;
			continue;
		}
		if (*at != '0') {
			parts.first = parts.first ? parts.first : at;
			parts.last = at;
		}
		if (parts.first && !point)
			parts.exponent++;
		else if (!parts.first && point)
			parts.exponent--;
	}
	if (at < end)
		parts.exponent += read_exponent(at + 1, end);
	return parts;
}

bool decimal_equals(struct span a, struct span b)
{
	struct parts x = cut(a), y = cut(b);

	if (!x.first || !y.first)
		return x.first == y.first;
	if (x.negative != y.negative || x.exponent != y.exponent)
		return false;
	while (x.first <= x.last && y.first <= y.last) {
		x.first += *x.first == '.';
		y.first += *y.first == '.';
		if (*x.first++ != *y.first++)
			return false;
	}
	return x.first > x.last && y.first > y.last;
}
