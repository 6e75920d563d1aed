/* fuzz_framing.c - the gate for requests: what passes is framed in one way only.
 *
 * Input: a request's head, lines that end with \n; what a field's name and value are is told by the
 * first colon alone, so that both may hold anything. */
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "server/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the gate must have seen, read a second time and more simply. */
struct seen {
	unsigned hosts, lengths, codings, types, keys;
	bool chunked;
	struct span length;
};

/* The bytes up to `end`, which is skipped, or all that is left. */
static struct span cut(struct span *rest, char end)
{
	const char *at = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
	struct span piece = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
	size_t skip = piece.len + (at != NULL);

	*rest = (struct span){rest->ptr + skip, rest->len - skip};
	return piece;
}

static struct span strip(struct span text)
{
	for (; text.len && strchr(" \t", text.ptr[0]) && text.ptr[0]; text.len--)
		text.ptr++;
	while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static void look(struct seen *seen, struct span name, struct span value)
{
	value = strip(value);
	seen->hosts += span_equals_nocase(name, "host");
	seen->types += span_equals_nocase(name, "content-type");
	seen->keys += span_equals_nocase(name, "authorization");
	if (span_equals_nocase(name, "content-length")) {
		seen->lengths++;
		seen->length = value;
	} else if (span_equals_nocase(name, "transfer-encoding")) {
		seen->codings++;
		seen->chunked = span_equals_nocase(value, "chunked");
	}
}

static void check(const struct framing *framing, const struct seen *seen, bool http_1_1)
{
	uint64_t length = 0;

	REQUIRE(seen->hosts <= 1 && (seen->hosts == 1 || !http_1_1));
	REQUIRE(seen->lengths + seen->codings <= 1 && seen->types <= 1 && seen->keys <= 1);
	REQUIRE(framing->chunked == (seen->codings == 1) && seen->chunked == framing->chunked);
	REQUIRE(http_1_1 || (!framing->chunked && !framing->continue_wanted));
	REQUIRE(seen->lengths == 0 || seen->length.len > 0);
	for (size_t i = 0; i < seen->length.len; i++) {
		REQUIRE(seen->length.ptr[i] >= '0' && seen->length.ptr[i] <= '9');
		length = length * 10 + (uint64_t)(seen->length.ptr[i] - '0');
		REQUIRE(length <= INT64_MAX);
	}
	REQUIRE(framing->length == length);
}

static void check_line(const char *method, const char *target)
{
	REQUIRE(*method && !strpbrk(method, " \t()<>@,;:\\\"/[]?={}"));
	REQUIRE(*target == '/');
	for (const char *c = target; *c; c++)
		REQUIRE(*c > ' ' && *c < 0x7F && *c != '#' && strncmp(c, "%00", 3) != 0);
}

/* libmicrohttpd hands lines out as C strings: a NUL ends them. */
static char *text_of(struct span span)
{
	char *text = mem_copy(span.ptr, span.len);

	REQUIRE(text != NULL);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = {(const char *)data, size}, line = cut(&rest, '\n');
	char *method = text_of(cut(&line, ' ')), *target = text_of(cut(&line, ' '));
	char *version = text_of(line);
	struct framing framing;
	struct seen seen = {0};

	framing_init(&framing);
	while (rest.len > 0) {
		struct span value = cut(&rest, '\n'), name = cut(&value, ':');

		framing_add(&framing, name, value);
		look(&seen, name, value);
		if (!framing_is_token(name) ||
			(value.len > 0 && memchr(value.ptr, '\0', value.len)))
			REQUIRE(framing.fault != NULL);
	}
	if (framing_judge(&framing, method, version, target).code == PROBLEM_NONE) {
		REQUIRE(framing.fault == NULL);
		check_line(method, target);
		check(&framing, &seen, strcmp(version, "HTTP/1.1") == 0);
	}
	mem_free(version);
	mem_free(target);
	mem_free(method);
	return 0;
}
