/* test_helper.c - helper processes, with a toy in place of jq: it echoes, dies, hangs, leaves. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pool/servant.h"
#include "tests/unit/pool/helper_kit.h"

enum { TOY_NOTES = 64 };

struct toy {
	struct servant servant;
	char notes[TOY_NOTES][32];
};

static void toy_big(struct toy *toy, uint64_t id, size_t len)
{
	char *bytes = mem_new(len);

	memset(bytes, 'x', len);
	if (!servant_answer(&toy->servant, id, (struct span){NULL, 0}, (struct span){bytes, len}))
		_exit(1);
	mem_free(bytes);
}

/* e TEXT: says TEXT; n ID: says the note; b LEN: says as much; d: dies; h: hangs; l: leaves;
 * w: answers another question than the one asked; i: says who it is; v: what its environment is */
static void toy_answer(struct toy *toy, uint64_t id, struct span text)
{
	struct span none = {NULL, 0}, rest = {text.ptr + 1, text.len - 1};
	char self[32];
	bool told = true;

	switch (text.ptr[0]) {
	case 'e':
		told = servant_answer(&toy->servant, id, none, rest);
		break;
	case 'n':
		told = servant_answer(&toy->servant, id, none,
			span_of(toy->notes[strtoul(rest.ptr, NULL, 10) % TOY_NOTES]));
		break;
	case 'b':
		toy_big(toy, id, strtoul(rest.ptr, NULL, 10));
		break;
	case 'h':
		for (;;)
			pause();
	case 'l':
		told = servant_answer(&toy->servant, id, none, SPAN("bye")) &&
		       servant_leave(&toy->servant);
		(void)!told;
		_exit(0);
	case 'w':
		told = servant_answer(&toy->servant, id + 1, none, SPAN("for another"));
		break;
	case 'i':
		snprintf(self, sizeof self, "%d", (int)getpid());
		told = servant_answer(&toy->servant, id, none, span_of(self));
		break;
	case 'v':
		told = servant_answer(&toy->servant, id, none,
			span_of(environ && environ[0] ? environ[0] : "empty"));
		break;
	default:
		_exit(1);
	}
	if (!told)
		_exit(1);
}

static void toy_serve(int fd)
{
	static struct toy toy;
	struct helper_frame frame;
	struct span bytes;

	servant_init(&toy.servant, fd);
	if (!servant_ready(&toy.servant, "a toy"))
		_exit(1);
	while (servant_next(&toy.servant, &frame, &bytes)) {
		if (frame.kind == HELPER_ASK)
			toy_answer(&toy, frame.id, bytes);
		else if (frame.kind == HELPER_TELL)
			snprintf(toy.notes[frame.id % TOY_NOTES], sizeof toy.notes[0], "%.*s",
				(int)bytes.len, bytes.ptr);
		else
			toy.notes[frame.id % TOY_NOTES][0] = '\0';
	}
}

static void stillborn_serve(int fd)
{
	(void)fd;
	_exit(1);
}

static void ask(struct helper_kit *kit, struct kit_answer *answer, const char *text)
{
	kit_answer_init(answer, kit);
	ck_assert_int_eq(kit_try_ask(kit, answer, mem_copy(text, strlen(text)), strlen(text),
				 30 * KIT_SECOND, CLOCK_NEVER),
		ERR_OK);
}

static void expect(struct kit_answer *answer, enum helper_outcome outcome, const char *text)
{
	ck_assert_uint_eq(answer->times, 1);
	ck_assert_int_eq(answer->outcome, outcome);
	ck_assert_str_eq(answer->text.ptr ? answer->text.ptr : "", text);
	buf_free(&answer->text);
}

