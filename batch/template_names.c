/* template_names.c - which of jq's names a template may use: those of an allow-list, and those that
 * it defines itself. */
#include "batch/template_names.h"

#include <stdio.h>
#include <string.h>

#include "batch/template_token.h"
#include "common/utf8.h"

enum { DEFINED_MAX = 128, NAME_SHOWN_MAX = 40 };

static const char *const keywords[] = {"and", "or", "as", "def", "if", "then", "elif", "else",
	"end", "reduce", "foreach", "try", "catch", "label", "break", "__loc__"};

/* jq 1.5 to 1.8. */
static const char *const allowed[] = {"IN", "INDEX", "JOIN", "abs", "acos", "acosh", "add", "all",
	"any", "arrays", "ascii", "ascii_downcase", "ascii_upcase", "asin", "asinh", "atan",
	"atan2", "atanh", "booleans", "bsearch", "capture", "cbrt", "ceil", "combinations",
	"contains", "copysign", "cos", "cosh", "date", "dateadd", "dateiso8601", "datesub", "del",
	"delpaths", "drem", "empty", "endswith", "erf", "erfc", "error", "exp", "exp10", "exp2",
	"explode", "expm1", "fabs", "false", "fdim", "finites", "first", "flatten", "floor", "fma",
	"fmax", "fmin", "fmod", "format", "frexp", "from_entries", "fromdate", "fromdateiso8601",
	"fromjson", "fromstream", "gamma", "getpath", "gmtime", "group_by", "gsub", "has",
	"have_decnum", "have_literal_numbers", "hypot", "implode", "in", "index", "indices",
	"infinite", "inside", "isempty", "isfinite", "isinfinite", "isnan", "isnormal", "isvalid",
	"iterables", "j0", "j1", "jn", "join", "keys", "keys_unsorted", "last", "ldexp",
	"leaf_paths", "length", "lgamma", "lgamma_r", "limit", "log", "log10", "log1p", "log2",
	"logb", "ltrim", "ltrimstr", "map", "map_values", "match", "max", "max_by", "min", "min_by",
	"mktime", "modf", "nan", "nearbyint", "nextafter", "nexttoward", "normals", "not", "now",
	"nth", "null", "nulls", "numbers", "objects", "path", "paths", "pick", "pow", "pow10",
	"range", "recurse", "recurse_down", "remainder", "repeat", "reverse", "rindex", "rint",
	"round", "rtrim", "rtrimstr", "scalars", "scalars_or_empty", "scalb", "scalbln", "scan",
	"select", "setpath", "significand", "sin", "sinh", "skip", "sort", "sort_by", "split",
	"splits", "sqrt", "startswith", "strftime", "strings", "strptime", "sub", "tan", "tanh",
	"test", "tgamma", "to_entries", "toarray", "toboolean", "todate", "todateiso8601", "tojson",
	"tonumber", "tostream", "tostring", "transpose", "trim", "trimstr", "true", "trunc",
	"truncate_stream", "type", "unique", "unique_by", "until", "utf8bytelength", "values",
	"walk", "while", "with_entries", "y0", "y1", "yn"};

/* What jq has besides: no template may define it either, since a definition ends somewhere, and
 * behind it the name would be jq's again. */
static const char *const denied[] = {"env", "input", "inputs", "debug", "stderr", "halt",
	"halt_error", "input_filename", "input_line_number", "get_search_list", "get_prog_origin",
	"get_jq_origin", "modulemeta", "import", "include", "module", "localtime", "strflocaltime",
	"builtins"};

struct judge {
	struct template_tokens tokens;
	struct span defined[DEFINED_MAX];
	size_t defined_count;
	struct template_fault *fault;
};

static bool stands_in(struct span name, const char *const *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_equals(name, table[i]))
			return true;
	return false;
}
#define STANDS_IN(name, table) stands_in((name), (table), sizeof(table) / sizeof *(table))

static bool refuse(struct judge *judge, const char *at, const char *what)
{
	judge->fault->offset = (size_t)(at - judge->tokens.begin);
	snprintf(judge->fault->what, sizeof judge->fault->what, "%s", what);
	return false;
}

static bool refuse_name(struct judge *judge, struct span name, const char *what)
{
	judge->fault->offset = (size_t)(name.ptr - judge->tokens.begin);
	snprintf(judge->fault->what, sizeof judge->fault->what, "`%.*s` %s",
		(int)(name.len < NAME_SHOWN_MAX ? name.len : NAME_SHOWN_MAX), name.ptr, what);
	return false;
}

/* Ends at TOKEN_END; false where that came too early. */
static bool ended_well(struct judge *judge)
{
	if (!judge->tokens.wrong)
		return true;
	return refuse(judge, judge->tokens.at, judge->tokens.wrong);
}

static bool is_character(const struct template_token *token, char c)
{
	return token->kind == TOKEN_CHARACTER && token->text.ptr[0] == c;
}

