/* test_template_helper.c - what passes between the program and the helper that evaluates: templates
 * that are dropped, helpers that are killed, answers that are proved, and what is left behind. */
#include <pthread.h>
#include <sys/socket.h>

#include "tests/unit/batch/template_kit.h"

START_TEST(a_template_that_was_dropped_is_no_more_and_others_are_untouched)
{
	struct helper_kit kit;
	struct kit_answer answers[2];
	struct template *first, *second;

	kit_open(&kit, template_jq_serve, 1);
	first = told(&kit, "1");
	second = told(&kit, "2");
	helper_drop(kit.set, template_id(first), clock_us());
	ask_item(&kit, &answers[0], first, "1", 20 * KIT_SECOND);
	ask_item(&kit, &answers[1], second, "1", 20 * KIT_SECOND);
	kit_run(&kit, 2);
	expect(&answers[0], false, "there is no such template any more");
	expect(&answers[1], true, "2");
	template_unref(first);
	template_unref(second);
	kit_close(&kit);
}
END_TEST

START_TEST(a_thousand_evaluations_get_one_right_answer_each_whoever_is_killed)
{
	struct helper_kit kit;
	struct kit_answer *answers = mem_new(1000 * sizeof *answers);
	struct template *template;
	uint32_t random = 99;
	size_t killed = 0, right = 0;

	kit_open(&kit, template_jq_serve, 2);
	template = told(&kit, "{n: (.item + 1)}");
	for (size_t i = 0; i < 1000; i++) {
		char item[32];

		snprintf(item, sizeof item, "%zu", i);
		ask_item(&kit, &answers[i], template, item, 60 * KIT_SECOND);
	}
	while (kit.answered < 1000) {
		pid_t pids[KIT_CHILDREN_MAX];
		size_t count;

		random = random * 1664525 + 1013904223;
		if (random >> 27 == 0 && (count = kit_children(forker_pid(kit.forker), pids)) > 0)
			killed += kill(pids[(random >> 8) % count], SIGKILL) == 0;
		kit_turn(&kit, KIT_SECOND);
	}
	for (size_t i = 0; i < 1000; i++) {
		struct template_answer got = read_answer(&answers[i]);
		char expected[32];

		snprintf(expected, sizeof expected, "{\"n\":%zu}", i + 1);
		right += got.ok;
		if (got.ok)
			expect(&answers[i], true, expected);
		else
			ck_assert_int_eq(answers[i].outcome, HELPER_DIED);
		buf_free(&answers[i].text);
	}
	ck_assert_uint_gt(killed, 2);
	ck_assert_uint_ge(right + killed, 1000);
	mem_free(answers);
	template_unref(template);
	kit_close(&kit);
}
END_TEST

START_TEST(what_a_helper_says_is_proved)
{
	const struct {
		struct span answer;
		bool ok;
	} tests[] = {{SPAN("\1[1]"), true}, {SPAN("\1"), true}, {SPAN("\1[1"), false},
		{SPAN("\1[1]\n\"x\":"), false}, {SPAN("\1\"\xff\""), false}, {SPAN(""), false},
		{SPAN("\3[1]"), false}, {SPAN("\2why"), false}, {SPAN("\2\xff"), false}};

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		struct template_answer got = template_read(HELPER_OK, tests[i].answer);

		ck_assert_int_eq(got.ok, tests[i].ok);
		ck_assert(got.ok || got.text.len > 0);
	}
	for (int outcome = HELPER_LATE; outcome <= HELPER_UNAVAILABLE; outcome++)
		ck_assert(!template_read((enum helper_outcome)outcome, SPAN("\1[1]")).ok);
}
END_TEST

/* The serving within this process, where a sanitizer sees what jq is given and what is left. */
static void *serve_here(void *fd)
{
	struct servant servant;

	servant_init(&servant, *(const int *)fd);
	template_jq_loop(&servant, "here");
	servant_free(&servant);
	close(*(const int *)fd);
	return NULL;
}

static void say(int fd, enum helper_kind kind, uint64_t id, const char *bytes, size_t len)
{
	const struct helper_frame frame = {(uint32_t)len, kind, id};

	ck_assert_int_eq((int)send(fd, &frame, sizeof frame, MSG_NOSIGNAL), (int)sizeof frame);
	if (len > 0)
		ck_assert_int_eq((int)send(fd, bytes, len, MSG_NOSIGNAL), (int)len);
}

static struct helper_frame hear(int fd, char *bytes, size_t size)
{
	struct helper_frame frame;

	ck_assert_int_eq((int)recv(fd, &frame, sizeof frame, MSG_WAITALL), (int)sizeof frame);
	ck_assert_uint_lt(frame.len, size);
	ck_assert_int_eq((int)recv(fd, bytes, frame.len, MSG_WAITALL), (int)frame.len);
	bytes[frame.len] = '\0';
	return frame;
}

START_TEST(serving_leaves_nothing_behind)
{
	const struct template_part part = {"item", SPAN("[\"a\", {\"b\": 1.5}]")};
	static const char *const programs[] = {
		SMALL, "empty", "1, 2", "error(\"x\")", ".item[1].b", "{a: [.item, .item]}"};
	enum { PROGRAMS = sizeof programs / sizeof *programs };
	pthread_t thread;
	char bytes[1024], *question;
	size_t len;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_here, &ends[1]), 0);
	ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).kind, HELPER_READY);
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct template *template = made(programs[i]);
		struct span text = template_text(template);

		say(ends[0], HELPER_TELL, template_id(template), text.ptr, text.len);
		ck_assert_int_eq(
			template_question(template, &part, 1, 4096, &question, &len), ERR_OK);
		say(ends[0], HELPER_ASK, i, question, len);
		mem_free(question);
		ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).id, i);
		ck_assert_int_eq(bytes[0], i == 0 || i > 3 ? 1 : 2);
		ck_assert_int_eq(template_compile_question(template, &question, &len), ERR_OK);
		say(ends[0], HELPER_ASK, i, question, len);
		mem_free(question);
		ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).len, 1);
		if (i % 2)
			say(ends[0], HELPER_DROP, template_id(template), NULL, 0);
		template_unref(template);
	}
	say(ends[0], HELPER_ASK, 99, "short", 5);
	ck_assert_uint_eq(hear(ends[0], bytes, sizeof bytes).id, 99);
	ck_assert_int_eq(bytes[0], 2);
	close(ends[0]);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_set_timeout(tests, 280);
	tcase_add_test(tests, a_template_that_was_dropped_is_no_more_and_others_are_untouched);
	tcase_add_test(tests, a_thousand_evaluations_get_one_right_answer_each_whoever_is_killed);
	tcase_add_test(tests, what_a_helper_says_is_proved);
	tcase_add_test(tests, serving_leaves_nothing_behind);
	return check_run("template_helper", tests);
}
