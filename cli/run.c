/* run.c - `batchgate run`: the calls of a file or pipe, without a server.
 *
 * One thread feeds, takes and writes; it waits in one poll for results, signals, input and output.
 * The calls are made by the pool's workers.
 *
 *   FEEDING -end of input-> ENDING -nothing outstanding, all written-> over
 *   FEEDING, ENDING -first signal, stop_on_error, the wrong input-> DRAINING -> over
 *   any -second signal, nobody reads, output fails-> ABORTING -> over */
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch/item.h"
#include "cli/output.h"
#include "cli/run_setup.h"
#include "cli/run_signals.h"
#include "common/clock.h"
#include "common/exit_code.h"

enum { FEED_STEP = 128, WAITING_MAX = 256 * 1024 };

enum phase { FEEDING, ENDING, DRAINING, ABORTING };

struct loop {
	struct run *run;
	enum phase phase;
	bool whole;                 /* the input was read to its end */
	bool gone, broken;          /* nobody reads; it failed (that was told) */
	bool stuck;                 /* told to end at once, and the output takes nothing */
	bool wants_input, full;     /* full: no memory for the next item until others are done */
	struct run_input_item item; /* read, and not in the feed yet */
	bool has_item;
	size_t read, unrun;
};

/* ---- the end comes ---- */

static void drain(struct loop *loop)
{
	if (loop->phase >= DRAINING)
		return;
	loop->phase = DRAINING;
	feed_cancel(loop->run->feed, POOL_STOP_ON_ERROR);
	feed_flush(loop->run->feed);
}

static void abort_all(struct loop *loop)
{
	if (loop->phase == ABORTING)
		return;
	loop->phase = ABORTING;
	feed_cancel(loop->run->feed, POOL_DRAIN);
	feed_flush(loop->run->feed);
}

static void fail(struct loop *loop, const char *where, const char *what)
{
	if (!loop->broken)
		fprintf(stderr, "%sbatchgate run: %s: %s\n", loop->run->bar.columns ? "\n" : "",
			where, what);
	loop->broken = true;
}

static void stop(struct loop *loop)
{
	struct run *run = loop->run;
	bool told = loop->phase >= DRAINING || run->flags.quiet;

	drain(loop); /* before it is said: nobody who does not read holds it up */
	if (told)
		return;
	fprintf(stderr,
		"%sbatchgate run: stopping: the calls that have begun finish; once more aborts "
		"them\n",
		run->bar.columns ? "\n" : "");
	run->bar.columns = 0;
}

static void react(struct loop *loop)
{
	struct run *run = loop->run;
	unsigned signals = run_signals_count();
	int journal = run->journal.path ? atomic_load(&run->journal.failed) : 0;
	uint64_t count;
	ssize_t got = read(run->wake, &count, sizeof count);

	(void)got; /* what there is to do is looked up, however often it was told */
	if (signals >= 2)
		abort_all(loop);
	else if (signals == 1)
		stop(loop);
	else if (feed_stopped(run->feed))
		drain(loop);
	if (journal && !loop->broken) {
		fail(loop, run->journal.path, strerror(journal));
		drain(loop);
	}
}

/* ---- items go in ---- */

static void end_input(struct loop *loop)
{
	struct run *run = loop->run;

	loop->whole = true;
	if (loop->phase == FEEDING)
		loop->phase = ENDING;
	if (run->seen.beyond > loop->read)
		fail(loop, run->input.name,
			"it has fewer items than the output: that is not the output of this input");
}

static enum err_code add(struct loop *loop)
{
	struct run *run = loop->run;
	struct run_input_item *item = &loop->item;
	const struct feed_item fed = {
		item->index, item->text, item->line, run_seen_lost(&run->seen, item->index)};
	char message[256];

	if (!run_input_prove(&run->input, item, message))
		return feed_refuse(run->feed, item->index, message);
	return feed_add(run->feed, &fed);
}

/* Where the input could not be read beforehand. */
static bool is_wrong_item(const struct loop *loop)
{
	const struct run *run = loop->run;
	char message[256];
	struct span id;

	if (run->total != PROGRESS_UNKNOWN || !run_seen_has(&run->seen, loop->item.index))
		return false;
	id = run_input_prove(&run->input, &loop->item, message) ? item_id(loop->item.text)
								: SPAN("null");
	return !run_seen_matches(&run->seen, loop->item.index, id);
}

