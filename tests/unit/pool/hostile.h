/* hostile.h - reads tests/data/hostile.tsv: inputs that must be refused, and why. Tests only. */
#ifndef TESTS_POOL_HOSTILE_H
#define TESTS_POOL_HOSTILE_H
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hostile_row {
	char input[2048]; /* unescaped */
	size_t input_len;
	char kind[16], expected[64];
	unsigned line;
};

static inline size_t hostile_utf8(unsigned long c, char *to)
{
	unsigned char *at = (unsigned char *)to;

	if (c < 0x80) {
		at[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		at[0] = (unsigned char)(0xC0 | c >> 6);
		at[1] = (unsigned char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		at[0] = (unsigned char)(0xE0 | c >> 12);
		at[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
		at[2] = (unsigned char)(0x80 | (c & 0x3F));
		return 3;
	}
	at[0] = (unsigned char)(0xF0 | c >> 18);
	at[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
	at[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
	at[3] = (unsigned char)(0x80 | (c & 0x3F));
	return 4;
}

/* \\ \r \n \t \xHH (a byte), \uHHHH and \UHHHHHHHH (a code point, as UTF-8) */
static inline size_t hostile_unescape(const char *from, char *to)
{
	char *start = to, digits[9];

	while (*from) {
		size_t count = 0;

		if (*from != '\\') {
			*to++ = *from++;
			continue;
		}
		from++;
		switch (*from++) {
		case 'r':
			*to++ = '\r';
			break;
		case 'n':
			*to++ = '\n';
			break;
		case 't':
			*to++ = '\t';
			break;
		case '\\':
			*to++ = '\\';
			break;
		case 'x':
			count = 2;
			break;
		case 'u':
			count = 4;
			break;
		case 'U':
			count = 8;
			break;
		default:
			ck_abort_msg("unknown escape in hostile.tsv");
		}
		if (count > 0) {
			memcpy(digits, from, count);
			digits[count] = '\0';
			from += count;
			if (count == 2)
				*to++ = (char)strtoul(digits, NULL, 16);
			else
				to += hostile_utf8(strtoul(digits, NULL, 16), to);
		}
	}
	*to = '\0';
	return (size_t)(to - start);
}

static inline FILE *hostile_open(void)
{
	char path[1024];
	const char *slash = strrchr(__FILE__, '/');
	FILE *file;

	ck_assert_ptr_nonnull(slash);
	snprintf(path, sizeof path, "%.*s/../../data/hostile.tsv", (int)(slash - __FILE__),
		__FILE__);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "cannot open %s", path);
	return file;
}

/* The next row of `kind`; false at the end. */
static inline bool hostile_next(FILE *file, const char *kind, struct hostile_row *row)
{
	char line[4096];

	while (fgets(line, sizeof line, file)) {
		char *rest = line, *input = strsep(&rest, "\t"), *row_kind = strsep(&rest, "\t");
		char *expected = strsep(&rest, "\t");

		row->line++;
		if (line[0] == '#' || !expected || strcmp(row_kind, kind) != 0)
			continue;
		row->input_len = hostile_unescape(input, row->input);
		snprintf(row->kind, sizeof row->kind, "%s", row_kind);
		snprintf(row->expected, sizeof row->expected, "%s", expected);
		return true;
	}
	return false;
}
#endif
