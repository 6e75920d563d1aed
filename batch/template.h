/* template.h - a jq program of the configuration, as the server sees it: text, a number, and the
 * frames that ask a helper process for it.
 *
 * The server never runs or compiles it: that is template_jq's, in a helper process. A template is
 * constant once made; any thread may hold and use it. Its text is told to each helper set once, as
 * a note with its number; the number is made of the text, so a configuration that replaces another
 * uses what helpers have compiled already, and tells what is new beside it. Only what
 * template_check took is told: a program that crashes the compiler would crash each helper it is
 * told to. */
#ifndef BATCH_TEMPLATE_H
#define BATCH_TEMPLATE_H
#include "pool/helper.h"

enum {
	TEMPLATE_TEXT_MAX = 16 * 1024, /* bytes of a program */
	TEMPLATE_PARTS_MAX = 16,       /* members of its input */
	/* What an evaluation may take on a machine that has other things to do; of CPU time it has
	 * a second or two, then its process ends it (template_jq). */
	TEMPLATE_LIMIT_US = 15 * 1000 * 1000
};

enum template_kind { TEMPLATE_REQUEST, TEMPLATE_RESPONSE, TEMPLATE_FALLBACK, TEMPLATE_ITEM_CHECK };

struct template_source {  /* where it came from; copied */
	const char *name; /* the endpoint's */
	enum template_kind kind;
	struct span text;
	const char *file;
	unsigned line;   /* of the file, where the text's first line stands; 1-based */
	unsigned indent; /* columns before each line of the text */
};

struct template;

/* ERR_LIMIT where it is too long, ERR_INVALID for a name that is not allowed (template_names.h);
 * the sentence has file, line and column. */
enum err_code template_new(const struct template_source *source, struct template **ret_template,
	struct err *err) MUST_CHECK;
struct template *template_ref(struct template *template);
void template_unref(struct template *template); /* NULL is fine */
uint64_t template_id(const struct template *template);
struct span template_text(const struct template *template);
enum template_kind template_kind(const struct template *template);
const char *template_kind_text(enum template_kind kind); /* static: "request" … */
/* Says at which place of the file something is wrong: line and column are the text's, 1-based, 0
 * where unknown. Returns code. */
enum err_code template_complain(const struct template *template, enum err_code code, size_t line,
	size_t column, const char *what, struct err *err);

/* A member of the input: raw JSON, not proved by the caller; the helper process refuses what is no
 * JSON or deeper than SCAN_DEPTH_MAX. */
struct template_part {
	const char *name;
	struct span value;
};
/* What helper_ask takes, to evaluate it on {name: value, …}; gives the bytes. An output past
 * output_max bytes is a failure; the set's answer_max must be larger by TEMPLATE_ANSWER_EXTRA.
 * ERR_NOMEM, ERR_LIMIT. */
enum { TEMPLATE_ANSWER_EXTRA = 1024 };
enum err_code template_question(const struct template *template, const struct template_part *parts,
	size_t count, size_t output_max, char **ret_bytes, size_t *ret_len) MUST_CHECK;
/* To compile it and nothing else. */
enum err_code template_compile_question(
	const struct template *template, char **ret_bytes, size_t *ret_len) MUST_CHECK;

struct template_answer {
	bool ok;
	struct span text; /* ok: one JSON value, compact, proved here. Else a sentence, UTF-8
			     without control characters. Borrowed from `answer`, or static */
};
/* What helper_done_fn was given. */
struct template_answer template_read(enum helper_outcome outcome, struct span answer);
#endif
