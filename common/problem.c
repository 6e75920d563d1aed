/* problem.c - an error of the request itself (RFC 9457), before it is an HTTP answer. */
#include "common/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

static const struct {
	unsigned status;
	const char *code, *title;
} table[PROBLEM_COUNT] = {[PROBLEM_NONE] = {200, "none", "OK"},
#define X(name, status, code, title) [PROBLEM_##name] = {status, code, title},
	PROBLEM_CODES(X)
#undef X
};

unsigned problem_status(enum problem_code code)
{
	REQUIRE((unsigned)code < PROBLEM_COUNT);
	return table[code].status;
}

const char *problem_code_text(enum problem_code code)
{
	REQUIRE((unsigned)code < PROBLEM_COUNT);
	return table[code].code;
}

void problem_init(struct problem *problem)
{
	memset(problem, 0, sizeof *problem);
}

void problem_free(struct problem *problem)
{
	for (size_t i = 0; i < problem->error_count; i++) {
		mem_free(problem->errors[i].pointer);
		mem_free(problem->errors[i].detail);
	}
	problem_init(problem);
}

void problem_set(struct problem *problem, enum problem_code code, const char *fmt, ...)
{
	va_list args;

	problem->code = code;
	va_start(args, fmt);
	vsnprintf(problem->detail, sizeof problem->detail, fmt, args);
	va_end(args);
}

static void add(struct problem *problem, const char *pointer, const char *detail, size_t line,
	size_t column)
{
	struct problem_error *error = &problem->errors[problem->error_count];

	if (problem->error_count == PROBLEM_ERRORS_MAX) {
		problem->more++;
		return;
	}
	error->pointer = mem_copy(pointer, strlen(pointer));
	error->detail = mem_copy(detail, strlen(detail));
	error->line = line;
	error->column = column;
	if (error->pointer && error->detail) {
		problem->error_count++;
		return;
	}
	mem_free(error->pointer);
	mem_free(error->detail);
	problem->more++;
}

void problem_add(struct problem *problem, const char *pointer, const char *fmt, ...)
{
	char detail[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof detail, fmt, args);
	va_end(args);
	add(problem, pointer, detail, 0, 0);
}

void problem_add_syntax(struct problem *problem, size_t line, size_t column, const char *detail)
{
	add(problem, "", detail, line, column);
}

static void render_error(const struct problem_error *error, struct buf *out)
{
	buf_adds(out, "{\"pointer\":");
	buf_add_json_string(out, error->pointer, strlen(error->pointer));
	buf_adds(out, ",\"detail\":");
	buf_add_json_string(out, error->detail, strlen(error->detail));
	if (error->line)
		buf_addf(out, ",\"line\":%zu,\"column\":%zu", error->line, error->column);
	buf_add_char(out, '}');
}

/* Says, too, how many errors the list leaves out. */
static void render_detail(const struct problem *problem, struct buf *out)
{
	char detail[sizeof problem->detail + 64];

	if (problem->more)
		snprintf(detail, sizeof detail, "%s (%zu more errors are not listed)",
			problem->detail, problem->more);
	else
		snprintf(detail, sizeof detail, "%s", problem->detail);
	buf_add_json_string(out, detail, strlen(detail));
}

void problem_render(const struct problem *problem, const char *request_id, struct buf *out)
{
	buf_addf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
		table[problem->code].title, problem_status(problem->code));
	render_detail(problem, out);
	buf_adds(out, ",\"request_id\":");
	buf_add_json_string(out, request_id, strlen(request_id));
	buf_addf(out, ",\"code\":\"%s\"", problem_code_text(problem->code));
	if (problem->error_count) {
		buf_adds(out, ",\"errors\":[");
		for (size_t i = 0; i < problem->error_count; i++) {
			if (i)
				buf_add_char(out, ',');
			render_error(&problem->errors[i], out);
		}
		buf_add_char(out, ']');
	}
	buf_adds(out, "}\n");
}
