/* member.c - the names a request may use, where each may stand, and a hint for those that stand
 * wrong. */
#include "batch/member.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "batch/scan.h"

static const struct {
	const char *text;
	size_t len;
	unsigned places;
} table[MEMBER_COUNT] = {
#define X(name, text, places) [MEMBER_##name] = {text, sizeof text - 1, places},
	MEMBERS(X)
#undef X
};

static const struct {
	unsigned place;
	const char *text;
} place_names[] = {{PLACE_ITEM, "an item"}, {PLACE_DEFAULTS, "defaults"},
	{PLACE_OPTIONS, "options"}, {PLACE_RETRY, "retry"}, {PLACE_TOP, "the request"},
	{PLACE_NAMED_TOP, "the request"}, {PLACE_NAMED_OPTIONS, "options"},
	{PLACE_REQUEST, "what the template gave"}};

/* What other tools call it. */
static const struct {
	const char *from;
	enum member to;
} aliases[] = {
	{"uri", MEMBER_URL},
	{"endpoint", MEMBER_URL},
	{"verb", MEMBER_METHOD},
	{"params", MEMBER_QUERY},
	{"data", MEMBER_BODY},
	{"json", MEMBER_BODY},
	{"payload", MEMBER_BODY},
	{"text", MEMBER_BODY_TEXT},
	{"content", MEMBER_BODY_TEXT},
	{"base64", MEMBER_BODY_BASE64},
	{"timeout", MEMBER_TIMEOUT_MS},
	{"follow_redirects", MEMBER_MAX_REDIRECTS},
	{"retries", MEMBER_RETRY},
	{"max_retries", MEMBER_RETRY},
	{"max_workers", MEMBER_CONCURRENCY},
	{"max_concurrency", MEMBER_CONCURRENCY},
	{"parallel", MEMBER_CONCURRENCY},
	{"batch_timeout", MEMBER_BATCH_TIMEOUT_MS},
	{"fail_fast", MEMBER_STOP_ON_ERROR},
	{"attempts", MEMBER_MAX_ATTEMPTS},
	{"statuses", MEMBER_RETRY_ON},
	{"requests", MEMBER_ITEMS},
	{"calls", MEMBER_ITEMS},
	{"batch", MEMBER_ITEMS},
	{"request_id", MEMBER_ID},
	{"name", MEMBER_ID},
	{"desc", MEMBER_LABEL},
};

const char *member_text(enum member member)
{
	return table[member].text;
}

static enum member find(struct span name)
{
	struct span plain = {name.ptr + 1, name.len - 2};
	bool escaped = memchr(plain.ptr, '\\', plain.len) != NULL;

	for (unsigned i = 0; i < MEMBER_COUNT; i++) {
		if (escaped ? scan_name_is(name, table[i].text)
			    : plain.len == table[i].len &&
					memcmp(plain.ptr, table[i].text, plain.len) == 0)
			return (enum member)i;
	}
	return MEMBER_COUNT;
}

/* timeoutMs, TimeoutMS, time_out-ms and timeout_ms are the same to a person. */
static bool sounds_like(const char *a, const char *b)
{
	for (;;) {
		while (*a == '_' || *a == '-' || *a == ' ')
			a++;
		while (*b == '_')
			b++;
		if (strncasecmp(a, b, 1) != 0)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits between two short words (Wagner and Fischer). */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[32], len = strlen(b);

	if (len >= 31 || strlen(a) >= 31)
		return 31;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; *a; a++, i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t above = row[j];

			row[j] = least(least(row[j - 1], above) + 1, corner + (*a != b[j - 1]));
			corner = above;
		}
	}
	return row[len];
}

static enum member guess(const char *name)
{
	enum member best = MEMBER_COUNT;
	size_t best_distance = 3;

	for (unsigned i = 0; i < MEMBER_COUNT; i++) {
		size_t distance =
			sounds_like(name, table[i].text) ? 0 : edit_distance(name, table[i].text);

		if (distance < best_distance && distance * 3 < table[i].len) {
			best = (enum member)i;
			best_distance = distance;
		}
	}
	for (size_t i = 0; best == MEMBER_COUNT && i < sizeof aliases / sizeof *aliases; i++) {
		if (sounds_like(name, aliases[i].from))
			best = aliases[i].to;
	}
	return best;
}

