/* httpdate.c - the three forms of a date in HTTP (RFC 9110 section 5.6.7), in no locale. */
#include "pool/httpdate.h"

#include <string.h>

struct date {
	int64_t year, month /* 1 to 12 */, day, hour, minute, second;
};

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

static bool take(struct span *text, const char *what)
{
	size_t len = strlen(what);

	if (text->len < len || memcmp(text->ptr, what, len) != 0)
		return false;
	text->ptr += len;
	text->len -= len;
	return true;
}

static bool take_digits(struct span *text, size_t count, int64_t *ret_number)
{
	int64_t number = 0;

	if (text->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (text->ptr[i] < '0' || text->ptr[i] > '9')
			return false;
		number = number * 10 + (text->ptr[i] - '0');
	}
	text->ptr += count;
	text->len -= count;
	*ret_number = number;
	return true;
}

static bool take_month(struct span *text, int64_t *ret_month)
{
	for (size_t i = 0; i < sizeof months / sizeof *months; i++) {
		if (take(text, months[i])) {
			*ret_month = (int64_t)i + 1;
			return true;
		}
	}
	return false;
}

/* "Sunday" or "Sun"; which day it says does not matter. */
static bool take_day_name(struct span *text, bool whole)
{
	char brief[4] = "";

	for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
		memcpy(brief, days[i], 3);
		if (take(text, whole ? days[i] : brief))
			return true;
	}
	return false;
}

static bool take_time(struct span *text, struct date *date)
{
	return take_digits(text, 2, &date->hour) && take(text, ":") &&
	       take_digits(text, 2, &date->minute) && take(text, ":") &&
	       take_digits(text, 2, &date->second);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool parse_fixed(struct span text, struct date *date)
{
	return take_day_name(&text, false) && take(&text, ", ") &&
	       take_digits(&text, 2, &date->day) && take(&text, " ") &&
	       take_month(&text, &date->month) && take(&text, " ") &&
	       take_digits(&text, 4, &date->year) && take(&text, " ") && take_time(&text, date) &&
	       take(&text, " GMT") && text.len == 0;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool parse_rfc850(struct span text, struct date *date)
{
	return take_day_name(&text, true) && take(&text, ", ") &&
	       take_digits(&text, 2, &date->day) && take(&text, "-") &&
	       take_month(&text, &date->month) && take(&text, "-") &&
	       take_digits(&text, 2, &date->year) && take(&text, " ") && take_time(&text, date) &&
	       take(&text, " GMT") && text.len == 0;
}

/* Sun Nov  6 08:49:37 1994 */
static bool parse_asctime(struct span text, struct date *date)
{
	return take_day_name(&text, false) && take(&text, " ") && take_month(&text, &date->month) &&
	       take(&text, " ") &&
	       (take(&text, " ") ? take_digits(&text, 1, &date->day)
				 : take_digits(&text, 2, &date->day)) &&
	       take(&text, " ") && take_time(&text, date) && take(&text, " ") &&
	       take_digits(&text, 4, &date->year) && text.len == 0;
}

static bool leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool exists(const struct date *date)
{
	static const int64_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t length = lengths[date->month - 1] + (date->month == 2 && leap(date->year));

	return date->day >= 1 && date->day <= length && date->hour < 24 && date->minute < 60 &&
	       date->second <= 60; /* a leap second */
}

static int64_t leaps_before(int64_t year)
{
	year--;
	return year / 4 - year / 100 + year / 400;
}

static int64_t to_seconds(const struct date *date)
{
	static const int64_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t day = (date->year - 1970) * 365 + leaps_before(date->year) - leaps_before(1970);

	day += before[date->month - 1] + (date->month > 2 && leap(date->year)) + date->day - 1;
	return ((day * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
}

/* RFC 9110: a two-digit year that seems more than 50 years ahead lies in the past. */
static int64_t whole_year(int64_t two_digits, uint64_t wall_now_ms)
{
	int64_t now =
		1970 + (int64_t)(wall_now_ms / (365ull * 24 * 3600 * 1000 + 6ull * 3600 * 1000));
	int64_t year = now - now % 100 + two_digits;

	if (year > now + 50)
		return year - 100;
	return year + 100 <= now + 50 ? year + 100 : year;
}

bool httpdate_parse(struct span text, uint64_t wall_now_ms, uint64_t *ret_wall_ms)
{
	struct date date = {0};
	int64_t seconds;

	if (!parse_fixed(text, &date) && !parse_asctime(text, &date)) {
		if (!parse_rfc850(text, &date))
			return false;
		date.year = whole_year(date.year, wall_now_ms);
	}
	if (!exists(&date))
		return false;
	seconds = to_seconds(&date);
	*ret_wall_ms = seconds > 0 ? (uint64_t)seconds * 1000 : 0;
	return true;
}
