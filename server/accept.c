/* accept.c - what a client wants back (Accept) and what it sends (Content-Type). */
#include "server/accept.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "server/framing.h"

enum { QUALITY_MAX = 1000, QUALITY_BAD = -1 };

/* Cuts the next piece, up to `end` outside of quotes, off *rest. False: nothing is left. */
static bool next_piece(const char **rest, char end, struct span *ret_piece)
{
	const char *c = *rest;
	bool quoted = false;

	if (!*c)
		return false;
	for (; *c && (quoted || *c != end); c++) {
		if (*c == '"')
			quoted = !quoted;
		else if (quoted && *c == '\\' && c[1])
			c++;
	}
	*ret_piece = span_trim((struct span){*rest, (size_t)(c - *rest)});
	*rest = *c ? c + 1 : c;
	return true;
}

/* The same within a piece. */
static bool next_parameter(struct span *rest, struct span *ret_parameter)
{
	size_t at = 0;
	bool quoted = false;

	if (rest->len == 0)
		return false;
	for (; at < rest->len && (quoted || rest->ptr[at] != ';'); at++) {
		if (rest->ptr[at] == '"')
			quoted = !quoted;
		else if (quoted && rest->ptr[at] == '\\' && at + 1 < rest->len)
			at++;
	}
	*ret_parameter = span_trim((struct span){rest->ptr, at});
	at = at < rest->len ? at + 1 : at;
	*rest = (struct span){rest->ptr + at, rest->len - at};
	return true;
}

static bool split(struct span parameter, struct span *ret_name, struct span *ret_value)
{
	const char *equals = parameter.len ? memchr(parameter.ptr, '=', parameter.len) : NULL;
	size_t at;

	if (!equals)
		return false;
	at = (size_t)(equals - parameter.ptr);
	*ret_name = span_trim((struct span){parameter.ptr, at});
	*ret_value = span_trim((struct span){equals + 1, parameter.len - at - 1});
	return true;
}

/* `0.5` -> 500; at most three decimals and nothing above 1. */
static int read_quality(struct span text)
{
	int quality, step = 100;

	if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
		return QUALITY_BAD;
	quality = (text.ptr[0] - '0') * QUALITY_MAX;
	if (text.len > 1 && text.ptr[1] != '.')
		return QUALITY_BAD;
	for (size_t i = 2; i < text.len; i++, step /= 10) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return QUALITY_BAD;
		quality += (text.ptr[i] - '0') * step;
	}
	return quality <= QUALITY_MAX ? quality : QUALITY_BAD;
}

struct range {
	struct span type;
	int quality;
};

static bool read_range(struct span piece, struct range *ret_range)
{
	struct span parameter, name, value;

	*ret_range = (struct range){.quality = QUALITY_MAX};
	if (!next_parameter(&piece, &ret_range->type))
		return false;
	while (next_parameter(&piece, &parameter)) {
		if (!split(parameter, &name, &value) || !span_equals_nocase(name, "q"))
			continue;
		ret_range->quality = read_quality(value);
		break; /* what follows q belongs to the past of RFC 7231 */
	}
	return ret_range->quality != QUALITY_BAD;
}

/* How exactly the range names the type: 3 type, 2 type/ *, 1 any, 0 not at all. */
static int precision(struct span range, const char *type)
{
	size_t slash = strcspn(type, "/") + 1;

	if (span_equals_nocase(range, type))
		return 3;
	if (span_equals(range, "*/*"))
		return 1;
	return range.len == slash + 1 && range.ptr[slash] == '*' &&
			       strncasecmp(range.ptr, type, slash) == 0
		       ? 2
		       : 0;
}

static int quality_of(const char *accept, const char *type)
{
	struct span piece;
	struct range range;
	int best = 0, quality = 0;

	while (next_piece(&accept, ',', &piece)) {
		int exact = read_range(piece, &range) ? precision(range.type, type) : 0;

		if (exact > best || (exact == best && exact > 0 && range.quality > quality)) {
			best = exact;
			quality = range.quality;
		}
	}
	return quality;
}

const char *accept_choose(const char *accept, const char *const *produces)
{
	const char *chosen = NULL;
	int best = 0;

	if (!accept || accept[strspn(accept, " \t,")] == '\0')
		return produces[0];
	for (; *produces; produces++) {
		int quality = quality_of(accept, *produces);

		if (quality > best) {
			best = quality;
			chosen = *produces;
		}
	}
	return chosen;
}

static bool is_json(struct span type)
{
	static const struct span suffix = {"+json", 5};
	const char *slash = memchr(type.ptr, '/', type.len);
	size_t at = slash ? (size_t)(slash - type.ptr) : 0;
	struct span tail;

	if (!slash || type.len < at + 1 + suffix.len + 1)
		return false;
	tail = (struct span){type.ptr + type.len - suffix.len, suffix.len};
	return span_equals_nocase(tail, suffix.ptr) &&
	       framing_is_token((struct span){type.ptr, at}) &&
	       framing_is_token((struct span){slash + 1, type.len - at - 1});
}

static bool is_utf8_name(struct span value)
{
	if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
		value = (struct span){value.ptr + 1, value.len - 2};
	return span_equals_nocase(value, "utf-8") || span_equals_nocase(value, "utf8");
}

enum accept_type accept_type_check(const char *content_type, const char *consumes)
{
	struct span rest = span_of(content_type), type, parameter, name, value;

	if (!content_type || !next_parameter(&rest, &type) || type.len == 0)
		return ACCEPT_TYPE_MISSING;
	if (!span_equals_nocase(type, consumes) &&
		!(strcmp(consumes, "application/json") == 0 && is_json(type)))
		return span_equals_nocase(type, "application/x-ndjson") ? ACCEPT_TYPE_NDJSON
									: ACCEPT_TYPE_OTHER;
	while (next_parameter(&rest, &parameter))
		if (split(parameter, &name, &value) && span_equals_nocase(name, "charset") &&
			!is_utf8_name(value))
			return ACCEPT_TYPE_CHARSET;
	return ACCEPT_TYPE_OK;
}
