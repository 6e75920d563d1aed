/* run_input.h - what `batchgate run` reads: a batch document, or lines of items.
 *
 * A document is read whole. Of lines only one is in memory at a time; the first may be the document
 * without its items. One owner, one thread. */
#ifndef CLI_RUN_INPUT_H
#define CLI_RUN_INPUT_H
#include "batch/scan.h"
#include "cli/run_lines.h"

enum run_input_kind {
	RUN_INPUT_DOCUMENT,
	RUN_INPUT_HEAD, /* the document without items; lines follow */
	RUN_INPUT_ITEM  /* the first of the items already */
};

struct run_input {
	const char *name; /* as messages name it */
	const char *head; /* what said the envelope: the same, or a flag */
	int fd;
	bool regular, document;
	bool named; /* items are data for a named endpoint: any JSON */
	struct run_lines lines;
	off_t start, first;   /* where it began; where the items' lines begin */
	size_t first_number;  /* of the line before */
	size_t skipped_lines; /* blank ones before a document */
	unsigned depth_max;
	struct buf envelope; /* the document, or one made of the head with `items` empty */
	struct span array;   /* of a document: run_input_items */
	struct scan_walk walk;
	size_t index; /* of the next item */
};

struct run_input_item {
	size_t index, line; /* line 0: of a document */
	struct span text;   /* until the next call */
	bool too_long;
};

enum run_input_got { RUN_INPUT_GOT_ITEM, RUN_INPUT_GOT_MORE, RUN_INPUT_GOT_END };

/* What a first line begins: a whole JSON object without `items` is a head, or an item where it has
 * members of one and none of a head. `named`: it is a head where it has no members but `params` and
 * `options`, and an item where it has others or is no object. */
enum run_input_kind run_input_classify(struct span line, bool named, unsigned depth_max);

/* `path` NULL or "-": standard input. */
enum err_code run_input_open(struct run_input *input, const char *path, struct err *err) MUST_CHECK;
void run_input_free(struct run_input *input); /* a zeroed one is fine */
/* Reads so far that the envelope is there. `defaults` NULL, or the text of that object (`params`
 * where the input is `named`): then every line is an item. ERR_INVALID: the input is none; ERR_IO,
 * ERR_NOMEM, ERR_LIMIT. */
struct run_input_limits {
	size_t line, document;
	unsigned depth;
};
enum err_code run_input_begin(struct run_input *input, const struct run_input_limits *limits,
	const char *defaults, struct err *err) MUST_CHECK;
void run_input_items(struct run_input *input, struct span array); /* of a document */
/* MORE: run_lines_fill first. */
enum run_input_got run_input_next(struct run_input *input, struct run_input_item *ret_item);
/* False where the line is no JSON or too long: `message` says so. */
bool run_input_prove(
	const struct run_input *input, const struct run_input_item *item, char message[256]);
bool run_input_restart(struct run_input *input); /* of a document or a regular file: once more */
#endif
