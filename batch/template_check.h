/* template_check.h - does a template compile? Asked of a helper process of its own, that is thrown
 * away afterwards.
 *
 * One thread, which waits: for the start of the program, for a reload, and for `batchgate
 * check`. */
#ifndef BATCH_TEMPLATE_CHECK_H
#define BATCH_TEMPLATE_CHECK_H
#include "batch/template.h"

struct template_checker;

enum err_code template_checker_new(
	struct forker *forker, struct template_checker **ret_checker, struct err *err) MUST_CHECK;
void template_checker_destroy(struct template_checker *checker); /* NULL is fine */
/* ERR_INVALID where it does not compile, with file and line; ERR_IO where nobody could be asked. */
enum err_code template_check(struct template_checker *checker, const struct template *template,
	struct err *err) MUST_CHECK;

/* Evaluates it once and waits, for `batchgate check`; takes and gives as template_question and
 * template_read do. The answer is valid until the checker's next call. */
enum err_code template_try(struct template_checker *checker, const struct template *template,
	const struct template_part *parts, size_t count, size_t output_max,
	struct template_answer *ret_answer, struct err *err) MUST_CHECK;
/* What its process said of itself: "" or which of its walls the kernel does not have. Known after
 * the first check. */
const char *template_checker_remarks(const struct template_checker *checker);
#endif
