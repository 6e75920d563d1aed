/* check.c - `batchgate check [--print]`: is the configuration one that the server would start with?
 */
#include "cli/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/check_endpoint.h"
#include "cli/output.h"
#include "common/mem.h"

enum { EXIT_REFUSED = 2, TEXT_MAX_BYTES = 16 * 1024 * 1024 };

static void show(const struct buf *text, FILE *stream)
{
	if (text->len)
		fwrite(text->ptr, 1, text->len, stream);
}

static int show_good(const struct config *config, bool print)
{
	struct buf text;

	if (!print) {
		printf("ok: %s: listens on %s port %u, keys %zu, upstreams %zu, endpoints "
		       "%zu, in flight at most %u\n",
			config->path ? config->path : "no file", config->server.host,
			config->server.port, config->auth.key_count, config->upstream_count,
			config->endpoint_count, config->pool.max_in_flight);
		return output_end("check");
	}
	buf_init(&text, TEXT_MAX_BYTES);
	config_print(config, &text);
	show(&text, stdout);
	buf_free(&text);
	return output_end("check");
}

/* The exit code, or output_end's where stdout took nothing. */
static int end_trial(int status)
{
	int ended = output_end("check");

	return ended ? ended : status;
}

struct wants {
	bool print;
	struct check_trial trial;
};

static int judge_all(int argc, char *const *argv, char *const *env, const struct wants *wants,
	check_judge_fn *judge, struct forker *forker)
{
	struct buf warnings, faults;
	struct config *config = NULL;
	int exit_code = EXIT_REFUSED;
	enum err_code code;

	buf_init(&warnings, TEXT_MAX_BYTES);
	buf_init(&faults, TEXT_MAX_BYTES);
	code = config_load(argc, argv, env, &config, &warnings, &faults);
	show(&warnings, stderr);
	if (code == ERR_OK && judge)
		code = judge(config, forker, &faults);
	show(&faults, stderr);
	if (code == ERR_OK && wants->trial.endpoint)
		exit_code = end_trial(check_endpoint(config, forker, &wants->trial));
	else if (code == ERR_OK)
		exit_code = show_good(config, wants->print);
	else if (!faults.len)
		fprintf(stderr, "batchgate check: %s\n", err_text(code));
	config_unref(config);
	buf_free(&warnings);
	buf_free(&faults);
	return exit_code;
}

/* `--name VALUE` or `--name=VALUE`: keeps it, and gives how many arguments it takes; 0: it is
 * another one; -1: it lacks its value, which was told. */
static int take(int argc, char *const *argv, struct wants *wants)
{
	const struct {
		const char *name;
		const char **place;
	} flags[] = {{"--endpoint", &wants->trial.endpoint}, {"--item", &wants->trial.item},
		{"--params", &wants->trial.params}, {"--answer", &wants->trial.answer}};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		size_t len = strlen(flags[i].name);

		if (strncmp(argv[0], flags[i].name, len) != 0)
			continue;
		if (argv[0][len] == '=') {
			*flags[i].place = argv[0] + len + 1;
			return 1;
		}
		if (argv[0][len] == '\0' && argc == 1) {
			fprintf(stderr, "batchgate check: %s: needs a value\n", argv[0]);
			return -1;
		}
		if (argv[0][len] == '\0') {
			*flags[i].place = argv[1];
			return 2;
		}
	}
	wants->print |= strcmp(argv[0], "--print") == 0;
	return strcmp(argv[0], "--print") == 0;
}

int check_run(
	int argc, char *const *argv, char *const *env, check_judge_fn *judge, struct forker *forker)
{
	char **rest = mem_new(((size_t)argc + 1) * sizeof *rest);
	struct wants wants = {0};
	int count = 0, exit_code = EXIT_REFUSED;

	for (int i = 0, used; i < argc; i += used) {
		used = take(argc - i, argv + i, &wants);
		if (used < 0)
			goto out;
		if (used == 0) {
			rest[count++] = argv[i];
			used = 1;
		}
	}
	if (!wants.trial.endpoint && (wants.trial.item || wants.trial.params || wants.trial.answer))
		fprintf(stderr, "batchgate check: --item, --params and --answer need "
				"--endpoint NAME\n");
	else
		exit_code = judge_all(count, rest, env, &wants, judge, forker);
out:
	mem_free(rest);
	return exit_code;
}