/* Where `meant` may stand, seen from `place`: "`options.concurrency`", "`retry.retry_on`", "`url`
 * in an item or `defaults.url`". */
static void say_where(enum member meant, unsigned place, char *out, size_t max)
{
	unsigned places = table[meant].places;
	unsigned options = place & PLACE_NAMED ? PLACE_NAMED_OPTIONS : PLACE_OPTIONS;
	const char *text = table[meant].text;

	if (places & place)
		snprintf(out, max, "`%s`", text);
	else if ((places & PLACE_CALL) == PLACE_CALL && !(place & PLACE_NAMED))
		snprintf(out, max, "`defaults.%s` or `%s` in an item", text, text);
	else if (places & options)
		snprintf(out, max, "`options.%s`", text);
	else if (places & PLACE_RETRY)
		snprintf(out, max, "`retry.%s`", text);
	else if (places & PLACE_ITEM)
		snprintf(out, max, "`%s` in an item", text);
	else
		snprintf(out, max, "`%s` at the top level", text);
}

static const char *place_text(unsigned place)
{
	for (size_t i = 0; i < sizeof place_names / sizeof *place_names; i++) {
		if (place_names[i].place == place)
			return place_names[i].text;
	}
	return "";
}

/* Where a caller may set something, or a template. */
static unsigned named_places(unsigned place)
{
	return place & PLACE_REQUEST ? PLACE_REQUEST
				     : PLACE_NAMED_TOP | PLACE_NAMED_OPTIONS | PLACE_RETRY;
}

static void refuse(
	struct span name, enum member known, unsigned place, const char *path, struct fault *fault)
{
	char quoted[FAULT_NAME_MAX], where[FAULT_NAME_MAX];
	enum member meant = known;

	if (!fault_wants(fault))
		return;
	fault_quote(name, quoted);
	if (meant == MEMBER_PARAMS && (place & PLACE_CALL))
		meant = MEMBER_QUERY;
	if (meant == MEMBER_COUNT)
		meant = guess(quoted);
	if (meant == MEMBER_COUNT) {
		fault_add(fault, REASON_FIELD_UNKNOWN, path, name, "unknown field `%s` in %s",
			quoted, place_text(place));
		return;
	}
	if ((place & PLACE_NAMED) && !(table[meant].places & named_places(place))) {
		fault_add(fault, REASON_FIELD_UNKNOWN, path, name,
			"`%s` cannot be set in %s: what the endpoint calls is the operator's word",
			quoted, place_text(place));
		return;
	}
	say_where(meant, place, where, sizeof where);
	if (meant == MEMBER_TIMEOUT_MS && (place & (PLACE_OPTIONS | PLACE_TOP)))
		snprintf(
			where, sizeof where, "`defaults.timeout_ms` or `options.batch_timeout_ms`");
	fault_add(fault, REASON_FIELD_UNKNOWN, path, name, "%s field `%s` in %s: did you mean %s?",
		known == MEMBER_COUNT ? "unknown" : "misplaced", quoted, place_text(place), where);
}

void member_read(struct span object, enum member_place place, const char *path,
	struct member_set *ret_set, struct fault *fault)
{
	struct scan_walk walk;
	struct scan_member member;
	uint32_t twice = 0;

	ret_set->seen = 0;
	scan_begin(&walk, object);
	while (scan_next(&walk, &member)) {
		enum member found = find(member.name);
		uint32_t bit;

		if (found == MEMBER_COUNT || !(table[found].places & place)) {
			refuse(member.name, found, place, path, fault);
			continue;
		}
		bit = (uint32_t)1 << found;
		if (ret_set->seen & bit) {
			if (!(twice & bit))
				fault_add(fault, REASON_FIELD_INVALID, path, member.name,
					"`%s` stands here more than once", table[found].text);
			twice |= bit;
			continue;
		}
		ret_set->seen |= bit;
		ret_set->values[found] = member.value;
	}
	if (twice >> MEMBER_ID & 1)
		ret_set->seen &= ~((uint32_t)1 << MEMBER_ID);
}
