/* params.c - a request's `params`, against what its endpoint says of them. */
#include "batch/params.h"

#include <stdio.h>
#include <string.h>

#include "batch/escape.h"
#include "batch/scan.h"
#include "common/config_param.h"
#include "common/decimal.h"
#include "common/likeness.h"
#include "common/mem.h"

enum { CHOICES_SHOWN = 200 };

static const struct span none = {NULL, 0};

struct text { /* a JSON string's bytes, decoded one after the other */
	const char *at, *end;
	char decoded[4];
	size_t count, next;
};

static bool next_byte(struct text *text, char *ret_byte)
{
	if (text->next == text->count) {
		if (text->at == text->end)
			return false;
		text->next = 0;
		text->count = 1;
		text->decoded[0] = *text->at++;
		if (text->decoded[0] == '\\')
			text->count = escape_decode(&text->at, text->end, text->decoded);
	}
	*ret_byte = text->decoded[text->next++];
	return true;
}

static bool same_string(struct span a, struct span b)
{
	struct text x = {.at = a.ptr + 1, .end = a.ptr + a.len - 1};
	struct text y = {.at = b.ptr + 1, .end = b.ptr + b.len - 1};
	char from_x, from_y;

	while (next_byte(&x, &from_x))
		if (!next_byte(&y, &from_y) || from_x != from_y)
			return false;
	return !next_byte(&y, &from_y);
}

static bool same_value(enum config_param_type type, struct span a, struct span b)
{
	switch (type) {
	case CONFIG_PARAM_STRING:
		return same_string(a, b);
	case CONFIG_PARAM_INTEGER:
	case CONFIG_PARAM_NUMBER:
		return decimal_equals(a, b);
	default:
		return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
	}
}

static bool is_choice(const struct config_param *param, struct span value)
{
	struct scan_walk walk;
	struct scan_member choice;

	scan_begin(&walk, span_of(param->choices));
	while (scan_next(&walk, &choice))
		if (same_value(param->type, choice.value, value))
			return true;
	return false;
}

static bool fits_type(enum config_param_type type, struct span value)
{
	enum scan_type found = scan_type(value);

	switch (type) {
	case CONFIG_PARAM_STRING:
		return found == SCAN_STRING;
	case CONFIG_PARAM_INTEGER:
		return found == SCAN_NUMBER && decimal_is_integer(value);
	case CONFIG_PARAM_NUMBER:
		return found == SCAN_NUMBER;
	case CONFIG_PARAM_BOOLEAN:
		return found == SCAN_TRUE || found == SCAN_FALSE;
	case CONFIG_PARAM_ARRAY:
		return found == SCAN_ARRAY;
	case CONFIG_PARAM_OBJECT:
		return found == SCAN_OBJECT;
	}
	return false;
}

/* What it must be: "a string", or `one of "a", "b"`, as many as fit. */
static void say_wanted(const struct config_param *param, char *out, size_t max)
{
	struct scan_walk walk;
	struct scan_member choice;
	size_t len;

	snprintf(out, max, "%s", param->choices ? "one of" : config_param_wants(param->type));
	if (!param->choices)
		return;
	scan_begin(&walk, span_of(param->choices));
	for (const char *between = " "; scan_next(&walk, &choice); between = ", ") {
		len = strlen(out);
		if (choice.value.len + sizeof ", , …" > max - len) {
			snprintf(out + len, max - len, "%s…", between);
			return;
		}
		snprintf(out + len, max - len, "%s%.*s", between, (int)choice.value.len,
			choice.value.ptr);
	}
}

static void refuse(const struct config_param *param, enum item_reason reason, const char *what,
	struct fault *fault)
{
	char wanted[CHOICES_SHOWN], pointer[FAULT_POINTER_MAX] = "";

	if (!fault_wants(fault))
		return;
	fault_point(pointer, span_of(param->name));
	say_wanted(param, wanted, sizeof wanted);
	fault_add(fault, reason, pointer, none, "`%s` %s %s", param->name, what, wanted);
}

static bool check(const struct config_param *param, struct span value, struct fault *fault)
{
	char pointer[FAULT_POINTER_MAX] = "";

	if (!fits_type(param->type, value)) {
		refuse(param, REASON_FIELD_INVALID, "must be", fault);
		return false;
	}
	if (scan_type(value) == SCAN_NUMBER && value.len > PARAMS_NUMBER_MAX) {
		fault_point(pointer, span_of(param->name));
		fault_add(fault, REASON_FIELD_INVALID, pointer, none,
			"`%s` has more than %d digits", param->name, PARAMS_NUMBER_MAX);
		return false;
	}
	if (!param->choices || is_choice(param, value))
		return true;
	refuse(param, REASON_FIELD_INVALID, "must be", fault);
	return false;
}

