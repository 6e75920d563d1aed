/* template_token.h - cuts a jq program into tokens, strings with what is interpolated into them
 * included.
 *
 * `if` counts as an opening bracket and `end` as its closing one, so that a reader knows whether it
 * stands in an object. Pure; any thread. */
#ifndef BATCH_TEMPLATE_TOKEN_H
#define BATCH_TEMPLATE_TOKEN_H
#include <stdbool.h>

#include "common/buf.h"

enum { TEMPLATE_TOKEN_DEPTH_MAX = 256 };

enum template_token_kind {
	TOKEN_END,
	TOKEN_NAME,     /* a function, a keyword, a key of an object, or a variable's behind `$` */
	TOKEN_FIELD,    /* .name */
	TOKEN_STRING,   /* a piece: up to its end or to what is interpolated */
	TOKEN_CHARACTER /* all else; numbers and formats too: `text` begins with what they begin */
};

struct template_token {
	enum template_token_kind kind;
	struct span text;
	char inside; /* of ( [ { i(f) "(interpolated), 0: none; as it is before this token */
};

struct template_tokens {
	const char *begin, *at, *end;
	const char *wrong; /* static; set where next() gives TOKEN_END too early */
	size_t depth;
	char stack[TEMPLATE_TOKEN_DEPTH_MAX];
};

void template_token_begin(struct template_tokens *tokens, struct span text);
struct template_token template_token_next(struct template_tokens *tokens);
/* The reader has seen that the name `if` or `end` is meant as a keyword. False: it does not fit. */
bool template_token_nest(struct template_tokens *tokens, bool opens);
/* The next byte that is neither white space nor comment; 0 at the end. Moves nothing. */
char template_token_peek(const struct template_tokens *tokens);
#endif