static void take_item(struct loop *loop)
{
	loop->read++;
	loop->has_item = false;
	if (is_wrong_item(loop)) {
		char what[128];

		snprintf(what, sizeof what,
			"item %zu has another id than in the output: that is not the output of "
			"this input",
			loop->item.index);
		fail(loop, loop->run->input.name, what);
		drain(loop);
	} else if (!run_setup_skips(loop->run, loop->item.index)) {
		loop->has_item = true;
	}
}

/* The next item into loop->item. False: there is none now. */
static bool read_item(struct loop *loop)
{
	enum run_input_got got = run_input_next(&loop->run->input, &loop->item);

	if (got == RUN_INPUT_GOT_ITEM) {
		take_item(loop);
		return true;
	}
	if (got == RUN_INPUT_GOT_END)
		end_input(loop);
	loop->wants_input = got == RUN_INPUT_GOT_MORE;
	return false;
}

static void feed_some(struct loop *loop)
{
	struct run *run = loop->run;

	loop->wants_input = loop->full = false;
	for (unsigned i = 0; i < FEED_STEP && loop->phase == FEEDING; i++) {
		enum err_code code;

		if (feed_room(run->feed) == 0 || (!loop->has_item && !read_item(loop)))
			break;
		if (!loop->has_item)
			continue;
		code = add(loop);
		loop->full = code == ERR_LIMIT;
		if (loop->full)
			break;
		loop->has_item = false;
		if (code != ERR_OK) {
			fail(loop, run->input.name, "no memory for its items");
			drain(loop);
		}
	}
	feed_flush(run->feed);
}

static void fill(struct loop *loop)
{
	struct err err;
	enum err_code code = run_lines_fill(&loop->run->input.lines, &err);

	if (code == ERR_OK || code == ERR_BUSY)
		return;
	fail(loop, loop->run->input.name, err.detail);
	drain(loop);
}

/* ---- results come out ---- */

/* What is not written will never be. */
static bool drops(const struct loop *loop)
{
	return loop->gone || loop->stuck;
}

static bool has_room(const struct loop *loop)
{
	return run_output_waiting(&loop->run->output) < WAITING_MAX;
}

static void keep(struct loop *loop, const struct feed_result *result)
{
	struct run *run = loop->run;

	if (result->unrun) {
		loop->unrun++;
		return;
	}
	if (drops(loop))
		return;
	if (run_output_add(&run->output, result->bytes) != ERR_OK) {
		fail(loop, "output", "no memory");
		abort_all(loop);
		return;
	}
	run_seen_find(&run->seen, result->index);
	run_bar_count(&run->bar, result);
}

static void write_some(struct loop *loop)
{
	struct run *run = loop->run;

	if (drops(loop) || run_output_waiting(&run->output) == 0)
		return;
	if (run->shares_terminal)
		run_bar_clear(&run->bar);
	switch (run_output_write(&run->output)) {
	case RUN_OUTPUT_BLOCKED:
		loop->stuck = loop->phase == ABORTING;
		return;
	case RUN_OUTPUT_DONE:
		return;
	case RUN_OUTPUT_GONE:
		loop->gone = true;
		break;
	case RUN_OUTPUT_FAILED:
		fail(loop, run->output.path ? run->output.path : "standard output",
			strerror(errno));
		loop->gone = true;
		break;
	}
	abort_all(loop);
}

/* Until none is ready, or the output takes no more. */
static void take_some(struct loop *loop)
{
	struct run *run = loop->run;
	struct feed_result result;
	bool more = true;

	while (more) {
		while (more && (has_room(loop) || drops(loop))) {
			more = feed_take(run->feed, &result);
			if (more)
				keep(loop, &result);
		}
		write_some(loop);
		if (more && !has_room(loop) && !drops(loop))
			return;
	}
}

/* ---- the loop ---- */

static bool is_over(const struct loop *loop)
{
	const struct run *run = loop->run;

	if (loop->phase == FEEDING || feed_outstanding(run->feed) > 0)
		return false;
	return drops(loop) || run_output_waiting(&run->output) == 0;
}

