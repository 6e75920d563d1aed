/* check.c - `batchgate check [--print]`: is the configuration one that the server would start with?
 */
#include "cli/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/check_endpoint.h"
#include "cli/command.h"
#include "cli/hint.h"
#include "cli/output.h"
#include "common/exit_code.h"
#include "common/mem.h"

enum { TEXT_MAX_BYTES = 16 * 1024 * 1024 };

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
	if (text.len)
		fwrite(text.ptr, 1, text.len, stdout);
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
	settings_judge_fn *judge, struct forker *forker)
{
	struct config *config = settings_load("check", argc, argv, env, judge, forker);
	int exit_code = EXIT_USAGE;

	if (config && wants->trial.endpoint)
		exit_code = end_trial(check_endpoint(config, forker, &wants->trial));
	else if (config)
		exit_code = show_good(config, wants->print);
	config_unref(config);
	return exit_code;
}

/* `--name VALUE` or `--name=VALUE`: keeps it, and gives how many arguments it takes; 0: it is
 * another one; -1: it lacks its value, which was told. */
static int take(int argc, char *const *argv, struct wants *wants)
{
	const struct {
		enum command_flag_id id;
		const char **place;
	} flags[] = {{FLAG_CHECK_ENDPOINT, &wants->trial.endpoint},
		{FLAG_CHECK_ITEM, &wants->trial.item}, {FLAG_CHECK_PARAMS, &wants->trial.params},
		{FLAG_CHECK_ANSWER, &wants->trial.answer}};
	const char *print = command_flags[FLAG_CHECK_PRINT].name;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		const char *name = command_flags[flags[i].id].name;
		size_t len = strlen(name);

		if (strncmp(argv[0], name, len) != 0)
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
	wants->print |= strcmp(argv[0], print) == 0;
	return strcmp(argv[0], print) == 0;
}

/* Nearly a flag of our own; it was told. What is nearly a setting is told with all other faults. */
static bool is_misspelt(const char *argument)
{
	size_t len = strcspn(argument, "=");
	char name[CONFIG_NAME_SIZE], hint[CONFIG_QUOTE_SIZE];
	const char *meant;

	if (strncmp(argument, "--", 2) != 0 || len >= sizeof name)
		return false;
	memcpy(name, argument, len);
	name[len] = '\0';
	meant = strstr(hint_flag(COMMAND_CHECK, name, hint), "--");
	if (!meant || strncmp(meant, "--config", 8) == 0 ||
		command_find_flag(COMMAND_CHECK, meant, strcspn(meant, "?")) == COMMAND_FLAG_COUNT)
		return false;
	fprintf(stderr, "batchgate check: %s: unknown flag%s\n", name, hint);
	return true;
}

int check_run(int argc, char *const *argv, char *const *env, settings_judge_fn *judge,
	struct forker *forker)
{
	char **rest = mem_new(((size_t)argc + 1) * sizeof *rest);
	struct wants wants = {0};
	int count = 0, exit_code = EXIT_USAGE;

	for (int i = 0, used; i < argc; i += used) {
		used = take(argc - i, argv + i, &wants);
		if (used < 0 || (used == 0 && is_misspelt(argv[i])))
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