START_TEST(questions_are_answered_in_their_order_by_one_process)
{
	struct helper_kit kit;
	struct kit_answer answers[20];
	char text[32];

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "e%zu", i);
		ask(&kit, &answers[i], text);
	}
	kit_run(&kit, 20);
	for (size_t i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "%zu", i);
		expect(&answers[i], HELPER_OK, text);
	}
	ck_assert_str_eq(kit.remarks, "a toy");
	ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(questions_spread_over_all_processes)
{
	struct helper_kit kit;
	struct kit_answer answers[2];

	kit_open(&kit, toy_serve, 2);
	kit_run_until_ready(&kit, 2);
	ask(&kit, &answers[0], "i");
	ask(&kit, &answers[1], "i");
	kit_run(&kit, 2);
	ck_assert_str_ne(answers[0].text.ptr, answers[1].text.ptr);
	buf_free(&answers[0].text);
	buf_free(&answers[1].text);
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_dies_costs_only_what_it_worked_on)
{
	struct helper_kit kit;
	struct kit_answer answers[8];

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answers[0], "e0");
	ask(&kit, &answers[1], "d");
	for (size_t i = 2; i < 8; i++)
		ask(&kit, &answers[i], "ebehind");
	kit_run(&kit, 8);
	expect(&answers[0], HELPER_OK, "0");
	expect(&answers[1], HELPER_DIED, "");
	for (size_t i = 2; i < 8; i++)
		expect(&answers[i], HELPER_OK, "behind");
	ck_assert_uint_eq(helper_counts(kit.set).started, 2);
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_hangs_is_killed_at_its_limit_and_what_is_behind_it_goes_on)
{
	struct helper_kit kit;
	struct kit_answer hang, behind;
	uint64_t begun_us = clock_us(), took_us;

	kit_open(&kit, toy_serve, 1);
	kit_answer_init(&hang, &kit);
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, KIT_SECOND / 5, CLOCK_NEVER), ERR_OK);
	ask(&kit, &behind, "ehere");
	kit_run(&kit, 2);
	took_us = clock_us() - begun_us;
	expect(&hang, HELPER_LATE, "");
	expect(&behind, HELPER_OK, "here");
	ck_assert_uint_ge(took_us, KIT_SECOND / 5);
	ck_assert_uint_lt(took_us, 10 * KIT_SECOND);
	kit_close(&kit);
}
END_TEST

START_TEST(a_question_that_had_half_gone_to_a_process_that_is_killed_goes_whole_to_the_next)
{
	enum { LARGE = 2 << 20 };
	struct helper_kit kit;
	struct kit_answer hang, large, small;
	char *text = mem_new(LARGE);

	ck_assert_ptr_nonnull(text);
	memset(text, 'e', LARGE);
	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("note"), clock_us()), ERR_OK);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&large, &kit);
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, KIT_SECOND / 10, CLOCK_NEVER),
		ERR_OK);
	ck_assert_int_eq(
		kit_try_ask(&kit, &large, text, LARGE, 20 * KIT_SECOND, CLOCK_NEVER), ERR_OK);
	ask(&kit, &small, "n1");
	kit_run(&kit, 3);
	expect(&hang, HELPER_LATE, "");
	ck_assert_int_eq(large.outcome, HELPER_OK);
	ck_assert_uint_eq(large.text.len, LARGE - 1);
	buf_free(&large.text);
	expect(&small, HELPER_OK, "note");
	kit_close(&kit);
}
END_TEST

START_TEST(past_its_deadline_a_question_is_late_wherever_it_is_and_its_process_lives_on)
{
	struct helper_kit kit;
	struct kit_answer hang, behind, waiting[HELPER_WINDOW];
	uint64_t soon_us;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&behind, &kit);
	soon_us = clock_us() + KIT_SECOND / 10;
	ck_assert_int_eq(
		kit_try_ask(&kit, &hang, mem_copy("h", 1), 1, 3 * KIT_SECOND, soon_us), ERR_OK);
	ck_assert_int_eq(
		kit_try_ask(&kit, &behind, mem_copy("ex", 2), 2, KIT_SECOND, soon_us), ERR_OK);
	for (size_t i = 0; i < HELPER_WINDOW; i++) {
		kit_answer_init(&waiting[i], &kit);
		ck_assert_int_eq(
			kit_try_ask(&kit, &waiting[i], mem_copy("ex", 2), 2, KIT_SECOND, soon_us),
			ERR_OK);
	}
	kit_run(&kit, 2 + HELPER_WINDOW);
	expect(&hang, HELPER_LATE, "");
	expect(&behind, HELPER_LATE, "");
	for (size_t i = 0; i < HELPER_WINDOW; i++)
		expect(&waiting[i], HELPER_LATE, "");
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	ask(&kit, &behind, "eagain");
	kit_run(&kit, 3 + HELPER_WINDOW);
	expect(&behind, HELPER_OK, "again");
	ck_assert_uint_eq(helper_counts(kit.set).started, 2);
	kit_close(&kit);
}
END_TEST

