/* run_input.c - what `batchgate run` reads: a batch document, or lines of items. */
#include "cli/run_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/member.h"

static bool may_stand(struct span name, bool in_item)
{
	static const enum member top[] = {MEMBER_ITEMS, MEMBER_DEFAULTS, MEMBER_OPTIONS};

	if (!in_item) {
		for (size_t i = 0; i < sizeof top / sizeof *top; i++)
			if (scan_name_is(name, member_text(top[i])))
				return true;
		return false;
	}
	for (enum member member = MEMBER_URL; member <= MEMBER_RETRY; member++)
		if (scan_name_is(name, member_text(member)))
			return true;
	return false;
}

static bool of_named_head(struct span name)
{
	return scan_name_is(name, "params") || scan_name_is(name, "options");
}

enum run_input_kind run_input_classify(struct span line, bool named, unsigned depth_max)
{
	bool of_item = false, of_top = false;
	struct scan_member member;
	struct scan_walk walk;

	if (!scan_check(line, depth_max, NULL))
		return RUN_INPUT_DOCUMENT;
	if (scan_type(scan_trim(line)) != SCAN_OBJECT)
		return named ? RUN_INPUT_ITEM : RUN_INPUT_DOCUMENT;
	scan_begin(&walk, scan_trim(line));
	while (scan_next(&walk, &member)) {
		if (scan_name_is(member.name, "items"))
			return RUN_INPUT_DOCUMENT;
		of_top |= may_stand(member.name, false);
		of_item |= named ? !of_named_head(member.name) : may_stand(member.name, true);
	}
	return of_item && (named || !of_top) ? RUN_INPUT_ITEM : RUN_INPUT_HEAD;
}

enum err_code run_input_open(struct run_input *input, const char *path, struct err *err)
{
	bool is_stdin = !path || strcmp(path, "-") == 0;
	struct stat about;

	*input = (struct run_input){.name = is_stdin ? "standard input" : path, .fd = -1};
	input->head = input->name;
	buf_init(&input->envelope, SIZE_MAX / 2);
	input->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &about) != 0)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	if (S_ISDIR(about.st_mode))
		return err_set(err, ERR_IO, "is a directory");
	input->regular = S_ISREG(about.st_mode);
	input->start = input->regular ? lseek(input->fd, 0, SEEK_CUR) : 0;
	run_lines_init(&input->lines, input->fd, SIZE_MAX / 2);
	input->lines.offset = input->start;
	return ERR_OK;
}

void run_input_free(struct run_input *input)
{
	if (input->fd > STDERR_FILENO)
		close(input->fd);
	run_lines_free(&input->lines);
	buf_free(&input->envelope);
}

/* The first line that is not blank. ERR_NOT_FOUND: there is none. */
static enum err_code first_line(
	struct run_input *input, size_t max, struct run_line *ret_line, struct err *err)
{
	for (;;) {
		enum run_lines_got got = run_lines_next(&input->lines, ret_line);
		enum err_code code;

		if (got == RUN_LINES_END)
			return err_set(err, ERR_NOT_FOUND, "empty");
		if (got == RUN_LINES_LINE) {
			if (ret_line->too_long || !run_lines_blank(ret_line->text))
				return ERR_OK;
			continue;
		}
		if (input->lines.end - input->lines.begin > max)
			return err_set(err, ERR_LIMIT,
				"a document that is larger than %zu bytes (limits.memory): "
				"write its items as lines instead, batchgate run --help shows "
				"how",
				max);
		code = run_lines_fill(&input->lines, err);
		if (code != ERR_OK && code != ERR_BUSY)
			return code;
	}
}

/* {…} -> {"items":[],…}: what the reader of documents takes. */
static enum err_code make_envelope(struct run_input *input, struct span head, struct err *err)
{
	struct span rest = {head.ptr + 1, head.len - 1};

	buf_adds(&input->envelope, "{\"items\":[]");
	if (!run_lines_blank((struct span){rest.ptr, rest.len - 1}))
		buf_add_char(&input->envelope, ',');
	buf_add(&input->envelope, rest.ptr, rest.len);
	return input->envelope.failed ? err_set(err, ERR_NOMEM, "no memory") : ERR_OK;
}

static bool begins_object(struct span line)
{
	struct span text = scan_trim(line);

	return text.len > 0 && text.ptr[0] == '{';
}

/* What people hand over instead of a document or lines of items. */
static enum err_code refuse_other(bool named, struct span line, struct err *err)
{
	struct span text = scan_trim(line);

	if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0)
		return err_set(err, ERR_INVALID, "begins with a byte order mark: remove it");
	if (named)
		return err_set(err, ERR_INVALID,
			"begins with neither a batch document nor an item: an item is one JSON "
			"value a line (jq -R . makes items of plain text)");
	if (text.len > 0 && text.ptr[0] == '[')
		return err_set(err, ERR_INVALID,
			"holds a list, not a batch: write {\"items\": [...]}, or one item a line "
			"(jq -c '.[]' makes lines of a list)");
	return err_set(err, ERR_INVALID,
		"begins with neither a batch document nor an item: an item is an object such as "
		"{\"url\": \"https://example.com/\"}, one a line (jq -Rc '{url: .}' makes items of "
		"plain URLs)");
}

static enum err_code read_document(struct run_input *input, size_t max, struct err *err)
{
	struct span text;
	enum err_code code;

	input->document = true;
	input->skipped_lines = input->lines.number;
	code = run_lines_rest(&input->lines, max, &text, err);
	if (code != ERR_OK)
		return code;
	if (buf_add(&input->envelope, text.ptr, text.len) != ERR_OK)
		return err_set(err, ERR_NOMEM, "no memory");
	run_lines_free(&input->lines);
	run_lines_init(&input->lines, input->fd, 0);
	return ERR_OK;
}

