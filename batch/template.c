/* template.c - a jq program of the configuration, as the server sees it: text, a number, and the
 * frames that ask a helper process for it. */
#include "batch/template.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "batch/scan.h"
#include "batch/template_frame.h"
#include "batch/template_names.h"
#include "common/digest.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "pool/helper_frame.h"

struct template
{
	atomic_uint refs;
	uint64_t id;
	enum template_kind kind;
	unsigned line, indent;
	char *name, *file, *text;
	size_t len;
};

const char *template_kind_text(enum template_kind kind)
{
	static const char *const texts[] = {[TEMPLATE_REQUEST] = "request",
		[TEMPLATE_RESPONSE] = "response",
		[TEMPLATE_FALLBACK] = "fallback",
		[TEMPLATE_ITEM_CHECK] = "item_check"};

	return texts[kind];
}

enum err_code template_complain(const struct template *template, enum err_code code, size_t line,
	size_t column, const char *what, struct err *err)
{
	char place[32] = "";

	if (column > 0)
		snprintf(place, sizeof place, ":%zu", column + template->indent);
	return err_set(err, code, "%s:%zu%s: endpoint `%s`: %s: %s", template->file,
		template->line + (line > 0 ? line - 1 : 0), place, template->name,
		template_kind_text(template->kind), what);
}

static enum err_code check_text(const struct template *template, struct err *err)
{
	struct span text = template_text(template);
	struct template_fault fault;
	char what[80];
	size_t line, column;

	if (text.len > TEMPLATE_TEXT_MAX) {
		snprintf(what, sizeof what, "the program has %zu bytes; at most %d are allowed",
			text.len, TEMPLATE_TEXT_MAX);
		return template_complain(template, ERR_LIMIT, 1, 0, what, err);
	}
	if (scan_trim(text).len == 0)
		return template_complain(template, ERR_INVALID, 1, 0, "the program is empty", err);
	if (template_names_check(text, &fault))
		return ERR_OK;
	scan_position(text, fault.offset, &line, &column);
	return template_complain(template, ERR_INVALID, line, column, fault.what, err);
}

/* Of the text alone, so that a reload finds what the helpers have compiled already. */
static uint64_t id_of(struct span text)
{
	uint8_t digest[DIGEST_BYTES];
	uint64_t id;

	digest_sha256(text.ptr, text.len, digest);
	memcpy(&id, digest, sizeof id);
	return id ? id : 1; /* 0 is no note */
}

enum err_code template_new(
	const struct template_source *source, struct template **ret_template, struct err *err)
{
	struct template *template = mem_try(sizeof *template);
	enum err_code code = ERR_NOMEM;

	if (!template)
		return err_set(err, ERR_NOMEM, "no memory for a template");
	atomic_init(&template->refs, 1);
	template->id = id_of(source->text);
	template->kind = source->kind;
	template->line = source->line;
	template->indent = source->indent;
	template->name = mem_copy(source->name, strlen(source->name));
	template->file = mem_copy(source->file, strlen(source->file));
	template->text = mem_copy(source->text.ptr, source->text.len);
	template->len = source->text.len;
	if (template->name && template->file && template->text)
		code = check_text(template, err);
	else
		err_set(err, code, "no memory for a template");
	if (code != ERR_OK) {
		template_unref(template);
		return code;
	}
	*ret_template = template;
	return ERR_OK;
}

struct template *template_ref(struct template *template)
{
	atomic_fetch_add(&template->refs, 1);
	return template;
}

void template_unref(struct template *template)
{
	if (!template || atomic_fetch_sub(&template->refs, 1) != 1)
		return;
	mem_free(template->name);
	mem_free(template->file);
	mem_free(template->text);
	mem_free(template);
}

uint64_t template_id(const struct template *template)
{
	return template->id;
}

struct span template_text(const struct template *template)
{
	return (struct span){template->text, template->len};
}

enum template_kind template_kind(const struct template *template)
{
	return template->kind;
}

/* ---- questions ---- */

static enum err_code give(struct buf *out, char **ret_bytes, size_t *ret_len)
{
	if (out->failed) {
		buf_free(out);
		return ERR_NOMEM;
	}
	*ret_bytes = buf_steal(out, ret_len);
	return ERR_OK;
}

enum err_code template_question(const struct template *template, const struct template_part *parts,
	size_t count, size_t output_max, char **ret_bytes, size_t *ret_len)
{
	struct template_ask ask = {TEMPLATE_EVALUATE, (uint32_t)count, template->id, output_max};
	size_t need = sizeof ask;
	struct buf out;

	for (size_t i = 0; i < count && i < TEMPLATE_PARTS_MAX; i++)
		need += sizeof(struct template_part_head) + strlen(parts[i].name) +
			parts[i].value.len;
	if (count > TEMPLATE_PARTS_MAX || need > HELPER_FRAME_MAX)
		return ERR_LIMIT;
	buf_init(&out, need);
	buf_reserve(&out, need);
	buf_add(&out, &ask, sizeof ask);
	for (size_t i = 0; i < count; i++) {
		struct template_part_head head = {
			(uint32_t)strlen(parts[i].name), (uint32_t)parts[i].value.len};

		buf_add(&out, &head, sizeof head);
		buf_add(&out, parts[i].name, head.name_len);
		buf_add(&out, parts[i].value.ptr, parts[i].value.len);
	}
	return give(&out, ret_bytes, ret_len);
}

enum err_code template_compile_question(
	const struct template *template, char **ret_bytes, size_t *ret_len)
{
	const struct template_ask ask = {.order = TEMPLATE_COMPILE};
	struct buf out;

	buf_init(&out, sizeof ask + template->len);
	buf_add(&out, &ask, sizeof ask);
	buf_add(&out, template->text, template->len);
	return give(&out, ret_bytes, ret_len);
}

/* ---- answers ---- */

static struct template_answer failed(const char *why)
{
	return (struct template_answer){.ok = false, .text = span_of(why)};
}

/* The other side has read what came from outside, and may have been taken over by it: what it says
 * is proved before it goes anywhere. */
static struct template_answer judge(struct span answer)
{
	struct span text = {answer.ptr + 1, answer.len - 1};

	if (answer.len == 0)
		return failed("the template's process gave an answer that is none");
	if (answer.ptr[0] == TEMPLATE_FAILED) {
		if (text.len > TEMPLATE_REASON_MAX || !utf8_valid(text.ptr, text.len))
			return failed("the template failed");
		return (struct template_answer){.ok = false, .text = text};
	}
	if (answer.ptr[0] != TEMPLATE_DONE ||
		(text.len > 0 && !scan_check(text, TEMPLATE_OUTPUT_DEPTH_MAX, NULL)))
		return failed("the template's process gave an answer that is none");
	return (struct template_answer){.ok = true, .text = text};
}

struct template_answer template_read(enum helper_outcome outcome, struct span answer)
{
	switch (outcome) {
	case HELPER_OK:
		return judge(answer);
	case HELPER_LATE:
		return failed("the template took too long");
	case HELPER_DIED:
		return failed(
			"the template took too long, crashed, or went past a limit of its process");
	case HELPER_TOO_LARGE:
		return failed("the template's output is too large");
	case HELPER_UNAVAILABLE:
		break;
	}
	return failed("no process can be had to run the template");
}