START_TEST(an_answer_that_is_too_large_fails_and_the_next_is_well)
{
	struct helper_kit kit;
	struct kit_answer large, fits, next;

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &large, "b104857600");
	ask(&kit, &fits, "b4194304");
	ask(&kit, &next, "enext");
	kit_run(&kit, 3);
	expect(&large, HELPER_TOO_LARGE, "");
	ck_assert_int_eq(fits.outcome, HELPER_OK);
	ck_assert_uint_eq(fits.text.len, 4194304);
	buf_free(&fits.text);
	expect(&next, HELPER_OK, "next");
	kit_close(&kit);
}
END_TEST

START_TEST(large_questions_go_over_in_pieces)
{
	struct helper_kit kit;
	struct kit_answer answers[3];
	size_t len = 3u << 20;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < 3; i++) {
		char *bytes = mem_new(len);

		memset(bytes, 'a' + (int)i, len);
		bytes[0] = 'e';
		kit_answer_init(&answers[i], &kit);
		ck_assert_int_eq(
			kit_try_ask(&kit, &answers[i], bytes, len, 5 * KIT_SECOND, CLOCK_NEVER),
			ERR_OK);
	}
	kit_run(&kit, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(answers[i].outcome, HELPER_OK);
		ck_assert_uint_eq(answers[i].text.len, len - 1);
		ck_assert_int_eq(answers[i].text.ptr[0], 'a' + (int)i);
		ck_assert_mem_eq(answers[i].text.ptr, answers[i].text.ptr + 1, len - 2);
		buf_free(&answers[i].text);
	}
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_answers_another_question_is_replaced)
{
	struct helper_kit kit;
	struct kit_answer wrong, next;

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &wrong, "w");
	ask(&kit, &next, "enext");
	kit_run(&kit, 2);
	expect(&wrong, HELPER_DIED, "");
	expect(&next, HELPER_OK, "next");
	kit_close(&kit);
}
END_TEST

START_TEST(a_process_that_leaves_in_good_order_costs_nothing)
{
	struct helper_kit kit;
	struct kit_answer answers[6];

	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answers[0], "l");
	for (size_t i = 1; i < 6; i++)
		ask(&kit, &answers[i], "ehere");
	kit_run(&kit, 6);
	expect(&answers[0], HELPER_OK, "bye");
	for (size_t i = 1; i < 6; i++)
		expect(&answers[i], HELPER_OK, "here");
	kit_close(&kit);
}
END_TEST

START_TEST(notes_reach_every_process_and_its_replacement_until_they_are_dropped)
{
	struct helper_kit kit;
	struct kit_answer answers[4];

	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 3, SPAN("three"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 4, SPAN("four"), clock_us()), ERR_OK);
	ask(&kit, &answers[0], "n3");
	ask(&kit, &answers[1], "d");
	ask(&kit, &answers[2], "n4");
	kit_run(&kit, 3);
	expect(&answers[0], HELPER_OK, "three");
	expect(&answers[1], HELPER_DIED, "");
	expect(&answers[2], HELPER_OK, "four");
	helper_drop(kit.set, 4, clock_us());
	ask(&kit, &answers[0], "n4");
	ask(&kit, &answers[1], "d");
	ask(&kit, &answers[2], "n4");
	ask(&kit, &answers[3], "n3");
	kit_run(&kit, 7);
	expect(&answers[0], HELPER_OK, "");
	expect(&answers[1], HELPER_DIED, "");
	expect(&answers[2], HELPER_OK, "");
	expect(&answers[3], HELPER_OK, "three");
	kit_close(&kit);
}
END_TEST

