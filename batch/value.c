/* value.c - single values of the request, read from their text: integers, words, short strings. */
#include "batch/value.h"

#include <string.h>

#include "batch/scan.h"

static bool parse_integer(struct span value, bool *ret_negative, uint64_t *ret_n)
{
	size_t i = 0;
	uint64_t n = 0;

	*ret_negative = value.ptr[0] == '-';
	if (*ret_negative)
		i++;
	if (i == value.len)
		return false;
	for (; i < value.len; i++) {
		unsigned digit = (unsigned)(unsigned char)value.ptr[i] - '0';

		if (digit > 9)
			return false;
		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	*ret_n = n;
	return true;
}

enum err_code value_integer(struct span value, struct value_range range, const char *path,
	uint64_t *ret_n, struct fault *fault)
{
	const struct span none = {NULL, 0};
	bool negative;
	uint64_t n;

	if (!parse_integer(value, &negative, &n))
		return fault_add(fault, REASON_FIELD_INVALID, path, none, "`%s` must be an integer",
			strrchr(path, '/') + 1);
	if (negative && n > 0)
		n = 0;
	else
		negative = false;
	if (n > range.max && range.clamp)
		n = range.max;
	if (negative || n < range.min || n > range.max) {
		if (range.clamp)
			return fault_add(fault, REASON_FIELD_INVALID, path, none,
				"`%s` must be at least %llu", strrchr(path, '/') + 1,
				(unsigned long long)range.min);
		return fault_add(fault, REASON_FIELD_INVALID, path, none,
			"`%s` must be from %llu to %llu", strrchr(path, '/') + 1,
			(unsigned long long)range.min, (unsigned long long)range.max);
	}
	*ret_n = n;
	return ERR_OK;
}

enum err_code value_bool(struct span value, const char *path, bool *ret_bool, struct fault *fault)
{
	enum scan_type type = scan_type(value);

	if (type != SCAN_TRUE && type != SCAN_FALSE)
		return fault_add(fault, REASON_FIELD_INVALID, path, (struct span){NULL, 0},
			"`%s` must be true or false", strrchr(path, '/') + 1);
	*ret_bool = type == SCAN_TRUE;
	return ERR_OK;
}

bool value_is_string(struct span value)
{
	return scan_type(value) == SCAN_STRING;
}

static char *writable(struct span text)
{
	return (char *)(uintptr_t)text.ptr;
}

struct span value_decode(struct span value)
{
	struct span plain = {value.ptr + 1, value.len - 2};

	if (!memchr(plain.ptr, '\\', plain.len))
		return plain;
	return (struct span){value.ptr, scan_decode(value, writable(value))};
}

/* The digit's value, 64 for anything else. */
static unsigned base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool value_decode_base64(struct span value, struct span *ret_bytes)
{
	struct span text = value_decode(value);
	char *out = writable(text);
	size_t pad = 0, len = 0;

	if (text.len % 4 != 0)
		return false;
	while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t have = i + 4 == text.len ? 4 - pad : 4;
		unsigned bits = 0, bad = 0;

		for (size_t k = 0; k < 4; k++) {
			unsigned digit = k < have ? base64_digit(text.ptr[i + k]) : 0;

			bad |= digit & 64;
			bits = bits << 6 | (digit & 63);
		}
		if (bad || (have == 3 && (bits & 0xFF)) || (have == 2 && (bits & 0xFFFF)))
			return false;
		for (size_t k = 0; k + 1 < have; k++)
			out[len++] = (char)(bits >> (16 - 8 * k) & 0xFF);
	}
	*ret_bytes = (struct span){out, len};
	return true;
}
