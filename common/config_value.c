/* config_value.c - the words of the configuration: sizes, times, rates, choices; read, and written
 * again. */
#include "common/config_value.h"

#include <string.h>

#include "common/utf8.h"

struct unit {
	const char *text;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"GiB", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10},
	{"", 1},
	{NULL, 0},
};
static const struct unit time_units[] = {
	{"d", 86400000},
	{"h", 3600000},
	{"m", 60000},
	{"s", 1000},
	{"ms", 1},
	{NULL, 0},
};
static const struct unit rate_units[] = {
	/* the factor is the period's seconds */
	{"/s", 1},
	{"/min", 60},
	{"/h", 3600},
	{NULL, 0},
};
static const struct unit percent_units[] = {
	{"%", 1},
	{NULL, 0},
};

bool config_value_is_number(enum setting_type type)
{
	return type <= SETTING_PARAM_TYPE;
}

/* The digits at the start of `text`, and what follows them; NULL where there are none. */
static const char *read_digits(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
	}
	*ret_number = number;
	return text;
}

static bool read_with_unit(const char *text, const struct unit *units, uint64_t *ret_number)
{
	uint64_t number;
	const char *rest = read_digits(text, &number);

	if (!rest)
		return false;
	for (; units->text; units++)
		if (strcmp(rest, units->text) == 0) {
			*ret_number = number > UINT64_MAX / units->factor ? UINT64_MAX
									  : number * units->factor;
			return true;
		}
	return false;
}

/* The words between the bars, in the order of their enum. */
static const char *choices_of(enum setting_type type)
{
	static const char *const choices[] = {
		[SETTING_BOOL] = "false|true",
		[SETTING_LEVEL] = "debug|info|warn|error|off",
		[SETTING_FORMAT] = "json|text",
		[SETTING_HARDENING] = "auto|on|off",
		[SETTING_HTTP2] = "auto|off|h2c",
		[SETTING_METHOD] = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS",
		[SETTING_PARAM_TYPE] = "string|integer|number|boolean|array|object",
	};

	return choices[type];
}

static bool read_choice(const char *text, const char *choices, uint64_t *ret_number)
{
	size_t len = strlen(text);
	uint64_t place = 0;

	for (const char *word = choices; *word; place++) {
		size_t word_len = strcspn(word, "|");

		if (word_len == len && memcmp(word, text, len) == 0) {
			*ret_number = place;
			return true;
		}
		word += word_len + (word[word_len] == '|');
	}
	return false;
}

/* The unit behind a count of at least 1; NULL where it is none of them. */
static const struct unit *read_count(
	const char *text, const struct unit *units, uint64_t *ret_number)
{
	const char *rest = read_digits(text, ret_number);

	while (units->text && !(rest && strcmp(rest, units->text) == 0))
		units++;
	return units->text && *ret_number > 0 ? units : NULL;
}

static bool read_limit(const char *text, const struct unit *units, uint64_t *ret_number)
{
	if (strcmp(text, "off") == 0) {
		*ret_number = 0;
		return true;
	}
	return read_count(text, units, ret_number) != NULL;
}

bool config_value_port(const char *text, uint16_t *ret_port)
{
	uint64_t number;
	const char *rest = read_digits(text, &number);

	if (!rest || *rest || *text == '0' || number > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)number;
	return true;
}

double config_value_rate(const char *text)
{
	uint64_t count = 0;
	const struct unit *unit = read_count(text, rate_units, &count);

	return unit ? (double)count / (double)unit->factor : 0;
}

void config_value_write_rate(double per_s, struct buf *out)
{
	if (per_s <= 0) {
		buf_adds(out, "off");
		return;
	}
	for (const struct unit *unit = rate_units; unit->text; unit++) {
		double period = (double)unit->factor;
		uint64_t count = (uint64_t)(per_s * period + 0.5);

		/* the same division as when it was read: one of them gives the very number */
		if ((double)count / period < per_s || (double)count / period > per_s)
			continue;
		buf_add_u64(out, count);
		buf_adds(out, unit->text);
		return;
	}
}

static bool read_number(enum setting_type type, const char *text, uint64_t *ret_number)
{
	const char *rest;

	switch (type) {
	case SETTING_COUNT:
	case SETTING_PORTS:
		rest = read_digits(text, ret_number);
		return rest && !*rest;
	case SETTING_SIZE:
		return read_with_unit(text, size_units, ret_number);
	case SETTING_TIME:
		*ret_number = 0;
		return strcmp(text, "0") == 0 || read_with_unit(text, time_units, ret_number);
	case SETTING_RATE:
		return read_limit(text, rate_units, ret_number);
	case SETTING_PERCENT:
		return read_limit(text, percent_units, ret_number) && *ret_number <= 100;
	default:
		REQUIRE(type >= SETTING_BOOL && type <= SETTING_PARAM_TYPE);
		return read_choice(text, choices_of(type), ret_number);
	}
}

const char *config_value_read(enum setting_type type, const char *text, uint64_t *ret_number)
{
	static const char *const problems[] = {
		[SETTING_COUNT] = "is not a whole number",
		[SETTING_PORTS] = "is not a whole number",
		[SETTING_SIZE] = "is not a size; write bytes, or a number with KiB, MiB or GiB, "
				 "such as 8MiB",
		[SETTING_TIME] = "is not a time; write a number with ms, s, m, h or d, such as 30s",
		[SETTING_RATE] = "is not a rate; write N/s, N/min or N/h, such as 100/s, or off",
		[SETTING_PERCENT] = "is not a share; write 1% to 100%, or off",
		[SETTING_BOOL] = "is neither true nor false",
		[SETTING_LEVEL] = "is not one of debug, info, warn, error, off",
		[SETTING_FORMAT] = "is neither json nor text",
		[SETTING_HARDENING] = "is not one of auto, on, off",
		[SETTING_HTTP2] = "is not one of auto, off, h2c",
		[SETTING_METHOD] = "is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
		[SETTING_PARAM_TYPE] =
			"is not one of string, integer, number, boolean, array, object",
	};

	return read_number(type, text, ret_number) ? NULL : problems[type];
}

static void write_with_unit(uint64_t number, const struct unit *units, struct buf *out)
{
	while (units[1].text && number % units->factor != 0)
		units++;
	buf_add_u64(out, number / units->factor);
	buf_adds(out, units->text);
}

void config_value_write(enum setting_type type, uint64_t number, struct buf *out)
{
	const char *word;

	switch (type) {
	case SETTING_SIZE:
		write_with_unit(number, number == 0 ? &size_units[3] : size_units, out);
		return;
	case SETTING_TIME:
		write_with_unit(number, number == 0 ? &time_units[3] : time_units, out); /* 0s */
		return;
	case SETTING_COUNT:
		buf_add_u64(out, number);
		return;
	case SETTING_PERCENT:
		buf_add_u64(out, number);
		buf_adds(out, "%");
		return;
	default:
		break;
	}
	REQUIRE(type >= SETTING_BOOL && type <= SETTING_PARAM_TYPE);
	word = choices_of(type);
	for (; number > 0; number--)
		word += strcspn(word, "|") + 1;
	buf_add(out, word, strcspn(word, "|"));
}

bool config_value_is_clean(const char *text, bool lines)
{
	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte == 0x7F || (byte < ' ' && !(lines && (byte == '\n' || byte == '\t'))))
			return false;
		if (byte == 0xC2 && (unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xA0)
			return false;
	}
	return utf8_valid(text, strlen(text));
}
