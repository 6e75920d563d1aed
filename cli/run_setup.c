/* run_setup.c - everything a run needs before its first call: checked, read, opened. */
#include "cli/run_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/item.h"
#include "batch/template_jq.h"
#include "cli/run_document.h"
#include "cli/help.h"
#include "cli/hint.h"
#include "cli/run_resume.h"
#include "cli/run_settings.h"
#include "cli/run_signals.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/log.h"

enum { FAULTS_MAX_BYTES = 256 << 10 };

static int refuse(const char *what)
{
	fprintf(stderr, "batchgate run: %s\n", what);
	return EXIT_USAGE;
}

static int refuse_input(const struct run *run, const struct err *err)
{
	fprintf(stderr, "batchgate run: %s: %s\n", run->input.name, err->detail);
	return EXIT_USAGE;
}

static int refuse_head(const struct run *run, const struct err *err)
{
	fprintf(stderr, "batchgate run: %s: %s\n", run->input.head, err->detail);
	return EXIT_USAGE;
}

/* ---- the input ---- */

/* The text of --defaults or --params, or NULL where there is none; `room` holds a file's. */
static enum err_code read_flag_text(const char *name, const char *flag, struct buf *room,
	const char **ret_text, struct err *err)
{
	FILE *file;
	char part[4096];
	size_t got = 1;
	enum err_code code = ERR_OK;

	*ret_text = flag;
	if (!flag || flag[0] != '@')
		return ERR_OK;
	file = fopen(flag + 1, "re");
	if (!file)
		return err_set(err, ERR_IO, "--%s: %.300s: %s", name, flag + 1, strerror(errno));
	while (got > 0 && !room->failed) {
		got = fread(part, 1, sizeof part, file);
		buf_add(room, part, got);
	}
	*ret_text = room->ptr ? room->ptr : "";
	if (ferror(file))
		code = err_set(err, ERR_IO, "--%s: %.300s: %s", name, flag + 1, strerror(errno));
	else if (room->failed)
		code = err_set(err, ERR_LIMIT,
			"--%s: %.300s: larger than %zu bytes (limits.max_body)", name, flag + 1,
			room->max);
	fclose(file);
	return code;
}

/* Of --endpoint: its templates are compiled, so that what is wrong is told before the first call.
 */
static int find_endpoint(struct run *run)
{
	const struct endpoint *endpoint = NULL;
	struct buf faults;
	enum err_code code;

	buf_init(&faults, FAULTS_MAX_BYTES);
	code = endpoint_set_new(run->config, 0, &run->endpoints, &faults);
	if (code == ERR_OK)
		code = endpoint_set_compile(run->endpoints, run->forker, &faults);
	if (faults.len)
		fwrite(faults.ptr, 1, faults.len, stderr);
	buf_free(&faults);
	if (code == ERR_OK)
		endpoint = endpoint_find(run->endpoints, run->flags.endpoint);
	if (endpoint && endpoint_use_new(run->endpoints, endpoint, &run->use) == ERR_OK)
		return 0;
	if (code == ERR_OK && !endpoint)
		fprintf(stderr,
			"batchgate run: the configuration has no endpoint %.64s (--config FILE "
			"names one)\n",
			run->flags.endpoint);
	return EXIT_USAGE;
}

static int open_input(struct run *run)
{
	const struct run_input_limits limits = {
		run->config->limits.max_body, run->budget.limit, run->config->limits.max_depth};
	struct buf room;
	const char *defaults;
	struct err err;
	int status = 0;

	if (run_input_open(&run->input, run->flags.file, &err) != ERR_OK)
		return refuse_input(run, &err);
	if (run->input.fd == STDIN_FILENO && !run->flags.file && isatty(STDIN_FILENO)) {
		refuse("no input: name a file, or pipe one in\n");
		help_print_usage(COMMAND_RUN, stderr);
		return EXIT_USAGE;
	}
	buf_init(&room, run->config->limits.max_body);
	run->input.named = run->use != NULL;
	if (read_flag_text(run->use ? "params" : "defaults",
		    run->use ? run->flags.params : run->flags.defaults, &room, &defaults,
		    &err) != ERR_OK)
		status = refuse(err.detail);
	else if (run_input_begin(&run->input, &limits, defaults, &err) != ERR_OK)
		status = refuse_head(run, &err);
	buf_free(&room);
	return status;
}

/* ---- what the flags say over the document ---- */

static void apply_flags(struct run *run)
{
	const struct run_flags *flags = &run->flags;
	struct options *options = &run->envelope.options;
	struct defaults *defaults = &run->envelope.defaults;

	if (flags->concurrency)
		options->concurrency = flags->concurrency < run->config->limits.max_concurrency
					       ? flags->concurrency
					       : run->config->limits.max_concurrency;
	if (flags->rate_per_s > 0)
		options->rate_per_s = flags->rate_per_s;
	if (flags->order)
		options->input_order = strcmp(flags->order, "input") == 0;
	if (flags->timeout_ms)
		defaults->timeout_us = flags->timeout_ms * 1000;
	if (flags->max_attempts)
		defaults->policy.max_attempts = flags->max_attempts;
	if (defaults->timeout_us > run->config->limits.max_item_timeout_ms * 1000)
		defaults->timeout_us = run->config->limits.max_item_timeout_ms * 1000;
}

