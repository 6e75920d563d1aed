/* usage.c - what the program says of itself in place of running: help, and that a command is none.
 */
#include "cli/usage.h"

#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/hint.h"
#include "cli/output.h"
#include "common/exit_code.h"

bool usage_asks_for_help(int argc, char *const *argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int usage_help(const char *command)
{
	enum command_id id = command ? command_find(command) : COMMAND_COUNT;

	if (command && id == COMMAND_COUNT)
		return usage_refuse(command);
	if (command)
		help_print_command(id, stdout);
	else
		help_print(stdout);
	return output_end("--help");
}

int usage_refuse(const char *command)
{
	char hint[CONFIG_QUOTE_SIZE], quoted[CONFIG_QUOTE_SIZE];

	hint_command(command, hint);
	fprintf(stderr, "batchgate: no such command: %s%s\n", config_fault_quote(command, quoted),
		*hint ? hint : "; see batchgate --help");
	return EXIT_USAGE;
}
