/* template_check.c - does a template compile? Asked of a helper process of its own, that is thrown
 * away afterwards. */
#include "batch/template_check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "batch/template_frame.h"
#include "common/clock.h"
#include "common/mem.h"

enum {
	WAIT_MAX_US = 30 * 1000 * 1000, /* for the process, and before it gives up on it */
	COMPILE_MAX_US = 10 * 1000 * 1000,
	QUESTION_MAX = 64 << 20,
	ANSWER_MAX = 64 << 20
};

struct template_checker {
	struct helper_set *set;
	struct pollfd watched;
	bool answered;
	enum helper_outcome outcome;
	struct buf answer;
	char remarks[256];
};

static void on_watch(void *checker_arg, int fd, uint32_t events)
{
	struct template_checker *checker = checker_arg;

	checker->watched.fd = events == 0 ? -1 : fd;
	checker->watched.events =
		(short)((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0));
}

static void on_remark(void *checker_arg, struct span remarks)
{
	struct template_checker *checker = checker_arg;

	snprintf(checker->remarks, sizeof checker->remarks, "%.*s", (int)remarks.len,
		remarks.ptr ? remarks.ptr : "");
}

static void on_done(void *checker_arg, enum helper_outcome outcome, struct span answer)
{
	struct template_checker *checker = checker_arg;

	checker->answered = true;
	checker->outcome = outcome;
	buf_clear(&checker->answer);
	if (buf_add(&checker->answer, answer.ptr, answer.len) != ERR_OK)
		checker->outcome = HELPER_UNAVAILABLE;
}

enum err_code template_checker_new(
	struct forker *forker, struct template_checker **ret_checker, struct err *err)
{
	struct template_checker *checker = mem_try(sizeof *checker);
	struct helper_options options = {.forker = forker,
		.count = 1,
		.queue_max = 1,
		.queue_bytes = QUESTION_MAX,
		.answer_max = ANSWER_MAX,
		.notes_max = 1,
		.note_bytes = TEMPLATE_TEXT_MAX,
		.watch = on_watch,
		.remark = on_remark,
		.arg = checker};
	enum err_code code;

	if (!checker)
		return err_set(err, ERR_NOMEM, "no memory to check templates");
	checker->watched.fd = -1;
	buf_init(&checker->answer, ANSWER_MAX);
	code = helper_new(&options, clock_us(), &checker->set, err);
	if (code != ERR_OK) {
		template_checker_destroy(checker);
		return code;
	}
	*ret_checker = checker;
	return ERR_OK;
}

void template_checker_destroy(struct template_checker *checker)
{
	if (!checker)
		return;
	helper_destroy(checker->set);
	buf_free(&checker->answer);
	mem_free(checker);
}

const char *template_checker_remarks(const struct template_checker *checker)
{
	return checker->remarks;
}

static int wait_ms(const struct template_checker *checker)
{
	uint64_t now_us = clock_us(), due_us = helper_due_us(checker->set);

	if (due_us <= now_us)
		return 0;
	due_us = (due_us - now_us + 999) / 1000;
	return due_us > 1000 ? 1000 : (int)due_us;
}

static void wait_for_answer(struct template_checker *checker)
{
	while (!checker->answered) {
		struct pollfd look = checker->watched;
		int count = poll(&look, 1, wait_ms(checker));
		uint32_t events = (look.revents & POLLOUT ? EPOLLOUT : 0u) |
				  (look.revents & ~POLLOUT ? EPOLLIN : 0u);

		helper_process(checker->set, count > 0 ? look.fd : -1, events, clock_us());
	}
}

/* Takes bytes. */
static enum err_code ask(struct template_checker *checker, enum err_code made, char *bytes,
	size_t len, uint64_t limit_us, struct err *err)
{
	uint64_t now_us = clock_us();
	struct helper_question question = {.bytes = bytes,
		.len = len,
		.limit_us = limit_us,
		.deadline_us = clock_add(now_us, WAIT_MAX_US),
		.done = on_done,
		.arg = checker};
	enum err_code code = made;

	checker->answered = false;
	if (code == ERR_OK)
		code = helper_ask(checker->set, &question, now_us, NULL);
	if (code != ERR_OK) {
		if (made == ERR_OK)
			mem_free(bytes);
		return err_set(err, code, "a template cannot be checked: %s", err_text(code));
	}
	wait_for_answer(checker);
	return ERR_OK;
}

/* The number behind `what`, 0 where there is none. */
static size_t number_behind(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	return at ? (size_t)strtoul(at + strlen(what), NULL, 10) : 0;
}

/* jq: error: SENTENCE at <top-level>, line 3[, column 7]: … */
static enum err_code complain(
	const struct template *template, struct template_answer answer, struct err *err)
{
	static const char prefix[] = "jq: error: ", place[] = " at <top-level>, line ";
	char text[TEMPLATE_REASON_MAX + 1], *begin = text, *end;
	size_t line, column;

	snprintf(text, sizeof text, "%.*s", (int)answer.text.len, answer.text.ptr);
	line = number_behind(text, place);
	column = line > 0 ? number_behind(text, ", column ") : 0;
	if (strncmp(begin, prefix, sizeof prefix - 1) == 0)
		begin += sizeof prefix - 1;
	end = strstr(begin, place);
	if (end)
		*end = '\0';
	end = strstr(begin, " (Unix shell quoting issues?)");
	if (end)
		*end = '\0';
	return template_complain(template, ERR_INVALID, line, column, begin, err);
}

enum err_code template_check(
	struct template_checker *checker, const struct template *template, struct err *err)
{
	struct template_answer answer;
	char *bytes = NULL;
	size_t len = 0;
	enum err_code code = template_compile_question(template, &bytes, &len);

	code = ask(checker, code, bytes, len, COMPILE_MAX_US, err);
	if (code != ERR_OK)
		return code;
	answer = template_read(
		checker->outcome, (struct span){checker->answer.ptr, checker->answer.len});
	if (answer.ok)
		return ERR_OK;
	if (checker->outcome == HELPER_UNAVAILABLE)
		return template_complain(template, ERR_IO, 0, 0, answer.text.ptr, err);
	return complain(template, answer, err);
}

enum err_code template_try(struct template_checker *checker, const struct template *template,
	const struct template_part *parts, size_t count, size_t output_max,
	struct template_answer *ret_answer, struct err *err)
{
	char *bytes = NULL;
	size_t len = 0;
	enum err_code code = helper_tell(
		checker->set, template_id(template), template_text(template), clock_us());

	if (code == ERR_OK)
		code = template_question(template, parts, count, output_max, &bytes, &len);
	code = ask(checker, code, bytes, len, COMPILE_MAX_US, err);
	helper_drop(checker->set, template_id(template), clock_us());
	if (code == ERR_OK)
		*ret_answer = template_read(
			checker->outcome, (struct span){checker->answer.ptr, checker->answer.len});
	return code;
}