static int read_envelope(struct run *run)
{
	int status = run_document_read(
		&run->input, run->config, run->use, run->budget.limit, &run->envelope);

	if (status)
		return status;
	if (run->envelope.options.strict && !run->input.document)
		return refuse("options.strict needs a document: lines are run as they come");
	apply_flags(run);
	return run_settings_fit(run->config, run->envelope.options.concurrency);
}

/* ---- the output ---- */

bool run_setup_skips(const struct run *run, size_t index)
{
	return run_seen_has(&run->seen, index) &&
	       !(run->flags.retry_failed && run_seen_failed(&run->seen, index));
}

static int mismatch(const struct run *run, size_t index)
{
	fprintf(stderr,
		"batchgate run: %s: item %zu has another id than in %s: this is not the input of "
		"that output\n",
		run->input.name, index, run->output.path);
	return EXIT_USAGE;
}

/* Of one item that has a result: is it the same one? */
static bool same_item(const struct run *run, const struct run_input_item *item)
{
	char message[256];
	struct span id =
		run_input_prove(&run->input, item, message) ? item_id(item->text) : SPAN("null");

	return run_seen_matches(&run->seen, item->index, id);
}

static int survey(struct run *run, size_t *ret_count)
{
	struct run_input_item item;
	struct err err;

	*ret_count = 0;
	for (;;) {
		enum run_input_got got = run_input_next(&run->input, &item);

		if (got == RUN_INPUT_GOT_END)
			return 0;
		if (got == RUN_INPUT_GOT_MORE) {
			enum err_code code = run_lines_fill(&run->input.lines, &err);

			if (code != ERR_OK && code != ERR_BUSY)
				return refuse_input(run, &err);
			continue;
		}
		++*ret_count;
		if (run_seen_has(&run->seen, item.index) && !same_item(run, &item))
			return mismatch(run, item.index);
	}
}

/* Counts what is to be run and compares ids, where the input can be read twice. */
static int look_ahead(struct run *run, bool wanted)
{
	size_t count, done = run->seen.count - (run->flags.retry_failed ? run->seen.failed : 0);
	int status;

	run->total = PROGRESS_UNKNOWN;
	if (!run->input.document && !(run->input.regular && wanted))
		return 0;
	status = survey(run, &count);
	if (status)
		return status;
	if (run->seen.beyond > count) {
		fprintf(stderr,
			"batchgate run: %s has a result of item %zu, but %s has only %zu items: "
			"this is "
			"not the input of that output\n",
			run->output.path, run->seen.beyond - 1, run->input.name, count);
		return EXIT_USAGE;
	}
	run->total = count - done;
	if (run_input_restart(&run->input))
		return 0;
	return refuse("the input cannot be read a second time");
}