/* A key of an object: {name: …}, {name}. Everything else that is a name is an expression. */
static bool is_key(const struct judge *judge, const struct template_token *before,
	const struct template_token *token)
{
	char next = template_token_peek(&judge->tokens);

	return token->inside == '{' && (is_character(before, '{') || is_character(before, ',')) &&
	       (next == ':' || next == ',' || next == '}');
}

/* ---- what the program defines ---- */

static bool define(struct judge *judge, struct span name)
{
	if (name.ptr[0] == '_' || STANDS_IN(name, denied))
		return refuse_name(judge, name, "is jq's own: a template cannot define it");
	if (judge->defined_count == DEFINED_MAX)
		return refuse_name(judge, name, "is one definition too many");
	judge->defined[judge->defined_count++] = name;
	return true;
}

/* Behind `def NAME (`: closures, and variables that are closures too. */
static bool define_parameters(struct judge *judge)
{
	struct template_token token;

	while ((token = template_token_next(&judge->tokens)).kind != TOKEN_END) {
		if (is_character(&token, ')'))
			return true;
		if (token.kind == TOKEN_NAME && !define(judge, token.text))
			return false;
		if (token.kind != TOKEN_NAME && !is_character(&token, '$') &&
			!is_character(&token, ';'))
			return refuse(judge, token.text.ptr, "this cannot stand here");
	}
	return ended_well(judge);
}

static bool define_one(struct judge *judge)
{
	struct template_token name = template_token_next(&judge->tokens);

	if (name.kind != TOKEN_NAME || STANDS_IN(name.text, keywords))
		return refuse(judge, judge->tokens.at, "a name must stand behind `def`");
	if (!define(judge, name.text))
		return false;
	if (template_token_peek(&judge->tokens) != '(')
		return true;
	(void)template_token_next(&judge->tokens);
	return define_parameters(judge);
}

/* ---- names that are used ---- */

static bool judge_variable(struct judge *judge, struct span name)
{
	if (span_equals(name, "ENV"))
		return refuse_name(judge, name, "is not allowed in a template");
	if (name.len > 1 && name.ptr[0] == '_' && name.ptr[1] == '_' &&
		!span_equals(name, "__loc__"))
		return refuse_name(judge, name, "is not allowed in a template");
	return true;
}

static bool judge_keyword(struct judge *judge, const struct template_token *token)
{
	if (span_equals(token->text, "def") && token->inside == '{')
		return refuse(judge, token->text.ptr,
			"`def` within an object: put parentheses around the value");
	if (span_equals(token->text, "if"))
		return template_token_nest(&judge->tokens, true) ||
		       refuse(judge, token->text.ptr, judge->tokens.wrong);
	if (span_equals(token->text, "end"))
		return template_token_nest(&judge->tokens, false) ||
		       refuse(judge, token->text.ptr, judge->tokens.wrong);
	return true;
}

static bool judge_function(struct judge *judge, struct span name)
{
	if (STANDS_IN(name, allowed))
		return true;
	for (size_t i = 0; i < judge->defined_count; i++)
		if (judge->defined[i].len == name.len &&
			memcmp(judge->defined[i].ptr, name.ptr, name.len) == 0)
			return true;
	if (name.ptr[0] == '_' || memchr(name.ptr, ':', name.len) || STANDS_IN(name, denied))
		return refuse_name(judge, name, "is not allowed in a template");
	return refuse_name(judge, name, "is not a function that a template can use");
}

static bool judge_name(struct judge *judge, const struct template_token *before,
	const struct template_token *token)
{
	if (memchr(token->text.ptr, ':', token->text.len))
		return refuse_name(judge, token->text, "is of a module: there are none");
	if (is_character(before, '$'))
		return judge_variable(judge, token->text);
	if (is_key(judge, before, token))
		return true;
	if (STANDS_IN(token->text, keywords))
		return judge_keyword(judge, token);
	return judge_function(judge, token->text);
}

/* The first pass collects definitions, the second judges uses. Both keep the same nesting. */
static bool walk(struct judge *judge, struct span text, bool judges)
{
	struct template_token token, before = {.kind = TOKEN_END};

	template_token_begin(&judge->tokens, text);
	while ((token = template_token_next(&judge->tokens)).kind != TOKEN_END) {
		bool plain = token.kind == TOKEN_NAME && !is_character(&before, '$') &&
			     !is_key(judge, &before, &token);

		if (token.kind == TOKEN_NAME && judges && !judge_name(judge, &before, &token))
			return false;
		if (plain && !judges && !judge_keyword(judge, &token))
			return false;
		before = token;
		if (plain && !judges && span_equals(token.text, "def") && !define_one(judge))
			return false;
	}
	return ended_well(judge);
}

static bool plain_text(struct judge *judge, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return refuse(judge, text.ptr + i, "a control character");
	}
	if (!utf8_valid(text.ptr, text.len))
		return refuse(judge, text.ptr, "not UTF-8");
	return true;
}

bool template_names_check(struct span text, struct template_fault *ret_fault)
{
	struct judge judge = {.fault = ret_fault};

	template_token_begin(&judge.tokens, text);
	return plain_text(&judge, text) && walk(&judge, text, false) && walk(&judge, text, true);
}