static int wait_ms(uint64_t until_us)
{
	uint64_t now = clock_us();

	if (until_us == CLOCK_NEVER)
		return -1;
	return until_us <= now ? 0 : (int)((until_us - now + 999) / 1000);
}

static void wait_for_news(struct loop *loop, uint64_t until_us)
{
	struct run *run = loop->run;
	bool reads = loop->wants_input && loop->phase == FEEDING, more;
	struct pollfd fds[] = {{.fd = run->wake, .events = POLLIN},
		{.fd = reads ? run->input.fd : -1, .events = POLLIN},
		{.fd = drops(loop) || run->output.regular ? -1 : run->output.fd,
			.events = run_output_waiting(&run->output) ? POLLOUT : 0}};

	more = loop->phase == FEEDING && !loop->wants_input && !loop->full &&
	       feed_room(run->feed) > 0;
	if (poll(fds, 3, more ? 0 : wait_ms(until_us)) < 0)
		return;
	if (fds[1].revents)
		fill(loop);
	if (fds[2].revents & (POLLERR | POLLHUP)) { /* a pipe, a socket: nobody reads any more */
		loop->gone = true;
		abort_all(loop);
	}
}

static void run_loop(struct loop *loop)
{
	struct run *run = loop->run;

	for (;;) {
		uint64_t next_us;

		react(loop);
		feed_some(loop);
		take_some(loop);
		if (is_over(loop))
			return;
		next_us = run_bar_draw(&run->bar, clock_us());
		wait_for_news(loop, next_us);
	}
}

/* ---- afterwards ---- */

static size_t not_run(const struct loop *loop)
{
	const struct run *run = loop->run;
	size_t run_now = run->bar.succeeded + run->bar.failed;

	if (run->total != PROGRESS_UNKNOWN) /* an input may grow while it is run */
		return run->total > run_now ? run->total - run_now : 0;
	return loop->whole ? loop->unrun : PROGRESS_UNKNOWN;
}

static size_t earlier_failed(const struct run *run)
{
	return run->flags.retry_failed ? 0 : run->seen.failed;
}

static void end_journal(struct loop *loop)
{
	struct run *run = loop->run;
	struct err err;

	if (!run->journal.path || drops(loop) || loop->broken)
		return;
	if (run_journal_end(&run->journal, &run->seen, &err) != ERR_OK)
		fail(loop, run->output.path, err.detail);
}

static int finish(struct loop *loop)
{
	struct run *run = loop->run;
	const struct run_bar_end end = {
		.earlier = run->seen.count - (run->flags.retry_failed ? run->seen.failed : 0),
		.earlier_failed = earlier_failed(run),
		.stopped = loop->phase >= DRAINING,
		.resumable = run->output.path && run->output.regular,
		.unrun = loop->phase >= DRAINING ? not_run(loop) : 0};

	end_journal(loop);
	run_bar_finish(&run->bar);
	if (loop->gone && !loop->broken)
		return EXIT_BY_SIGNAL + SIGPIPE;
	if (!run->flags.quiet && !loop->gone) /* else what was counted was not all written */
		run_bar_summary(&run->bar, &end);
	if (loop->broken)
		return EXIT_FAILED;
	if (run_signals_last())
		return EXIT_BY_SIGNAL + run_signals_last();
	return run->bar.failed + earlier_failed(run) > 0 ? EXIT_ITEMS_FAILED : 0;
}

/* What is opened must not get their numbers. False: there is no standard output. */
static bool hold_standard(void)
{
	bool has_output = fcntl(STDOUT_FILENO, F_GETFD) >= 0;

	for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
		if (fd <= STDERR_FILENO)
			continue;
		close(fd);
		break;
	}
	return has_output;
}

int run_main(int argc, char *const *argv, char *const *env)
{
	struct run *run = mem_new(sizeof *run);
	struct loop loop = {.run = run};
	bool has_output = hold_standard();
	int status = run_setup(run, argc, argv, env);

	if (status == 0 && !has_output && !run->output.path) {
		fprintf(stderr, "batchgate run: standard output is closed\n");
		status = EXIT_FAILED;
	} else if (status == 0) {
		run_loop(&loop);
		status = finish(&loop);
	}
	run_setup_undo(run);
	mem_free(run);
	return status;
}
