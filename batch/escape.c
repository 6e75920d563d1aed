/* escape.c - the escapes of JSON strings, decoded to UTF-8. */
#include "batch/escape.h"

#include <string.h>

#include "common/err.h"

static int hex_digit(char c)
{
	if ((c >= '0' && c <= '9'))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool escape_hex4(const char **at, const char *end, unsigned *ret_unit)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++, ++*at) {
		int digit = *at < end ? hex_digit(**at) : -1;

		if (digit < 0)
			return false;
		unit = unit << 4 | (unsigned)digit;
	}
	*ret_unit = unit;
	return true;
}

static size_t put_utf8(char *out, unsigned code_point)
{
	if (code_point < 0x80) {
		out[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		out[0] = (char)(0xC0 | code_point >> 6);
		out[1] = (char)(0x80 | (code_point & 63));
		return 2;
	}
	if (code_point < 0x10000) {
		out[0] = (char)(0xE0 | code_point >> 12);
		out[1] = (char)(0x80 | (code_point >> 6 & 63));
		out[2] = (char)(0x80 | (code_point & 63));
		return 3;
	}
	out[0] = (char)(0xF0 | code_point >> 18);
	out[1] = (char)(0x80 | (code_point >> 12 & 63));
	out[2] = (char)(0x80 | (code_point >> 6 & 63));
	out[3] = (char)(0x80 | (code_point & 63));
	return 4;
}

size_t escape_decode(const char **at, const char *end, char out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	char c = *(*at)++;
	const char *found;
	unsigned unit = 0, low = 0;

	if (c != 'u') {
		found = strchr(from, c);
		*out = found ? to[found - from] : c;
		return 1;
	}
	REQUIRE(escape_hex4(at, end, &unit));
	if (unit >= 0xD800 && unit <= 0xDBFF) {
		*at += 2;
		REQUIRE(escape_hex4(at, end, &low));
		unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
	}
	return put_utf8(out, unit);
}