/* The text of --defaults as a head. */
static enum err_code read_defaults(struct run_input *input, const char *defaults, struct err *err)
{
	struct span text = span_of(defaults);
	struct scan_error error;
	size_t line, column;

	if (!scan_check(text, input->depth_max, &error)) {
		scan_position(text, error.offset, &line, &column);
		return err_set(err, ERR_INVALID,
			"line %zu, column %zu: %s (@FILE reads them from a file)", line, column,
			error.what);
	}
	buf_addf(&input->envelope, "{\"items\":[],\"%s\":", input->named ? "params" : "defaults");
	buf_add(&input->envelope, text.ptr, text.len);
	buf_add_char(&input->envelope, '}');
	return input->envelope.failed ? err_set(err, ERR_NOMEM, "no memory") : ERR_OK;
}

static void lines_begin(struct run_input *input, off_t offset, size_t max)
{
	input->first = offset;
	input->first_number = input->lines.number;
	input->lines.max = max;
}

static bool has_items(struct span line, unsigned depth_max)
{
	struct scan_member member;
	struct scan_walk walk;

	if (!scan_check(line, depth_max, NULL) || scan_type(scan_trim(line)) != SCAN_OBJECT)
		return false;
	scan_begin(&walk, scan_trim(line));
	while (scan_next(&walk, &member))
		if (scan_name_is(member.name, "items"))
			return true;
	return false;
}

static enum err_code begin_with_defaults(struct run_input *input,
	const struct run_input_limits *limits, const char *defaults, struct err *err)
{
	struct run_line line;
	enum err_code code;

	input->head = input->named ? "--params" : "--defaults";
	code = read_defaults(input, defaults, err);

	if (code != ERR_OK)
		return code;
	code = first_line(input, limits->document, &line, err);
	if (code == ERR_OK && has_items(line.text, input->depth_max))
		return err_set(err, ERR_INVALID,
			"a document with `items` does not go with --%s: write them into it",
			input->named ? "params" : "defaults");
	if (code == ERR_OK)
		run_lines_back(&input->lines, &line);
	lines_begin(input, input->lines.offset + (off_t)input->lines.begin, limits->line);
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

enum err_code run_input_begin(struct run_input *input, const struct run_input_limits *limits,
	const char *defaults, struct err *err)
{
	struct run_line line;
	enum run_input_kind kind;
	enum err_code code;

	input->depth_max = limits->depth;
	if (defaults)
		return begin_with_defaults(input, limits, defaults, err);
	code = first_line(input, limits->document, &line, err);
	if (code == ERR_NOT_FOUND)
		return err_set(
			err, ERR_INVALID, "empty: neither a batch document nor lines of items");
	if (code != ERR_OK)
		return code;
	kind = run_input_classify(line.text, input->named, limits->depth);
	if (kind == RUN_INPUT_HEAD) {
		lines_begin(input, input->lines.offset + (off_t)input->lines.begin, limits->line);
		return make_envelope(input, scan_trim(line.text), err);
	}
	if (kind == RUN_INPUT_DOCUMENT && !begins_object(line.text))
		return refuse_other(input->named, line.text, err);
	run_lines_back(&input->lines, &line);
	if (kind == RUN_INPUT_DOCUMENT)
		return read_document(input, limits->document, err);
	lines_begin(input, line.offset, limits->line);
	return make_envelope(input, SPAN("{}"), err);
}

void run_input_items(struct run_input *input, struct span array)
{
	input->array = array;
	scan_begin(&input->walk, array);
}

static enum run_input_got next_member(struct run_input *input, struct run_input_item *ret_item)
{
	struct scan_member member;

	if (!scan_next(&input->walk, &member))
		return RUN_INPUT_GOT_END;
	*ret_item = (struct run_input_item){.index = input->index++, .text = member.value};
	return RUN_INPUT_GOT_ITEM;
}

enum run_input_got run_input_next(struct run_input *input, struct run_input_item *ret_item)
{
	struct run_line line;

	if (input->document)
		return next_member(input, ret_item);
	for (;;) {
		enum run_lines_got got = run_lines_next(&input->lines, &line);

		if (got != RUN_LINES_LINE)
			return got == RUN_LINES_END ? RUN_INPUT_GOT_END : RUN_INPUT_GOT_MORE;
		if (!line.too_long && run_lines_blank(line.text))
			continue;
		*ret_item = (struct run_input_item){
			input->index++, line.number, scan_trim(line.text), line.too_long};
		return RUN_INPUT_GOT_ITEM;
	}
}

bool run_input_prove(
	const struct run_input *input, const struct run_input_item *item, char message[256])
{
	struct scan_error error;
	size_t line, column;

	if (input->document)
		return true;
	if (item->too_long) {
		snprintf(message, 256, "line %zu is longer than %zu bytes (limits.max_body)",
			item->line, input->lines.max);
		return false;
	}
	if (scan_check(item->text, input->depth_max, &error))
		return true;
	scan_position(item->text, error.offset, &line, &column);
	snprintf(message, 256, "line %zu is no JSON: column %zu: %s", item->line, column,
		error.what);
	return false;
}

bool run_input_restart(struct run_input *input)
{
	input->index = 0;
	if (input->document) {
		scan_begin(&input->walk, input->array);
		return true;
	}
	if (!run_lines_rewind(&input->lines, input->first))
		return false;
	input->lines.number = input->first_number;
	return true;
}
