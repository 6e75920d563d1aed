/* template_token.c - cuts a jq program into tokens, strings with what is interpolated into them
 * included. */
#include "batch/template_token.h"

#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char at_offset(const struct template_tokens *tokens, const char *at, size_t offset)
{
	return (size_t)(tokens->end - at) > offset ? at[offset] : '\0';
}

void template_token_begin(struct template_tokens *tokens, struct span text)
{
	*tokens = (struct template_tokens){
		.begin = text.ptr, .at = text.ptr, .end = text.ptr + text.len};
}

static bool push(struct template_tokens *tokens, char what)
{
	if (tokens->depth == TEMPLATE_TOKEN_DEPTH_MAX) {
		tokens->wrong = "too many brackets are open at once";
		return false;
	}
	tokens->stack[tokens->depth++] = what;
	return true;
}

static char top(const struct template_tokens *tokens)
{
	return tokens->depth > 0 ? tokens->stack[tokens->depth - 1] : '\0';
}

static bool pop(struct template_tokens *tokens, char what)
{
	if (top(tokens) != what) {
		tokens->wrong = "this closes nothing that is open";
		return false;
	}
	tokens->depth--;
	return true;
}

bool template_token_nest(struct template_tokens *tokens, bool opens)
{
	return opens ? push(tokens, 'i') : pop(tokens, 'i');
}

/* jq 1.7.1 lets a backslash continue a comment, older ones do not: NULL there. */
static const char *skip_blank(const struct template_tokens *tokens)
{
	const char *at = tokens->at;

	for (;;) {
		while (at < tokens->end && (*at == ' ' || *at == '\t' || *at == '\n'))
			at++;
		if (at == tokens->end || *at != '#')
			return at;
		while (at < tokens->end && *at != '\n')
			at++;
		if (at[-1] == '\\')
			return NULL;
	}
}

char template_token_peek(const struct template_tokens *tokens)
{
	const char *at = skip_blank(tokens);

	return at && at < tokens->end ? *at : '\0';
}

/* `at` is within the string; the answer is behind its end, or behind the `\(`. */
static const char *skip_string(struct template_tokens *tokens, const char *at)
{
	while (at < tokens->end) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && at_offset(tokens, at, 1) == '(')
			return push(tokens, '"') ? at + 2 : NULL;
		at += *at == '\\' && tokens->end - at > 1 ? 2 : 1;
	}
	tokens->wrong = "a string that does not end";
	return NULL;
}

/* a, a::b */
static const char *skip_name(const struct template_tokens *tokens, const char *at)
{
	while (is_letter(at_offset(tokens, at, 0)) || is_digit(at_offset(tokens, at, 0))) {
		at++;
		if (at_offset(tokens, at, 0) == ':' && at_offset(tokens, at, 1) == ':' &&
			is_letter(at_offset(tokens, at, 2)))
			at += 2;
	}
	return at;
}

static const char *skip_digits(const struct template_tokens *tokens, const char *at)
{
	while (is_digit(at_offset(tokens, at, 0)))
		at++;
	return at;
}

/* As jq's: "1.env" is the number 1. and the name env. */
static const char *skip_number(const struct template_tokens *tokens, const char *at)
{
	size_t sign;

	at = skip_digits(tokens, at);
	if (at_offset(tokens, at, 0) == '.')
		at = skip_digits(tokens, at + 1);
	if (at_offset(tokens, at, 0) != 'e' && at_offset(tokens, at, 0) != 'E')
		return at;
	sign = at_offset(tokens, at, 1) == '+' || at_offset(tokens, at, 1) == '-';
	if (is_digit(at_offset(tokens, at, 1 + sign)))
		at = skip_digits(tokens, at + 1 + sign);
	return at;
}

/* What begins with a point: `..`, a field, a number, or the point itself. */
static const char *skip_point(
	const struct template_tokens *tokens, const char *at, enum template_token_kind *kind)
{
	char next = at_offset(tokens, at, 1);

	if (next == '.')
		return at + 2;
	if (is_digit(next))
		return skip_number(tokens, at);
	if (!is_letter(next))
		return at + 1;
	*kind = TOKEN_FIELD;
	while (is_letter(at_offset(tokens, at, 1)) || is_digit(at_offset(tokens, at, 1)))
		at++;
	return at + 1;
}

/* NULL: tokens->wrong says why. */
static const char *skip_bracket(
	struct template_tokens *tokens, const char *at, enum template_token_kind *kind)
{
	switch (*at) {
	case '(':
	case '[':
	case '{':
		return push(tokens, *at) ? at + 1 : NULL;
	case ']':
		return pop(tokens, '[') ? at + 1 : NULL;
	case '}':
		return pop(tokens, '{') ? at + 1 : NULL;
	case ')':
		if (top(tokens) != '"')
			return pop(tokens, '(') ? at + 1 : NULL;
		tokens->depth--;
		*kind = TOKEN_STRING;
		return skip_string(tokens, at + 1);
	default:
		return at + 1;
	}
}

static const char *skip_token(
	struct template_tokens *tokens, const char *at, enum template_token_kind *kind)
{
	*kind = TOKEN_CHARACTER;
	if (is_letter(*at)) {
		*kind = TOKEN_NAME;
		return skip_name(tokens, at);
	}
	if (is_digit(*at))
		return skip_number(tokens, at);
	if (*at == '.')
		return skip_point(tokens, at, kind);
	if (*at == '"') {
		*kind = TOKEN_STRING;
		return skip_string(tokens, at + 1);
	}
	if (*at == '@') {
		at++;
		while (is_letter(at_offset(tokens, at, 0)) || is_digit(at_offset(tokens, at, 0)))
			at++;
		return at;
	}
	return skip_bracket(tokens, at, kind);
}

struct template_token template_token_next(struct template_tokens *tokens)
{
	struct template_token token = {.kind = TOKEN_END, .inside = top(tokens)};
	const char *at = skip_blank(tokens), *end;

	if (!at) {
		tokens->wrong = "a comment must not end in a backslash";
		return token;
	}
	tokens->at = at;
	if (at == tokens->end) {
		if (tokens->depth > 0)
			tokens->wrong = "something that was opened is not closed";
		return token;
	}
	end = skip_token(tokens, at, &token.kind);
	if (!end)
		return (struct template_token){.kind = TOKEN_END};
	token.text = (struct span){at, (size_t)(end - at)};
	tokens->at = end;
	return token;
}