static int tell(enum err_code code, const struct err *err)
{
	refuse(err->detail);
	return code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

/* What is written would be read, and called, for ever. */
static bool feeds_itself(const struct run *run)
{
	struct stat in, out;

	return run->input.regular && run->output.regular && fstat(run->input.fd, &in) == 0 &&
	       fstat(run->output.fd, &out) == 0 && in.st_dev == out.st_dev &&
	       in.st_ino == out.st_ino;
}

/* Both files: the results, and the journal of what is under way, which only a regular file has. */
static enum err_code open_file(struct run *run, const char *path, bool resume, struct err *err)
{
	enum err_code code = run_output_open(&run->output, path, resume, err);

	if (code != ERR_OK || !run->output.regular)
		return code;
	code = run_journal_init(&run->journal, run->output.path, err);
	if (code == ERR_OK && run->use && run->use->key[0])
		run->journal.key = run->use->key;
	return code;
}

static int refuse_killed(const struct run *run, const char *path)
{
	fprintf(stderr,
		"batchgate run: %s is there: a run was killed while calls were under way; go on "
		"with --resume %s, or remove it to make them again\n",
		run->journal.path, path);
	return EXIT_USAGE;
}

static int begin_new_output(struct run *run, const char *path, bool wants_total)
{
	struct err err;
	enum err_code code = open_file(run, path, false, &err);
	int status;

	if (code != ERR_OK)
		return tell(code, &err);
	if (run->journal.path && run_journal_is_there(&run->journal))
		return refuse_killed(run, path);
	status = look_ahead(run, wants_total);
	if (status || !run->journal.path)
		return status;
	code = run_journal_begin(&run->journal, &run->seen, &err);
	return code == ERR_OK ? 0 : tell(code, &err);
}

/* The journal goes before the failed results: what is lost must not be taken for what failed. */
static enum err_code repair(struct run *run, const struct run_resume *resume, struct err *err)
{
	enum err_code code = run_resume_repair(&run->output, resume, err);

	if (code == ERR_OK)
		code = run_journal_begin(&run->journal, &run->seen, err);
	if (code == ERR_OK && run->flags.retry_failed && run->seen.failed > 0)
		code = run_resume_drop_failed(&run->output, &run->seen, err);
	return code;
}

static int begin_resumed_output(struct run *run, const char *path)
{
	struct run_resume resume;
	struct err err;
	enum err_code code = open_file(run, path, true, &err);
	int status;

	if (code == ERR_OK)
		code = run_resume_load(&run->output, run->budget.limit, &run->seen, &resume, &err);
	if (code == ERR_OK)
		code = run_journal_load(&run->journal, &run->seen, &err);
	if (code != ERR_OK)
		return tell(code, &err);
	if (run->output.created && !run->flags.quiet)
		fprintf(stderr, "batchgate run: %s is new: beginning with the first item\n", path);
	status = look_ahead(run, true);
	if (status)
		return status;
	code = repair(run, &resume, &err);
	return code == ERR_OK ? 0 : tell(code, &err);
}

/* All that may be refused comes before the first byte that is changed. */
static int open_output(struct run *run, bool bar)
{
	bool wants_total = bar || run->envelope.options.stop_on_error;

	if (run->flags.resume)
		return begin_resumed_output(run, run->flags.resume);
	if (run->flags.output)
		return begin_new_output(run, run->flags.output, wants_total);
	if (feeds_itself(run))
		return refuse("the input is the output too");
	return look_ahead(run, wants_total);
}

/* ---- the engine ---- */

static void wake(void *self)
{
	const struct run *run = self;

	run_signals_wake(run->wake);
}

static bool starting(void *self, size_t index)
{
	struct run *run = self;

	return run_journal_note(&run->journal, index);
}

static enum err_code start_feed(struct run *run, struct err *err)
{
	const struct options *options = &run->envelope.options;
	const struct feed_options feed = {
		.env = {run->config, run->guard, run->pool, &run->budget},
		.caller = run->caller,
		.envelope = &run->envelope,
		.use = run->use,
		.deadline_us = options->has_batch_timeout
				       ? clock_add(clock_us(), options->batch_timeout_us)
				       : CLOCK_NEVER,
		.cancelled = "the run was stopped while the call was under way",
		.lost = "a run was killed while this call was under way: whether it was carried "
			"out is not known",
		.blocked_hint = hint_blocked,
		.self = run,
		.ready = wake,
		.starting = run->journal.path ? starting : NULL,
	};

	return feed_new(&feed, &run->feed) == ERR_OK ? ERR_OK
						     : err_set(err, ERR_NOMEM, "no memory");
}

static int start_engine(struct run *run)
{
	struct err err;
	enum err_code code = run_signals_begin(&run->wake, &err);

	run->caller = caller_new("run", true, false);
	if (code == ERR_OK && !run->caller)
		code = err_set(&err, ERR_NOMEM, "no memory");
	if (code == ERR_OK)
		code = guard_new(run->config, 0, &run->guard, &err);
	if (code == ERR_OK)
		code = pool_new(run->config, &run->budget, run->forker, &run->pool, &err);
	if (code == ERR_OK)
		code = start_feed(run, &err);
	if (code == ERR_OK)
		return 0;
	refuse(err.detail);
	return EXIT_FAILED;
}

static bool wants_bar(const struct run *run)
{
	return !run->flags.quiet && isatty(STDERR_FILENO) && !log_enabled(LOG_INFO);
}

int run_setup(struct run *run, int argc, char *const *argv, char *const *env)
{
	struct err err;
	bool bar;
	int status;

	run->wake = run->input.fd = -1;
	run_output_init(&run->output);
	if (run_flags_read(argc, argv, &run->flags, &err) != ERR_OK) {
		refuse(err.detail);
		help_print_usage(COMMAND_RUN, stderr);
		return EXIT_USAGE;
	}
	if (run->flags.endpoint && /* before a secret is read */
		forker_start(template_jq_serve, &run->forker, &err) != ERR_OK) {
		refuse(err.detail);
		return EXIT_FAILED;
	}
	status = run_settings_load(&run->flags, env, &run->config);
	if (status)
		return status;
	run->budget.limit = mem_for_requests(run->config->limits.memory);
	bar = wants_bar(run);
	batch_library_init();
	status = run->flags.endpoint ? find_endpoint(run) : 0;
	if (!status)
		status = open_input(run);
	if (!status)
		status = read_envelope(run);
	if (!status)
		status = open_output(run, bar);
	if (!status)
		status = start_engine(run);
	if (!status)
		run->shares_terminal = bar && isatty(run->output.fd);
	run_bar_begin(&run->bar, bar, run->envelope.options.label, run->total);
	return status;
}

void run_setup_undo(struct run *run)
{
	feed_destroy(run->feed);
	pool_destroy(run->pool);
	guard_unref(run->guard);
	caller_unref(run->caller);
	forker_stop(run->forker);
	options_free_defaults(&run->envelope.defaults);
	endpoint_use_destroy(run->use);
	endpoint_set_unref(run->endpoints);
	run_input_free(&run->input);
	run_journal_free(&run->journal);
	run_seen_free(&run->seen);
	run_output_close(&run->output);
	run_bar_free(&run->bar);
	run_flags_free(&run->flags);
	config_unref(run->config);
	if (run->wake >= 0)
		close(run->wake);
}
