/* template.c - what a template costs: CPU of program and helper process together, beside a bare
 * loop over libjq in the same run.
 *
 *   template [evaluations]
 *
 * The body is 1 KB, the template makes a chat request of it. The last column is what the helper
 * process adds to (or, since its output is rendered by us, takes off) the bare loop. */
#include <jq.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "batch/template.h"
#include "batch/template_jq.h"
#include "common/clock.h"
#include "common/mem.h"

#define PROGRAM "{body: {model: \"x\", messages: [{role: \"user\", content: .item}]}}"

enum { BODY_BYTES = 1000, WARM = 200, AHEAD = 64, LIMIT_US = 10 * 1000 * 1000 };

struct bench {
	struct helper_set *set;
	struct pollfd watched;
	size_t asked, answered, wrong;
	char body[BODY_BYTES + 1];
	struct template *template;
};

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static void on_watch(void *bench_arg, int fd, uint32_t events)
{
	struct bench *bench = bench_arg;

	bench->watched.fd = events ? fd : -1;
	bench->watched.events = (short)(POLLIN | (events & EPOLLOUT ? POLLOUT : 0));
}

static void on_done(void *bench_arg, enum helper_outcome outcome, struct span answer)
{
	struct bench *bench = bench_arg;
	struct template_answer got = template_read(outcome, answer);

	bench->answered++;
	bench->wrong += !got.ok || got.text.len < BODY_BYTES;
}

static void ask(struct bench *bench)
{
	const struct template_part parts[] = {{"item", {bench->body, BODY_BYTES}},
		{"index", SPAN("7")}, {"params", SPAN("{\"strategy\":\"stepback\"}")}};
	struct helper_question question = {
		.limit_us = LIMIT_US, .deadline_us = CLOCK_NEVER, .done = on_done, .arg = bench};

	REQUIRE(template_question(bench->template, parts, 3, 1u << 20, &question.bytes,
			&question.len) == ERR_OK);
	REQUIRE(helper_ask(bench->set, &question, clock_us(), NULL) == ERR_OK);
	bench->asked++;
}

static void run(struct bench *bench, size_t count, size_t ahead)
{
	size_t end = bench->answered + count, last = bench->asked + count;

	while (bench->answered < end) {
		while (bench->asked < last && bench->asked - bench->answered < ahead)
			ask(bench);
		poll(&bench->watched, 1, 1000);
		helper_process(bench->set, bench->watched.fd,
			bench->watched.revents & POLLOUT ? EPOLLIN | EPOLLOUT : EPOLLIN,
			clock_us());
	}
}

/* The helper's CPU time is known once it is reaped, by the forker, which is reaped by us. */
static void measure(struct bench *bench, size_t count, size_t ahead)
{
	struct forker *forker;
	struct helper_options options = {.count = 1,
		.queue_max = AHEAD,
		.queue_bytes = 1u << 20,
		.answer_max = 1u << 20,
		.notes_max = 1,
		.note_bytes = TEMPLATE_TEXT_MAX,
		.watch = on_watch,
		.arg = bench};
	double children = cpu(RUSAGE_CHILDREN), own, wall;

	REQUIRE(forker_start(template_jq_serve, &forker, NULL) == ERR_OK);
	options.forker = forker;
	REQUIRE(helper_new(&options, clock_us(), &bench->set, NULL) == ERR_OK);
	REQUIRE(helper_tell(bench->set, template_id(bench->template),
			template_text(bench->template), clock_us()) == ERR_OK);
	run(bench, WARM, ahead);
	own = cpu(RUSAGE_SELF);
	wall = (double)clock_us();
	run(bench, count, ahead);
	own = cpu(RUSAGE_SELF) - own;
	wall = (double)clock_us() - wall;
	helper_destroy(bench->set);
	forker_stop(forker);
	children = cpu(RUSAGE_CHILDREN) - children;
	printf("helper, %2zu ahead   %6.1f us CPU an evaluation: program %.1f, helper process %.1f "
	       "(its start and compiling spread over all); %.1f us passed\n",
		ahead, (own + children) / (double)count * 1e6, own / (double)count * 1e6,
		children / (double)count * 1e6, wall / (double)count);
	if (bench->wrong > 0)
		printf("%zu wrong answers\n", bench->wrong);
}

static void measure_bare(const struct bench *bench, size_t count)
{
	jq_state *jq = jq_init();
	double own;

	REQUIRE(jq_compile(jq, PROGRAM));
	own = cpu(RUSAGE_SELF);
	for (size_t i = 0; i < count; i++) {
		jv input = jv_object_set(
			jv_object(), jv_string("item"), jv_parse_sized(bench->body, BODY_BYTES));
		jv text;

		jq_start(jq, input, 0);
		text = jv_dump_string(jq_next(jq), 0);
		REQUIRE(jv_string_length_bytes(jv_copy(text)) > BODY_BYTES);
		jv_free(text);
		jv_free(jq_next(jq));
	}
	own = cpu(RUSAGE_SELF) - own;
	printf("bare libjq loop    %6.1f us CPU an evaluation\n", own / (double)count * 1e6);
	jq_teardown(&jq);
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 50000;
	struct template_source source = {
		"bench", TEMPLATE_REQUEST, span_of(PROGRAM), "bench/template.c", 1, 0};
	static struct bench bench;
	struct err err;

	if (template_new(&source, &bench.template, &err) != ERR_OK) {
		fprintf(stderr, "%s\n", err.detail);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < BODY_BYTES; i++)
		bench.body[i] = i % 7 == 0 ? ' ' : 'a';
	bench.body[0] = bench.body[BODY_BYTES - 1] = '"';
	measure(&bench, count, 1);
	measure(&bench, count, 4);
	measure(&bench, count, AHEAD);
	measure_bare(&bench, count);
	template_unref(bench.template);
	return bench.wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