START_TEST(notes_and_questions_have_limits)
{
	struct helper_kit kit;
	struct helper_options options;
	struct kit_answer answers[3];

	kit_start(&kit, toy_serve);
	options = kit_options(&kit, 1);
	options.queue_max = 2;
	options.queue_bytes = 100;
	options.notes_max = 1;
	options.note_bytes = 10;
	kit_open_with(&kit, &options);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("eleven byte"), 0), ERR_LIMIT);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("ten  bytes"), 0), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 2, SPAN(""), 0), ERR_LIMIT);
	kit_answer_init(&answers[2], &kit);
	ck_assert_int_eq(kit_try_ask(&kit, &answers[2], mem_new(101), 101, 1, 1), ERR_BUSY);
	ask(&kit, &answers[0], "ea");
	ask(&kit, &answers[1], "eb");
	ck_assert_int_eq(kit_try_ask(&kit, &answers[2], mem_copy("ec", 2), 2, 1, 1), ERR_BUSY);
	kit_run(&kit, 2);
	expect(&answers[0], HELPER_OK, "a");
	expect(&answers[1], HELPER_OK, "b");
	ck_assert_uint_eq(answers[2].times, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(who_forgets_is_not_called_and_a_process_that_hangs_over_it_is_still_killed)
{
	struct helper_kit kit;
	struct helper_request *request;
	struct kit_answer hang, forgotten, behind;
	struct helper_question question = {.bytes = mem_copy("h", 1),
		.len = 1,
		.limit_us = KIT_SECOND / 10,
		.deadline_us = CLOCK_NEVER,
		.done = kit_on_done,
		.arg = &hang};

	kit_open(&kit, toy_serve, 1);
	kit_answer_init(&hang, &kit);
	kit_answer_init(&forgotten, &kit);
	ck_assert_int_eq(helper_ask(kit.set, &question, clock_us(), &request), ERR_OK);
	question.bytes = mem_copy("ex", 2);
	question.len = 2;
	question.arg = &forgotten;
	kit_run_until_ready(&kit, 1);
	helper_forget(kit.set, request);
	ck_assert_int_eq(helper_ask(kit.set, &question, clock_us(), &request), ERR_OK);
	helper_forget(kit.set, request);
	ask(&kit, &behind, "ehere");
	kit_run(&kit, 1);
	expect(&behind, HELPER_OK, "here");
	ck_assert_uint_eq(hang.times + forgotten.times, 0);
	ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
	kit_close(&kit);
}
END_TEST

START_TEST(where_no_process_can_live_questions_are_refused_and_starts_get_rarer)
{
	struct helper_kit kit;
	struct kit_answer answer;
	uint64_t begun_us = clock_us(), started;

	kit_open(&kit, stillborn_serve, 1);
	ask(&kit, &answer, "ex");
	kit_run(&kit, 1);
	expect(&answer, HELPER_UNAVAILABLE, "");
	started = helper_counts(kit.set).started;
	ck_assert_uint_ge(started, 6);
	while (clock_us() < begun_us + 2 * KIT_SECOND || helper_counts(kit.set).started == started)
		kit_turn(&kit, KIT_SECOND);
	ck_assert_uint_le(helper_counts(kit.set).started, 12);
	ck_assert_uint_gt(helper_counts(kit.set).started, started);
	kit_close(&kit);
}
END_TEST

START_TEST(without_a_forker_questions_are_refused)
{
	struct helper_kit kit;
	struct kit_answer answer;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	kill(forker_pid(kit.forker), SIGKILL);
	ask(&kit, &answer, "h");
	kit_run(&kit, 1);
	ck_assert_int_eq(answer.outcome, HELPER_DIED);
	buf_free(&answer.text);
	ask(&kit, &answer, "ex");
	kit_run(&kit, 2);
	expect(&answer, HELPER_UNAVAILABLE, "");
	kit_close(&kit);
}
END_TEST

START_TEST(a_question_for_which_there_is_no_memory_is_refused_and_leaves_nothing_behind)
{
	struct helper_kit kit;
	struct kit_answer answer;
	bool failed = true;

	kit_open(&kit, toy_serve, 1);
	for (unsigned long n = 1; failed; n++) {
		char *bytes = mem_copy("ex", 2);
		enum err_code code;
		size_t before = kit.answered;

		kit_answer_init(&answer, &kit);
		mem_fail_at(n);
		code = kit_try_ask(&kit, &answer, bytes, 2, KIT_SECOND, CLOCK_NEVER);
		if (code == ERR_OK)
			kit_run(&kit, before + 1);
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert(code == ERR_NOMEM || code == ERR_OK);
		ck_assert_uint_eq(answer.times, code == ERR_OK);
		ck_assert_uint_eq(helper_counts(kit.set).questions, 0);
		buf_free(&answer.text);
	}
	kit_close(&kit);
}
END_TEST

START_TEST(a_thousand_questions_get_one_right_answer_each_whoever_is_killed)
{
	struct helper_kit kit;
	struct kit_answer *answers = mem_new(1000 * sizeof *answers);
	uint32_t random = 12345;
	size_t killed = 0, right = 0;
	char text[32];

	kit_open(&kit, toy_serve, 2);
	for (size_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "e%zu", i);
		ask(&kit, &answers[i], text);
	}
	while (kit.answered < 1000) {
		pid_t pids[KIT_CHILDREN_MAX];
		size_t count;

		random = random * 1664525 + 1013904223;
		if (random >> 28 == 0 && (count = kit_children(forker_pid(kit.forker), pids)) > 0)
			killed += kill(pids[(random >> 8) % count], SIGKILL) == 0;
		kit_turn(&kit, KIT_SECOND);
	}
	for (size_t i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%zu", i);
		right += answers[i].outcome == HELPER_OK;
		expect(&answers[i], answers[i].outcome,
			answers[i].outcome == HELPER_OK ? text : "");
		ck_assert(answers[i].outcome == HELPER_OK || answers[i].outcome == HELPER_DIED);
	}
	ck_assert_uint_gt(killed, 3);
	ck_assert_uint_ge(right + killed, 1000);
	mem_free(answers);
	kit_close(&kit);
}
END_TEST