/* The name that is nearest, or NULL where none is near. */
static const char *guess(const struct config_endpoint *endpoint, const char *name)
{
	size_t best = strlen(name) / 3 + 2;
	const char *found = NULL;

	for (size_t i = 0; i < endpoint->param_count; i++) {
		const char *candidate = endpoint->params[i].name;
		size_t distance = likeness_distance(name, candidate);

		if (distance >= best || distance >= strlen(candidate))
			continue;
		best = distance;
		found = candidate;
	}
	return found;
}

static void refuse_unknown(
	const struct config_endpoint *endpoint, struct span name, struct fault *fault)
{
	char quoted[FAULT_NAME_MAX];
	const char *near;

	if (!fault_wants(fault))
		return;
	fault_quote(name, quoted);
	near = guess(endpoint, quoted);
	if (near)
		fault_add(fault, REASON_FIELD_UNKNOWN, "", name,
			"unknown parameter `%s`: did you mean `%s`?", quoted, near);
	else
		fault_add(fault, REASON_FIELD_UNKNOWN, "", name, "unknown parameter `%s`%s", quoted,
			endpoint->param_count ? "" : ": the endpoint has none");
}

static size_t find(const struct config_endpoint *endpoint, struct span name)
{
	size_t i = 0;

	while (i < endpoint->param_count && !scan_name_is(name, endpoint->params[i].name))
		i++;
	return i;
}

/* Where each parameter's value stands; an empty span where it was not sent. False where anything is
 * wrong with it. */
static bool collect(struct span object, const struct config_endpoint *endpoint, struct span *values,
	struct fault *fault)
{
	struct scan_walk walk;
	struct scan_member member;
	bool good = true;

	scan_begin(&walk, object);
	while (scan_next(&walk, &member)) {
		size_t i = find(endpoint, member.name);

		if (i == endpoint->param_count) {
			refuse_unknown(endpoint, member.name, fault);
			good = false;
		} else if (values[i].ptr) {
			fault_add(fault, REASON_FIELD_INVALID, "", member.name,
				"`%s` stands here more than once", endpoint->params[i].name);
			good = false;
		} else {
			values[i] = member.value;
			good &= check(&endpoint->params[i], member.value, fault);
		}
	}
	return good;
}

static bool fill_in(
	const struct config_endpoint *endpoint, struct span *values, struct fault *fault)
{
	bool good = true;

	for (size_t i = 0; i < endpoint->param_count; i++) {
		const struct config_param *param = &endpoint->params[i];

		if (values[i].ptr)
			continue;
		if (param->fallback) {
			values[i] = span_of(param->fallback);
		} else {
			refuse(param, REASON_FIELD_MISSING, "is missing; it must be", fault);
			good = false;
		}
	}
	return good;
}

static enum err_code write_all(
	const struct config_endpoint *endpoint, const struct span *values, struct buf *text)
{
	enum err_code code = buf_add_char(text, '{');

	for (size_t i = 0; code == ERR_OK && i < endpoint->param_count; i++) {
		code = buf_addf(text, "%s\"%s\":", i ? "," : "", endpoint->params[i].name);
		if (code == ERR_OK)
			code = buf_add(text, values[i].ptr, values[i].len);
	}
	return code == ERR_OK ? buf_add_char(text, '}') : code;
}

static enum err_code read_object(struct span object, const struct config_endpoint *endpoint,
	struct buf *text, struct fault *fault)
{
	struct span *values = mem_try(endpoint->param_count * sizeof *values);
	bool good = true;
	enum err_code code;

	if (!values)
		return ERR_NOMEM;
	if (object.len)
		good = collect(object, endpoint, values, fault);
	good &= fill_in(endpoint, values, fault);
	code = good ? write_all(endpoint, values, text) : ERR_INVALID;
	mem_free(values);
	if (code == ERR_LIMIT)
		return fault_add(fault, REASON_FIELD_INVALID, "", none,
			"`params` take more than %zu bytes", text->max);
	return code;
}

enum err_code params_read(struct span value, const struct config_endpoint *endpoint,
	struct buf *ret_text, struct fault *fault)
{
	struct span object = scan_trim(value);
	enum err_code code;

	if (object.len && scan_type(object) != SCAN_OBJECT)
		code = fault_add(
			fault, REASON_FIELD_INVALID, "", none, "`params` must be an object");
	else if (object.len && scan_count(object, PARAMS_MEMBERS_MAX) > PARAMS_MEMBERS_MAX)
		code = fault_add(fault, REASON_FIELD_INVALID, "", none,
			"`params` has more than %d members", PARAMS_MEMBERS_MAX);
	else
		code = read_object(object, endpoint, ret_text, fault);
	if (code != ERR_OK)
		buf_clear(ret_text);
	return code;
}
