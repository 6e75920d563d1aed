/* fuzz_scan.c - the scanner against jansson: the same verdict on every text but for the listed
 * differences, and every cut it makes in a proved text is a proved text again. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "batch/scan.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fail_unless(bool cond)
{
	if (!cond)
		abort();
}

/* jansson refuses what it cannot represent although it is JSON. */
static bool jansson_cannot(const json_error_t *error)
{
	enum json_error_code code = json_error_code(error);

	return code == json_error_numeric_overflow || code == json_error_null_character ||
	       code == json_error_null_byte_in_key || code == json_error_stack_overflow;
}

static void check_cuts(struct span value, size_t level);

static void check_string_cut(struct span value)
{
	struct buf out;
	char *copy = malloc(value.len);
	json_t *json = json_loadb(value.ptr, value.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	buf_init(&out, value.len);
	fail_unless(copy && json && scan_string(value, &out) == ERR_OK);
	fail_unless(out.len == json_string_length(json));
	fail_unless(out.len == 0 || memcmp(out.ptr, json_string_value(json), out.len) == 0);
	memcpy(copy, value.ptr, value.len);
	fail_unless(scan_decode((struct span){copy, value.len}, copy) == out.len);
	fail_unless(out.len == 0 || memcmp(copy, out.ptr, out.len) == 0);
	if (out.len && !memchr(out.ptr, '\0', out.len))
		fail_unless(scan_name_is(value, out.ptr));
	fail_unless(!scan_name_is(value, "no such name in any text"));
	json_decref(json);
	free(copy);
	buf_free(&out);
}

static void check_container_cuts(struct span value, size_t level)
{
	struct scan_walk walk;
	struct scan_member member;
	size_t count = 0;

	scan_begin(&walk, value);
	while (scan_next(&walk, &member)) {
		count++;
		if (scan_type(value) == SCAN_OBJECT)
			check_string_cut(member.name);
		check_cuts(member.value, level + 1);
	}
	fail_unless(scan_count(value, SIZE_MAX - 1) == count);
	fail_unless(scan_count(value, 2) == (count < 3 ? count : 3));
}

static void check_cuts(struct span value, size_t level)
{
	struct buf line;

	if (level > 8)
		return;
	fail_unless(scan_check(value, SCAN_DEPTH_MAX, NULL));
	buf_init(&line, value.len);
	fail_unless(scan_add_line(&line, value) == ERR_OK && line.len == value.len);
	fail_unless(!memchr(line.ptr, '\n', line.len) && !memchr(line.ptr, '\r', line.len));
	fail_unless(scan_check((struct span){line.ptr, line.len}, SCAN_DEPTH_MAX, NULL));
	buf_free(&line);
	if (scan_type(value) == SCAN_STRING)
		check_string_cut(value);
	else if (scan_type(value) == SCAN_ARRAY || scan_type(value) == SCAN_OBJECT)
		check_container_cuts(value, level);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct scan_error error;
	json_error_t why;
	json_t *json;
	size_t line, column;
	bool ours = scan_check(text, 1024, &error), theirs;

	if (!ours) {
		fail_unless(error.offset <= size && error.what[0]);
		scan_position(text, error.offset, &line, &column);
		fail_unless(line >= 1 && column >= 1 && column <= size + 1);
	}
	json = json_loadb((const char *)data, size, JSON_DECODE_ANY, &why);
	theirs = json != NULL;
	json_decref(json);
	if (ours && !theirs)
		fail_unless(jansson_cannot(&why));
	if (!ours && theirs) /* jansson 2.14 takes a raw NUL behind a number for the end */
		fail_unless(memchr(data, '\0', size) != NULL);
	if (scan_check(text, SCAN_DEPTH_MAX, NULL)) {
		fail_unless(ours);
		check_cuts(scan_trim(text), 0);
	}
	return 0;
}