static bool ends_within(int pidfd, int ms)
{
	struct pollfd watched = {.fd = pidfd, .events = POLLIN};

	return poll(&watched, 1, ms) == 1;
}

/* A process that has a forker with a hanging helper, and tells their numbers. */
static _Noreturn void be_a_program(int tell)
{
	struct helper_kit kit;
	struct kit_answer answer;
	pid_t pids[1 + KIT_CHILDREN_MAX];

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ask(&kit, &answer, "h");
	pids[0] = forker_pid(kit.forker);
	if (kit_children(pids[0], pids + 1) != 1 ||
		write(tell, pids, 2 * sizeof *pids) != 2 * sizeof *pids)
		_exit(1);
	for (;;)
		pause();
}

START_TEST(when_the_program_is_killed_forker_and_helpers_are_gone)
{
	int ends[2], held[2];
	pid_t program, pids[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	program = fork();
	if (program == 0)
		be_a_program(ends[1]);
	ck_assert_int_eq((int)read(ends[0], pids, sizeof pids), (int)sizeof pids);
	for (size_t i = 0; i < 2; i++) {
		held[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
		ck_assert_int_ge(held[i], 0);
		ck_assert(!ends_within(held[i], 0));
	}
	kill(program, SIGKILL);
	waitpid(program, NULL, 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(ends_within(held[i], 5000));
		close(held[i]);
	}
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(signals_that_stop_or_reload_the_program_do_not_touch_them)
{
	static const int sent[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};
	struct helper_kit kit;
	struct kit_answer answer;
	pid_t pids[KIT_CHILDREN_MAX];

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ck_assert_uint_eq(kit_children(forker_pid(kit.forker), pids), 1);
	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
		kill(forker_pid(kit.forker), sent[i]);
		kill(pids[0], sent[i]);
	}
	ask(&kit, &answer, "ehere");
	kit_run(&kit, 1);
	expect(&answer, HELPER_OK, "here");
	ck_assert_uint_eq(helper_counts(kit.set).started, 1);
	kit_close(&kit);
}
END_TEST

START_TEST(helpers_have_no_environment)
{
	struct helper_kit kit;
	struct kit_answer answer;

	ck_assert_int_eq(setenv("SECRET", "sesame", 1), 0);
	kit_open(&kit, toy_serve, 1);
	ask(&kit, &answer, "v");
	kit_run(&kit, 1);
	expect(&answer, HELPER_OK, "empty");
	kit_close(&kit);
	ck_assert_str_eq(getenv("SECRET"), "sesame");
}
END_TEST

static void ask_of(struct helper_kit *kit, struct kit_answer *answer, const void *caller,
	const void *asker, uint64_t note, const char *text)
{
	struct helper_question question = {.caller = caller,
		.asker = asker,
		.note = note,
		.bytes = mem_copy(text, strlen(text)),
		.len = strlen(text),
		.limit_us = 5 * KIT_SECOND,
		.deadline_us = CLOCK_NEVER,
		.done = kit_on_done,
		.arg = answer};

	kit_answer_init(answer, kit);
	ck_assert_int_eq(helper_ask(kit->set, &question, clock_us(), NULL), ERR_OK);
}

static void ask_as(struct helper_kit *kit, struct kit_answer *answer, const void *asker,
	uint64_t note, const char *text)
{
	ask_of(kit, answer, NULL, asker, note, text);
}

START_TEST(askers_take_turns_and_each_ones_questions_keep_their_order)
{
	enum { MANY = 20, FEW = 3 };
	struct helper_kit kit;
	struct kit_answer many[MANY], few[FEW];
	size_t before = 0;
	int a, b;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < MANY; i++)
		ask_as(&kit, &many[i], &a, 0, "e many");
	for (size_t i = 0; i < FEW; i++)
		ask_as(&kit, &few[i], &b, 0, "e few");
	while (few[FEW - 1].times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += many[i].times;
	/* the window's, one before each of the few, and what came in the same look */
	ck_assert_uint_le(before, 2 * HELPER_WINDOW + FEW);
	kit_run(&kit, MANY + FEW);
	for (size_t i = 0; i < MANY; i++)
		expect(&many[i], HELPER_OK, " many");
	for (size_t i = 0; i < FEW; i++)
		expect(&few[i], HELPER_OK, " few");
	kit_close(&kit);
}
END_TEST

START_TEST(a_caller_gets_no_more_turns_by_asking_for_many)
{
	enum { MANY = 20 };
	struct helper_kit kit;
	struct kit_answer many[MANY], one;
	char askers[MANY];
	size_t before = 0;
	int a, b;

	kit_open(&kit, toy_serve, 1);
	for (size_t i = 0; i < MANY; i++)
		ask_of(&kit, &many[i], &a, &askers[i], 0, "e many");
	ask_of(&kit, &one, &b, &b, 0, "e one");
	while (one.times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += many[i].times;
	ck_assert_uint_le(before, 2 * HELPER_WINDOW + 1);
	kit_run(&kit, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		expect(&many[i], HELPER_OK, " many");
	expect(&one, HELPER_OK, " one");
	kit_close(&kit);
}
END_TEST

START_TEST(what_lay_behind_a_question_that_kills_comes_before_all_that_waits)
{
	enum { MANY = 12 };
	struct helper_kit kit;
	struct kit_answer deadly[MANY], one;
	char askers[MANY + 1];
	size_t before = 0;

	kit_open(&kit, toy_serve, 1);
	kit_run_until_ready(&kit, 1);
	ask_as(&kit, &deadly[0], &askers[0], 0, "d");
	ask_as(&kit, &one, &askers[MANY], 0, "e one");
	for (size_t i = 1; i < MANY; i++)
		ask_as(&kit, &deadly[i], &askers[i], 0, "d");
	while (one.times == 0)
		kit_turn(&kit, KIT_SECOND);
	for (size_t i = 0; i < MANY; i++)
		before += deadly[i].times;
	ck_assert_uint_le(before, 2); /* the one before it, and one in the same look */
	kit_run(&kit, MANY + 1);
	for (size_t i = 0; i < MANY; i++)
		expect(&deadly[i], HELPER_DIED, "");
	expect(&one, HELPER_OK, " one");
	kit_close(&kit);
}
END_TEST

START_TEST(a_note_that_a_question_needs_stays_and_the_others_can_be_dropped)
{
	struct helper_kit kit;
	struct kit_answer first, second;

	kit_open(&kit, toy_serve, 1);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("one"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 2, SPAN("two"), clock_us()), ERR_OK);
	ck_assert_int_eq(helper_tell(kit.set, 1, SPAN("one"), clock_us()), ERR_OK);
	ask_as(&kit, &first, &kit, 1, "n 1");
	helper_drop(kit.set, 1, clock_us());
	helper_drop_unused(kit.set, clock_us());
	ask_as(&kit, &second, &kit, 0, "n 2");
	kit_run(&kit, 2);
	expect(&first, HELPER_OK, "one");
	expect(&second, HELPER_OK, "");
	helper_drop_unused(kit.set, clock_us());
	ask_as(&kit, &first, &kit, 0, "n 1");
	kit_run(&kit, 3);
	expect(&first, HELPER_OK, "");
	kit_close(&kit);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/helper");
	TCase *tcase = tcase_create("helper");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, questions_are_answered_in_their_order_by_one_process);
	tcase_add_test(tcase, questions_spread_over_all_processes);
	tcase_add_test(tcase, a_process_that_dies_costs_only_what_it_worked_on);
	tcase_add_test(
		tcase, a_process_that_hangs_is_killed_at_its_limit_and_what_is_behind_it_goes_on);
	tcase_add_test(tcase,
		a_question_that_had_half_gone_to_a_process_that_is_killed_goes_whole_to_the_next);
	tcase_add_test(tcase,
		past_its_deadline_a_question_is_late_wherever_it_is_and_its_process_lives_on);
	tcase_add_test(tcase, an_answer_that_is_too_large_fails_and_the_next_is_well);
	tcase_add_test(tcase, large_questions_go_over_in_pieces);
	tcase_add_test(tcase, a_process_that_answers_another_question_is_replaced);
	tcase_add_test(tcase, a_process_that_leaves_in_good_order_costs_nothing);
	tcase_add_test(tcase, notes_reach_every_process_and_its_replacement_until_they_are_dropped);
	tcase_add_test(tcase, notes_and_questions_have_limits);
	tcase_add_test(
		tcase, who_forgets_is_not_called_and_a_process_that_hangs_over_it_is_still_killed);
	tcase_add_test(tcase, where_no_process_can_live_questions_are_refused_and_starts_get_rarer);
	tcase_add_test(tcase, without_a_forker_questions_are_refused);
	tcase_add_test(tcase,
		a_question_for_which_there_is_no_memory_is_refused_and_leaves_nothing_behind);
	tcase_add_test(tcase, a_thousand_questions_get_one_right_answer_each_whoever_is_killed);
	tcase_add_test(tcase, when_the_program_is_killed_forker_and_helpers_are_gone);
	tcase_add_test(tcase, signals_that_stop_or_reload_the_program_do_not_touch_them);
	tcase_add_test(tcase, helpers_have_no_environment);
	tcase_add_test(tcase, askers_take_turns_and_each_ones_questions_keep_their_order);
	tcase_add_test(tcase, a_caller_gets_no_more_turns_by_asking_for_many);
	tcase_add_test(tcase, what_lay_behind_a_question_that_kills_comes_before_all_that_waits);
	tcase_add_test(tcase, a_note_that_a_question_needs_stays_and_the_others_can_be_dropped);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
