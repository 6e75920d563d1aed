/* main.c - the command line: which command it names, and who runs that.
 *
 * The only file that sees every part. */
#include <stdio.h>
#include <string.h>

#include "cli/check.h"
#include "cli/command.h"
#include "cli/health.h"
#include "cli/key.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/usage.h"
#include "common/exit_code.h"
#include "common/mem.h"
#include "handlers/version.h"
#include "pool/forker.h"
#include "server/daemon.h"

static int check(int argc, char *const *argv, char *const *env)
{
	struct forker *forker = daemon_start_forker();
	int status = forker ? check_run(argc, argv, env, daemon_judge, forker) : EXIT_FAILED;

	forker_stop(forker);
	return status;
}

static int later(const char *command)
{
	fprintf(stderr, "batchgate %s: comes with a later version; see batchgate --help\n",
		command);
	return EXIT_USAGE;
}

static int tell_version(void)
{
	struct library libraries[VERSION_LIBRARIES];

	version_libraries(libraries);
	printf("batchgate %s\n", BATCHGATE_VERSION);
	for (size_t i = 0; i < VERSION_LIBRARIES; i++)
		printf("  %s %s\n", libraries[i].name, libraries[i].version);
	return output_end("--version");
}

/* argv: without the program's name */
static int dispatch(int argc, char *const *argv, char *const *env)
{
	bool named = argc > 0 && argv[0][0] != '-';
	const char *command = named ? argv[0] : "serve";
	enum command_id id = command_find(command);

	argc -= named;
	argv += named;
	if (strcmp(command, "help") == 0)
		return usage_help(argc > 0 && argv[0][0] != '-' ? argv[0] : NULL);
	if (id < COMMAND_COUNT && usage_asks_for_help(argc, argv))
		return usage_help(named ? command : NULL);
	if (argc > 0 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0))
		return tell_version();
	switch (id) {
	case COMMAND_SERVE:
		return daemon_serve(argc, argv, env);
	case COMMAND_CHECK:
		return check(argc, argv, env);
	case COMMAND_HEALTH:
		return health_run(argc, argv, env);
	case COMMAND_KEY:
		return key_run(argc, argv);
	case COMMAND_RUN:
		return run_main(argc, argv, env);
	case COMMAND_COUNT:
		break;
	}
	if (strcmp(command, "jobs") == 0)
		return later(command);
	return usage_refuse(command);
}

int main(int argc, char *argv[], char *env[])
{
	mem_setup();
	return dispatch(argc - 1, argv + 1, env);
}
